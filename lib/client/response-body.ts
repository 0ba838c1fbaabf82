import { Buffer } from '../shared/ambient.js';
import { Chunks } from './chunks.js';
import type { ResponseHead } from './response-head.js';

/** RFC 9110 8.6: equal lengths are one; others are none that could be relied on. */
function lengthOf({ headers }: ResponseHead): number | 'none' | 'bad' {
  const told = headers.getAll('content-length').flatMap((value) => value.split(','));
  if (told.length === 0) return 'none';
  const lengths = new Set(told.map((each) => (/^[\t ]*\d{1,15}[\t ]*$/.test(each) ? Number(each) : -1)));
  const [length] = lengths;
  return lengths.size === 1 && length !== -1 ? length! : 'bad';
}

function isChunked({ headers }: ResponseHead): boolean {
  return /(?:^|,)[\t ]*chunked[\t ]*$/i.test(headers.get('transfer-encoding') ?? '');
}

/**
 * The body of a refusal, from pieces of any size: as much as may be kept. It ends (RFC 9112 6.3) by its length, by its
 * last chunk, or with the connection.
 */
export class ResponseBody {
  readonly #limit: number;
  readonly #chunks: Chunks | undefined;
  #left: number;
  #kept = Buffer.alloc(0);
  #size = 0;
  #complete: boolean;

  constructor(head: ResponseHead, limit: number) {
    this.#limit = limit;
    const { status, headers } = head;
    const coded = headers.has('transfer-encoding'); /* outweighs a length (RFC 9112 6.3) */
    const length = coded ? 'none' : lengthOf(head);
    this.#chunks = coded && isChunked(head) ? new Chunks((piece) => this.#keep(piece)) : undefined;
    this.#left = typeof length === 'number' ? length : Number.POSITIVE_INFINITY;
    const none = status < 200 || status === 204 || status === 304;
    this.#complete = none || this.#left === 0 || length === 'bad' || limit === 0;
  }

  /** All of it is there, or as much as may be kept, or it goes on malformed. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Takes the next piece; it may change afterwards. */
  add(bytes: Uint8Array): void {
    if (this.#complete) return;
    if (this.#chunks !== undefined) {
      if (this.#chunks.read(bytes)) this.#complete = true;
      return;
    }
    this.#keep(bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes);
    this.#left -= bytes.length;
    if (this.#left <= 0) this.#complete = true;
  }

  #keep(bytes: Uint8Array): void {
    const take = Math.min(bytes.length, this.#limit - this.#size);
    const size = this.#size + take;
    if (size > this.#kept.length) {
      const grown = Buffer.alloc(Math.min(this.#limit, Math.max(size, 2 * this.#kept.length, 1024)));
      this.#kept.copy(grown);
      this.#kept = grown;
    }
    this.#kept.set(take < bytes.length ? bytes.subarray(0, take) : bytes, this.#size);
    this.#size = size;
    if (size >= this.#limit) this.#complete = true;
  }

  /** What came of it. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#kept.subarray(0, this.#size));
  }
}
