import { UpgradeRequest } from '../connection/request.js';
import type { Transport } from '../connection/transport.js';
import type { Trust } from '../proxy/trust.js';
import { AbortController, TextDecoder } from '../shared/ambient.js';
import { describe, unexpected } from '../shared/checks.js';
import { shown } from '../shared/shown.js';
import { bodyError } from './body-error.js';
import type { IncomingBody } from './incoming-body.js';

/** How much {@link HttpRequest.bytes}, `text` and `json` take unless told otherwise: 1 MiB. */
export const BODY_LIMIT = 1024 * 1024;

/** Options of {@link HttpRequest.bytes} and its like. */
export interface BodyLimit {
  /** Largest body in bytes, an integer from 0; 1 MiB by default. */
  limit?: number | undefined;
}

/** Whether a request is still worth an answer, and who wants to know. */
export interface RequestFate {
  gone: boolean;
  controller: AbortController | undefined;
}

/**
 * A plain HTTP request. Its body is read at most once, in one of four ways; a
 * body that is not read costs nothing. What the peer did wrong with its body
 * rejects with `ERR_BODY`; a handler that lets that through answers 413 (too
 * large) or 400 (no JSON).
 */
export class HttpRequest<X = unknown> extends UpgradeRequest<X> {
  readonly #body: IncomingBody;
  readonly #fate: RequestFate;

  /** @internal */
  constructor(
    text: string,
    transport: Transport<X>,
    trust: Trust | undefined,
    body: IncomingBody,
    fate: RequestFate,
  ) {
    super(text, transport, trust);
    this.#body = body;
    this.#fate = fate;
  }

  /**
   * The body in pieces as they arrive. Reading is as fast as the loop: the peer
   * is held back when about 64 KiB wait. Leaving the loop gives the rest up.
   *
   * @throws LwsError ERR_BODY when the peer left, took longer than `idleTimeout`
   * or sent a malformed body, when the response ended first, and for a second read.
   */
  get body(): AsyncIterable<Buffer> {
    return this.#body;
  }

  /**
   * The whole body.
   *
   * @throws LwsError ERR_BODY as {@link HttpRequest.body} and for more than `limit` bytes;
   * ERR_INVALID_ARGUMENT for a bad `limit`.
   */
  async bytes(options?: BodyLimit): Promise<Buffer> {
    return this.#body.bytes(checkLimit(options));
  }

  /** The whole body as UTF-8; what is malformed becomes U+FFFD, a byte order mark is left out. As {@link HttpRequest.bytes}. */
  async text(options?: BodyLimit): Promise<string> {
    return new TextDecoder().decode(await this.bytes(options));
  }

  /** The whole body as JSON; ERR_BODY when it is none. As {@link HttpRequest.bytes}. */
  async json(options?: BodyLimit): Promise<unknown> {
    const text = await this.text(options);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw bodyError(`The request body is no JSON: ${(error as Error).message}`, 400, error);
    }
  }

  /**
   * Aborts when the transport dies before the response ended: at once by an error, and
   * `closeTimeout` after a FIN of a peer that took nothing of the response meanwhile.
   */
  get signal(): AbortSignal {
    if (this.#fate.controller === undefined) {
      this.#fate.controller = new AbortController();
      if (this.#fate.gone) this.#fate.controller.abort();
    }
    return this.#fate.controller.signal;
  }
}

function checkLimit(options: BodyLimit | undefined): number {
  const limit: unknown = options?.limit ?? BODY_LIMIT;
  if (Number.isSafeInteger(limit) && (limit as number) >= 0) return limit as number;
  throw unexpected('an integer from 0', 'the limit of a body', describe(limit));
}

shown(HttpRequest.prototype, 'HttpRequest', ({ method, path, headers, remoteAddress, secure }) => {
  return { method, path, headers, remoteAddress, secure };
});
