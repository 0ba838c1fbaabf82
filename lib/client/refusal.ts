import { responseClass } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { ResponseBody } from './response-body.js';
import { type Answerer, answerCode, type ResponseHead } from './response-head.js';

const sentence = { server: 'The server refused the upgrade with', proxy: 'The proxy refused with' } as const;

/** Milliseconds that the rest of a body is waited for: the status is the answer, and known. */
export const BODY_TIME = 2_000;

/** RFC 9110 6.4.1: statuses whose responses have no content, so that `Response` takes none either. */
const BARE = new Set([204, 205, 304]);

/** An answer other than the one that was asked for, and what came of its body. */
export class Refusal {
  readonly #head: ResponseHead;
  readonly #body: ResponseBody;
  readonly #from: Answerer;

  /** `limit`: most bytes of the body that are kept. */
  constructor(head: ResponseHead, limit: number, from: Answerer = 'server') {
    this.#head = head;
    this.#body = new ResponseBody(head, limit);
    this.#from = from;
  }

  /** Nothing is to be read any more. */
  get complete(): boolean {
    return this.#body.complete;
  }

  /** Takes the next piece of the body. */
  add(bytes: Uint8Array): void {
    this.#body.add(bytes);
  }

  #response(): object {
    const { status, statusText, headers } = this.#head;
    const bytes = this.#body.bytes();
    const bare = { status, statusText, headers, bytes: async () => bytes };
    const Response = responseClass();
    /* a Node that has none, as by --no-experimental-fetch */
    if (Response === undefined) return bare;
    try {
      return new Response(BARE.has(status) ? null : bytes, { status, statusText, headers: [...headers] });
    } catch {
      return bare; /* Node's own looks ReadableStream up late, from 22 on */
    }
  }

  /** As it is told, with a `Response` as cause; `why` in place of the usual sentence. */
  toError(why?: string): LwsError {
    const { status, statusText } = this.#head;
    const line = `${status} ${statusText.slice(0, 100)}`.trim();
    const text = why === undefined ? `${sentence[this.#from]} ${line}` : `${why} (${line})`;
    return new LwsError(answerCode[this.#from], text, { cause: this.#response() });
  }
}
