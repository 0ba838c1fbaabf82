import { isIP, type LookupFunction } from 'node:net';
import type { Connection } from '../connection/connection.js';
import { checkReaders, handlerChecks } from '../connection/handler-checks.js';
import type { Handlers, Method, Unless } from '../connection/handlers.js';
import type { DeflateOptions } from '../handshake/deflate.js';
import { deflateChecks } from '../handshake/deflate.js';
import { URL } from '../shared/ambient.js';
import {
  type Check,
  checkTable,
  DAY,
  integer,
  kindOf,
  MAX_INT,
  oneOf,
  text,
  token,
  type,
  unexpected,
  wrong,
} from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isAbortSignal } from '../shared/signals.js';
import { type ClientTlsOptions, checkClientTls } from '../tls/tls.js';
import { basicCredentials } from './credentials.js';
import { elsewhere } from './elsewhere.js';
import { parseProxy } from './proxy.js';

/** Header fields of a request. */
export type HeaderFields = Record<string, string | string[]> | Headers | Iterable<[string, string]>;

/**
 * Options of {@link connect}. Times are milliseconds, sizes bytes. `data` is required where its type was named, unless
 * it may be undefined.
 */
export type ConnectOptions<D = unknown> = ConnectSettings<D> & Unless<D, { data: NoInfer<D> }>;

/** What {@link ConnectOptions} are made of. */
export interface ConnectSettings<D = unknown> extends Handlers<D> {
  /** Becomes `connection.data`. */
  data?: D | undefined;
  /**
   * Further request headers, as `Authorization` or `Origin`; or a function, which may be async, that is asked once by
   * each `connect` and before each try of `reconnect`, for a fresh token.
   */
  headers?: HeaderFields | (() => HeaderFields | Promise<HeaderFields>) | undefined;
  /** Subprotocols to offer, the preferred one first. */
  protocols?: string | readonly string[] | undefined;
  /** Aborts connecting; an open connection is not touched. */
  signal?: AbortSignal | undefined;
  /** From the call to `open`, redirects and proxy included. Default 10 s. */
  handshakeTimeout?: number | undefined;
  /** Options of `wss:`. */
  tls?: ClientTlsOptions | undefined;
  /** Offer permessage-deflate (RFC 7692). Default false. */
  perMessageDeflate?: boolean | DeflateOptions | undefined;
  /** Connect to this unix socket; the URL still names host and path. */
  socketPath?: string | undefined;
  /** As Node's `dns.lookup`, which is the default. All addresses are tried (RFC 8305). */
  lookup?: LookupFunction | undefined;
  /** Only addresses of IPv4 or IPv6. Default: both, or that of `localAddress`. */
  family?: 4 | 6 | undefined;
  /** IP address to connect from. */
  localAddress?: string | undefined;
  /**
   * `http://[user:password@]host:port` of a proxy that is asked to CONNECT. It is then the proxy that `lookup`,
   * `family` and `localAddress` are used for. Proxies of the environment (`HTTP_PROXY`) are not looked at.
   */
  proxy?: string | URL | undefined;
  /** Most redirects to follow. Default 0: a redirect is a refusal. `wss:` is never left for `ws:`. */
  followRedirects?: number | undefined;
  /** Most bytes of a refusal's body kept for the error. Default 64 KiB. */
  maxResponseBody?: number | undefined;
  /** Bytes of `connection.memory`. Default 0. */
  memory?: number | undefined;
  /** `'transient'` lends binary messages for the call of `message` only. Default `'buffer'`. */
  binaryType?: 'buffer' | 'transient' | undefined;
  /** Largest message; above: 1009. Default 16 MiB. */
  maxPayload?: number | undefined;
  /** Most bytes that may wait; where nothing waits, one message of any size is taken. Default 16 MiB. */
  maxBackpressure?: number | undefined;
  /** Instead of passing `maxBackpressure`: `'close'` with 1013 (default), or `'drop'` the message. */
  onBackpressure?: 'close' | 'drop' | undefined;
  /** Ping after so much silence. Default 30 s, 0 off. */
  pingInterval?: number | undefined;
  /** End when nothing came for so long. Default 120 s, 0 off. */
  idleTimeout?: number | undefined;
  /** How long to wait for the peer's close frame and FIN. Default 5 s. */
  closeTimeout?: number | undefined;
  /** Largest response head. Default 16 KiB. */
  maxHeaderSize?: number | undefined;
  /** Every use of a dead connection throws. Default false. */
  strictLifetime?: boolean | undefined;
  /** What went wrong in handlers after it opened. Absent: it surfaces as uncaught. */
  error?: Method<[error: LwsError, connection: Connection<D> | undefined]> | undefined;
}

/** Options whose headers were read. */
export type RequestOptions = Omit<ConnectSettings<never>, 'headers'> & { headers: [string, string][] };

export const connectChecks: Record<string, Check> = {
  ...handlerChecks,
  data: () => {},
  headers: (name, value) => {
    if (typeof value !== 'function' && (typeof value !== 'object' || value === null))
      throw wrong(name, 'an object, Headers, pairs, or a function', value);
  },
  protocols: (name, value) => {
    const names: unknown = typeof value === 'string' ? [value] : value;
    if (!Array.isArray(names)) throw wrong(name, 'a token or an array of tokens (RFC 9110 5.6.2)', value);
    for (const each of names)
      if (typeof each !== 'string' || !token.test(each)) throw wrong(name, 'tokens (RFC 9110 5.6.2)', each);
    if (new Set(names).size !== names.length) throw wrong(name, 'each subprotocol once', value);
  },
  signal: (name, value) => {
    if (!isAbortSignal(value)) throw wrong(name, 'an AbortSignal', value);
  },
  handshakeTimeout: integer(1, DAY),
  tls: (_name, value) => checkClientTls(value),
  perMessageDeflate: (name, value) => {
    if (typeof value !== 'boolean') checkTable(value, deflateChecks, name);
  },
  socketPath: text,
  lookup: type('function'),
  family: (name, value) => {
    if (value !== 4 && value !== 6) throw wrong(name, '4 or 6', value);
  },
  localAddress: (name, value) => {
    if (typeof value !== 'string' || isIP(value) === 0) throw wrong(name, 'an IP address', value);
  },
  proxy: (_name, value) => void parseProxy(value as string | URL),
  followRedirects: integer(0, 20),
  maxResponseBody: integer(0, 16 * 1024 * 1024),
  maxPayload: integer(0, MAX_INT),
  maxBackpressure: integer(1, Number.MAX_SAFE_INTEGER),
  onBackpressure: oneOf('close', 'drop'),
  pingInterval: integer(0, DAY),
  idleTimeout: integer(0, DAY),
  closeTimeout: integer(1, DAY),
  maxHeaderSize: integer(256, 1024 * 1024),
  strictLifetime: type('boolean'),
  error: type('function'),
};

/** @throws LwsError ERR_INVALID_OPTION that names the option, what was expected and what came. */
export function checkConnectOptions(options: unknown): void {
  checkTable(options, connectChecks, '', elsewhere);
  checkTogether(options as ConnectSettings<never>);
}

/** What fits alone, but not together. */
export function checkTogether(options: ConnectSettings<never>): void {
  checkReaders(options as Handlers, '');
  const { socketPath, localAddress, family } = options;
  for (const name of ['proxy', 'lookup', 'localAddress', 'family'] as const)
    if (socketPath !== undefined && options[name] !== undefined)
      throw new LwsError(
        'ERR_INVALID_OPTION',
        `Expected either "socketPath" or "${name}" but got both: a unix socket has no address`,
      );
  if (family !== undefined && localAddress !== undefined && isIP(localAddress) !== family)
    throw wrong('localAddress', `an address of IPv${family}, as "family" says,`, localAddress);
}

/** RFC 6455 3: `ws:` and `wss:` without fragment; `http:` and `https:` mean the same, as in WHATWG. */
export function parseUrl(input: string | URL): URL {
  let url: URL;
  try {
    url = new URL(input);
  } catch {
    /* without the cause, which shows the text: it may hold credentials */
    throw unexpected('a WebSocket URL', 'the url', kindOf(input));
  }
  const scheme = { 'ws:': 'ws:', 'wss:': 'wss:', 'http:': 'ws:', 'https:': 'wss:' }[url.protocol];
  if (scheme === undefined) throw unexpected('a ws: or wss: URL', 'the url', `one with ${url.protocol}`);
  if (url.hash !== '') throw unexpected('a URL without fragment', 'the url', 'one with a fragment');
  if (url.protocol !== scheme) url = new URL(url.href.replace(/^http/, 'ws'));
  basicCredentials(url, 'ERR_INVALID_ARGUMENT', 'of the URL');
  return url;
}
