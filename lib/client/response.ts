import { LwsError } from '../errors.js';
import { RequestHeaders } from '../head.js';

/** The head of a response, RFC 9112 4. */
export interface ResponseHead {
  /** HTTP/1.minor */
  readonly minor: number;
  readonly status: number;
  readonly statusText: string;
  readonly headers: RequestHeaders;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/;
const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/;

/** @throws LwsError ERR_HANDSHAKE for what is no HTTP/1 response head. */
export function parseResponseHead(text: string): ResponseHead {
  const match = STATUS_LINE.exec(text);
  if (match === null) throw new LwsError('ERR_HANDSHAKE', 'Expected an HTTP/1.1 status line from the server');
  const fields = text.slice(match[0].length, -2);
  for (const line of fields.split('\r\n'))
    if (line !== '' && !FIELD.test(line))
      throw new LwsError('ERR_HANDSHAKE', 'Expected well-formed header fields from the server');
  const [, minor, status, statusText = ''] = match;
  return { minor: Number(minor), status: Number(status), statusText, headers: new RequestHeaders(fields) };
}

/** How a body ends (RFC 9112 6.3): a length, chunks, or the end of the connection. */
export class ResponseBody {
  readonly #limit: number;
  readonly #chunked: boolean;
  #left: number;
  #parts: Buffer[] = [];
  #size = 0;
  #complete: boolean;

  constructor(head: ResponseHead, limit: number) {
    this.#limit = limit;
    this.#chunked = /(?:^|,)\s*chunked\s*$/i.test(head.headers.get('transfer-encoding') ?? '');
    const length = head.headers.get('content-length');
    this.#left = length !== null && /^\d{1,15}$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
    const empty = head.status < 200 || head.status === 204 || head.status === 304;
    this.#complete = empty || (!this.#chunked && this.#left === 0);
  }

  /** All of it is there, or as much as may be kept. */
  get complete(): boolean {
    return this.#complete;
  }

  add(bytes: Buffer): void {
    if (this.#complete) return;
    const room = this.#limit - this.#size;
    const taken = Buffer.from(bytes.subarray(0, Math.min(room, this.#left)));
    this.#parts.push(taken);
    this.#size += taken.length;
    this.#left -= taken.length;
    if (this.#left === 0 || this.#size >= this.#limit) this.#complete = true;
    else if (
      this.#chunked &&
      /(?:^|\r\n)0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(Buffer.concat(this.#parts).toString('latin1'))
    )
      this.#complete = true;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const all = Buffer.concat(this.#parts);
    return new Uint8Array(this.#chunked ? joinChunks(all) : all);
  }
}

function joinChunks(all: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < all.length; ) {
    const end = all.indexOf('\r\n', at);
    const size = end < 0 ? Number.NaN : Number.parseInt(all.toString('latin1', at, end), 16);
    if (!(size > 0)) break;
    parts.push(all.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(parts);
}

/** A refusal as a WHATWG Response, for `cause`. */
export function toResponse(head: ResponseHead, body: ResponseBody): Response {
  const { status, statusText, headers } = head;
  const bare = status === 204 || status === 205 || status === 304;
  const pairs = [...headers] as [string, string][];
  /* Response cannot stand for 1xx; what matters is in the message then */
  return new Response(bare || status < 200 ? null : body.bytes(), {
    status: status < 200 ? 200 : status,
    statusText,
    headers: pairs,
  });
}
