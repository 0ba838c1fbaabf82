import type { IncomingMessage } from 'node:http';
import { type Origin, originOf } from '../proxy/origin.js';
import type { Trust } from '../proxy/trust.js';
import { URLSearchParams } from '../shared/ambient.js';
import { parseHead, type RequestHead, RequestHeaders } from '../shared/head.js';
import { shown } from '../shared/shown.js';
import { parseTarget, type RequestTarget } from '../shared/target.js';
import type { Transport } from './transport.js';

/**
 * A request as it was sent: an immutable copy, valid for ever. Its parts are
 * parsed when they are asked for.
 */
export class UpgradeRequest<X = unknown> {
  readonly #text: string;
  #head: RequestHead | undefined;
  #target: RequestTarget | undefined;
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

  /**
   * The request as Node's HTTP server took it in, with what its middleware put there, as `req.user`; undefined on listeners
   * of our own and for HTTP/2. For values of your own see the option `data` of `server.adopt`.
   */
  get raw(): IncomingMessage | undefined {
    return this.transport.adoption?.raw;
  }

  get #parsed(): RequestTarget {
    this.#target ??= parseTarget(this.url);
    return this.#target;
  }

  /** In capitals, as `GET`. */
  get method(): string {
    return this.#parts.method;
  }

  /** The request target as sent, not decoded: path and query, or an absolute URI (RFC 9112 3.2). */
  get url(): string {
    return this.#parts.url;
  }

  /** The part of `url` before `?`, not decoded, without the origin of an absolute form (RFC 9112 3.2.2). */
  get path(): string {
    return this.#parsed.path;
  }

  /** The decoded query. */
  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#parsed.query);
    return this.#query;
  }

  /** The header fields, names in lower case; `host` is that of an absolute target (RFC 9112 3.2.2). */
  get headers(): RequestHeaders {
    this.#headers ??= new RequestHeaders(this.#parts.fields, this.#parsed.authority);
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

/* not the query: tokens are sent in it */
shown(UpgradeRequest.prototype, 'UpgradeRequest', ({ method, path, headers, remoteAddress, secure }) => {
  return { method, path, headers, remoteAddress, secure };
});
