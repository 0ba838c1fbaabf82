import { Out, RequestFlag } from '../crossing/native.js';
import { Buffer } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { bodyError } from './body-error.js';
import type { IncomingBody } from './incoming-body.js';
import { responseHead } from './response-head.js';
import { PIECE_MAX, type Sender } from './sender.js';

/** An unread body up to so many bytes is taken in and dropped, so that the transport can go on. */
const DISCARD_MAX = 64 * 1024;

const NOTHING = Buffer.alloc(0);

export interface AnswerHead {
  status: number;
  headers?: Iterable<readonly [name: string, value: string]>;
  /** Bytes of the body; undefined when that is not known beforehand. */
  length?: number | undefined;
  reason?: string;
}

/** Statuses whose responses end with their head (RFC 9110 15.3.5, 15.3.6, 15.4.5). */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/**
 * One response: its head, its framing (RFC 9112 6) and how the transport goes on.
 * The head leaves together with the first piece of the body.
 */
export class Answer {
  readonly #sender: Sender;
  readonly #body: IncomingBody;
  readonly #flags: number;
  readonly #keepAliveTimeout: number;
  #head = '';
  #begun = false;
  #ended = false;
  #keep = false;
  #chunked = false;
  #bodyless = false;
  /** Bytes still due; undefined when the length is not known beforehand. */
  #left: number | undefined;
  /** Called once when the transport dies before the end. */
  onGone: (() => void) | undefined;

  constructor(sender: Sender, body: IncomingBody, flags: number, keepAliveTimeout: number) {
    this.#sender = sender;
    this.#body = body;
    this.#flags = flags;
    this.#keepAliveTimeout = keepAliveTimeout;
  }

  /** Whether the response may still be given, or go on. */
  get open(): boolean {
    return !this.#ended && this.#sender.alive;
  }

  /** Whether a head has left: another one is too late. */
  get begun(): boolean {
    return this.#begun && this.#head === '';
  }

  /** Whether the response is complete, as far as its handler is concerned. */
  get ended(): boolean {
    return this.#ended;
  }

  get isHead(): boolean {
    return (this.#flags & RequestFlag.HEAD) !== 0;
  }

  /** Composes the head. Throws ERR_INVALID_ARGUMENT as {@link responseHead}, and then nothing has begun. */
  begin(head: AnswerHead): void {
    const { status, headers = [] } = head;
    const http10 = (this.#flags & RequestFlag.HTTP10) !== 0;
    const bodyless = this.isHead || isBodyless(status);
    const open = head.length === undefined && !bodyless;
    const mayKeep =
      (this.#flags & RequestFlag.KEEP_ALIVE) !== 0 && !(open && http10) && this.#body.leftover <= DISCARD_MAX;
    const keepAlive = mayKeep && !asksToClose(headers);
    const length = isBodyless(status) ? (status === 205 ? 0 : undefined) : head.length;
    const chunked = open && !http10;
    this.#head = responseHead(status, headers, {
      keepAlive,
      keepAliveTimeout: this.#keepAliveTimeout,
      length,
      chunked,
      ...(head.reason ? { reason: head.reason } : {}),
    });
    if (open && http10) this.#sender.order(Out.UNTIL_END);
    this.#begun = true;
    this.#keep = keepAlive;
    this.#chunked = chunked;
    this.#bodyless = bodyless;
    this.#left = head.length;
  }

  /** Sends the head when the first piece of the body is not to be waited for. */
  flushHead(): void {
    this.#sender.send(this.#take(''), NOTHING, '');
  }

  /** Sends more of the body; settles when the next may come. Nothing goes out beyond the announced length. */
  async write(bytes: Uint8Array): Promise<void> {
    const size = bytes.length;
    if (this.#left !== undefined && size > this.#left)
      throw new LwsError('ERR_HANDLER', 'The body of a response is longer than its Content-Length');
    for (let at = 0; at < size && this.open; at += PIECE_MAX) {
      if (bytes.length !== size)
        throw new LwsError('ERR_HANDLER', 'A piece of a response was transferred while it was sent');
      this.#piece(size <= PIECE_MAX ? bytes : bytes.subarray(at, at + PIECE_MAX));
      if (this.#sender.full) await this.#sender.room();
    }
  }

  /** Ends the response. Throws when less came than was announced. */
  end(): void {
    if (!this.open) return;
    if (!this.#bodyless && this.#left !== undefined && this.#left > 0)
      throw new LwsError('ERR_HANDLER', `The body of a response ended ${this.#left} bytes too early`);
    this.#sender.send(this.#take(this.#chunked ? '0\r\n\r\n' : ''), NOTHING, '');
    this.#ended = true;
    if (this.#body.complete) {
      this.#sender.end(this.#keep);
      return;
    }
    this.#body.fail(bodyError('The request body cannot be read after the response ended'));
    if (this.#keep) this.#body.discard(() => this.#sender.end(true));
    else this.#sender.end(false);
  }

  /** A whole response of a line of text. */
  plain(status: number, text: string, headers: Iterable<readonly [string, string]> = []): void {
    const bytes = Buffer.from(`${text}\n`);
    const type = ['Content-Type', 'text/plain; charset=utf-8'] as const;
    this.begin({ status, headers: [type, ...headers], length: bytes.length });
    this.#piece(bytes);
    this.end();
  }

  /** Gives up in the middle: the peer sees a response that was cut. */
  cut(): void {
    this.#sender.terminate();
  }

  /** The transport died. */
  gone(): void {
    const tell = this.open;
    this.#sender.close();
    if (tell) this.onGone?.();
  }

  /** The native queue ran empty. */
  flushed(): void {
    this.#sender.flushed();
  }

  #take(after: string): string {
    const head = this.#head;
    this.#head = '';
    return head + after;
  }

  #piece(bytes: Uint8Array): void {
    if (this.#left !== undefined) this.#left -= bytes.length;
    if (this.#bodyless || bytes.length === 0) return;
    if (this.#chunked) this.#sender.send(this.#take(`${bytes.length.toString(16)}\r\n`), bytes, '\r\n');
    else this.#sender.send(this.#take(''), bytes, '');
  }
}

function asksToClose(headers: Iterable<readonly [name: string, value: string]>): boolean {
  for (const [name, value] of headers)
    if (name.toLowerCase() === 'connection' && /(?:^|,)\s*close\s*(?:,|$)/i.test(value)) return true;
  return false;
}
