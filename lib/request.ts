import { parseHead, type RequestHead, RequestHeaders } from './head.js';
import { type Origin, originOf } from './proxy/origin.js';
import type { Trust } from './proxy/trust.js';
import type { Transport } from './transport.js';

/**
 * A request as it was sent: an immutable copy, valid for ever. Its parts are
 * parsed when they are asked for.
 */
export class UpgradeRequest<X = unknown> {
  readonly #text: string;
  #head: RequestHead | undefined;
  #headers: RequestHeaders | undefined;
  #query: URLSearchParams | undefined;
  readonly #trust: Trust | undefined;
  #origin: Origin | undefined;
  /** The network connection it came on; `transport.data` may be set here. */
  readonly transport: Transport<X>;

  /** @internal */
  constructor(text: string, transport: Transport<X>, trust?: Trust) {
    this.#text = text;
    this.#trust = trust;
    this.transport = transport;
  }

  get #parts(): RequestHead {
    this.#head ??= parseHead(this.#text);
    return this.#head;
  }

  /** In capitals, as `GET`. */
  get method(): string {
    return this.#parts.method;
  }

  /** The request target as sent: path and query, not decoded. */
  get url(): string {
    return this.#parts.url;
  }

  /** The part of `url` before `?`, not decoded, without the origin of an absolute form (RFC 9112 3.2.2). */
  get path(): string {
    const origin = /^https?:\/\/[^/?]*/i.exec(this.url);
    const start = origin === null ? 0 : origin[0].length;
    const mark = this.url.indexOf('?', start);
    return this.url.slice(start, mark < 0 ? undefined : mark) || '/';
  }

  /** The decoded query. */
  get query(): URLSearchParams {
    if (this.#query === undefined) {
      const mark = this.url.indexOf('?');
      this.#query = new URLSearchParams(mark < 0 ? '' : this.url.slice(mark + 1));
    }
    return this.#query;
  }

  /** The header fields, names in lower case. */
  get headers(): RequestHeaders {
    this.#headers ??= new RequestHeaders(this.#parts.fields);
    return this.#headers;
  }

  /**
   * Address of the client: that of the transport's peer, or the one that proxies forwarded, where `trustProxy`
   * believes them. `''` on a unix socket.
   */
  get remoteAddress(): string {
    return this.#from.address;
  }

  /** Port of the client, 0 on a unix socket and where a proxy did not tell it. */
  get remotePort(): number {
    return this.#from.port;
  }

  /** Whether the client spoke TLS: with us, or with a proxy that `trustProxy` or `proxyProtocol` believes. */
  get secure(): boolean {
    return this.#from.secure;
  }

  get #from(): Origin {
    if (this.#origin === undefined) {
      const { remoteAddress: address, remotePort: port, tls, proxyTls } = this.transport;
      const peer = { address, port, secure: tls !== undefined || proxyTls };
      this.#origin = this.#trust === undefined ? peer : originOf(peer, this.headers, this.#trust);
    }
    return this.#origin;
  }
}
