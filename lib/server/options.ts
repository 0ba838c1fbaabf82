import type { Connection } from '../connection/connection.js';
import { checkReaders, handlerChecks } from '../connection/handler-checks.js';
import type { Handlers, Method, ProtocolOptions, Unless } from '../connection/handlers.js';
import type { UpgradeRequest } from '../connection/request.js';
import { isName, NAME_MAX } from '../connection/topics.js';
import { type Admission, checkAdmission } from '../handshake/admission.js';
import { type DeflateOptions, deflateChecks } from '../handshake/deflate.js';
import { normalOrigin } from '../handshake/origins.js';
import { checkRouteCookie, type RouteCookie } from '../handshake/route-cookie.js';
import type { UpgradeAnswer } from '../handshake/upgrade-answer.js';
import type { RequestHandler } from '../http/exchange.js';
import { checkTrust, type ForwardedHeader, type TrustProxy } from '../proxy/trust.js';
import {
  type Check,
  checkTable,
  DAY,
  integer,
  MAX_INT,
  number,
  oneOf,
  record,
  text,
  token,
  type,
  wrong,
} from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import type { ServerTlsOptions } from '../tls/tls.js';
import { elsewhere } from './elsewhere.js';

/**
 * Options of {@link createServer}; its handlers are those of connections without an entry in `protocols`. Times are
 * milliseconds, sizes bytes. `upgrade` is required where the type of `connection.data` was named, unless that may be
 * undefined.
 */
export type ServerOptions<D = unknown, X = unknown> = ServerSettings<D, X> & Unless<D, DataFromUpgrade>;

/** Whose `upgrade` gives each connection its data. */
export interface DataFromUpgrade {
  /** See {@link ServerSettings.upgrade}. */
  upgrade: object;
}

/** What {@link ServerOptions} are made of. */
export interface ServerSettings<D = unknown, X = unknown> extends Handlers<D, X> {
  /** TCP port, 0–65535. Default 0: the kernel chooses. */
  port?: number | undefined;
  /** Address or name to listen on. Default: dual stack `::`, or `0.0.0.0` where IPv6 is absent. */
  host?: string | undefined;
  /** Listen on a unix socket instead; a leading `@` means Linux's abstract names. */
  socketPath?: string | undefined;
  /** Queue of connections the kernel has accepted. Default 511. */
  backlog?: number | undefined;
  /** SO_REUSEPORT: several threads or processes share the port. Default false. */
  reusePort?: boolean | undefined;
  /** TLS: `wss:` and `https:`. Default: plain. */
  tls?: ServerTlsOptions | undefined;
  /** Only IPv6 on `::`. Default false. */
  ipv6Only?: boolean | undefined;
  /** Decides on each WebSocket handshake; may be async, bounded by `handshakeTimeout`. Default: accept. */
  upgrade?: Method<[request: UpgradeRequest<X>], UpgradeAnswer<D> | Promise<UpgradeAnswer<D>>> | undefined;
  /**
   * Origins (RFC 6454) whose pages may connect, as `https://a.example`; others get 403. Case, a default port and a slash
   * at the end do not matter; `'null'` is that of sandboxed pages. Default: any. Requests without Origin pass.
   */
  origins?: readonly string[] | undefined;
  /** What went wrong without a caller to throw to. Absent: handler errors surface as uncaught. */
  error?: Method<[error: LwsError, connection: Connection<D, X> | undefined]> | undefined;
  /** Plain HTTP on the same port. Nothing returned: 404. */
  request?: RequestHandler<X> | undefined;
  /** Folders served for GET and HEAD, by URL prefix. */
  files?: Record<string, string> | undefined;
  /** Handlers by subprotocol name. Their type of data, as of `protocol<T>()`, has to take what `upgrade` returns. */
  protocols?: Record<string, ProtocolOptions<D, X>> | undefined;
  /** Bytes of `connection.memory` without a subprotocol. Default 0, at most 16 MiB. */
  memory?: number | undefined;
  /** `'transient'` lends binary messages for the call of `message` only. Default `'buffer'`: owned for ever. */
  binaryType?: 'buffer' | 'transient' | undefined;
  /** Largest message; above: 1009. Default 16 MiB, at most 2 GiB - 1. */
  maxPayload?: number | undefined;
  /** permessage-deflate (RFC 7692), for clients that offer it. Default false. */
  perMessageDeflate?: boolean | DeflateOptions | undefined;
  /**
   * Most bytes that may wait for one connection. Default 16 MiB. A message is refused when bytes wait that the socket
   * did not take, and both together pass this; where nothing waits, one message of any size is taken.
   */
  maxBackpressure?: number | undefined;
  /** Instead of passing `maxBackpressure`: `'close'` with 1013 (default), or `'drop'` the message. */
  onBackpressure?: 'close' | 'drop' | undefined;
  /** Most topics one connection may be subscribed to. Default 1024. */
  maxSubscriptions?: number | undefined;
  /**
   * Name, of 1 to 255 characters, of a group of servers in this process, in whatever threads: what one of them publishes
   * reaches the subscribers of all. Default: none.
   */
  topicGroup?: string | undefined;
  /** Ping after so much silence. Default 30 s, 0 off. */
  pingInterval?: number | undefined;
  /** End when nothing came for so long. Default 120 s, 0 off. */
  idleTimeout?: number | undefined;
  /** Request head and upgrade decision together, and an async `open`. Default 10 s. */
  handshakeTimeout?: number | undefined;
  /** How long to wait for the peer's close frame and FIN. Default 5 s. */
  closeTimeout?: number | undefined;
  /** How long a kept-alive transport may wait for its next request. Default 5 s. */
  keepAliveTimeout?: number | undefined;
  /** Largest request head; above: 431. Default 16 KiB, at most 1 MiB. */
  maxHeaderSize?: number | undefined;
  /** Most transports at once; above: 503. Default: no limit. */
  maxConnections?: number | undefined;
  /** The same per peer address. Default: no limit. */
  maxConnectionsPerAddress?: number | undefined;
  /**
   * Whose forwarded headers are believed, for `request.remoteAddress` and `request.secure`.
   * Default false: nobody's. See {@link TrustProxy}.
   */
  trustProxy?: TrustProxy | undefined;
  /** Which headers the proxies of `trustProxy` write. Default `'x-forwarded'`. See {@link ForwardedHeader}. */
  forwardedHeader?: ForwardedHeader | undefined;
  /**
   * How many upgrades a second are taken, of all and per client address; what is above is refused with `Retry-After` before
   * any handler. Clients that come back may have a lane of their own. Default: all are looked at.
   */
  admission?: Admission<X> | undefined;
  /**
   * Tells the proxy where a client was last: a session cookie in each 101 names this node, so that the client is brought
   * back to it. A hint that saves work, never something to rely on: the node may be gone. Default: none.
   */
  routeCookie?: RouteCookie | undefined;
  /**
   * Listeners expect a header of the PROXY protocol, version 1 or 2, before TLS and HTTP, and take the peer's
   * address from it, and whether the client spoke TLS; without a valid one within `handshakeTimeout` the network connection is closed. Only for
   * ports that nobody but the proxy reaches. Adopted sockets have none. Default false.
   */
  proxyProtocol?: boolean | undefined;
  /**
   * Milliseconds, fractions too, for which the thread's event loop asks for more input without sleeping once some
   * came. It spares the wake-up of the thread, and costs a whole core while messages come closer
   * together than this. Default 0, off; at most 1000. Other work of the thread goes on meanwhile.
   */
  busyPoll?: number | undefined;
  /** Every use of a dead connection throws. Default false. */
  strictLifetime?: boolean | undefined;
}

const checks: Record<string, Check> = {
  ...handlerChecks,
  port: integer(0, 65535),
  host: text,
  socketPath: text,
  backlog: integer(1, 65535),
  reusePort: type('boolean'),
  ipv6Only: type('boolean'),
  tls: (name, value) => {
    if (typeof value !== 'object' || value === null) throw wrong(name, 'an object', value);
  },
  upgrade: type('function'),
  origins: (name, value) => {
    if (!Array.isArray(value)) throw wrong(name, 'an array of origins', value);
    value.forEach((origin, i) => {
      if (typeof origin !== 'string' || normalOrigin(origin) === undefined)
        throw wrong(
          `${name}[${i}]`,
          "an origin like 'https://a.example' or 'null' (none at all lets every origin connect)",
          origin,
        );
    });
  },
  error: type('function'),
  request: type('function'),
  files: record(text),
  protocols: (name, value) => {
    record((key, entry) => {
      checkTable(entry, handlerChecks, key);
      checkReaders(entry as Handlers, key);
    })(name, value);
    for (const key of Object.keys(value as object))
      if (!token.test(key)) throw wrong(name, 'token names (RFC 9110 5.6.2)', key);
  },
  maxPayload: integer(0, MAX_INT),
  perMessageDeflate: (name, value) => {
    if (typeof value !== 'boolean') checkTable(value, deflateChecks, name);
  },
  maxBackpressure: integer(1, Number.MAX_SAFE_INTEGER),
  onBackpressure: oneOf('close', 'drop'),
  maxSubscriptions: integer(1, MAX_INT),
  topicGroup: (name, value) => {
    if (!isName(value)) throw wrong(name, `a string of 1 to ${NAME_MAX} characters`, value);
  },
  pingInterval: integer(0, DAY),
  idleTimeout: integer(0, DAY),
  handshakeTimeout: integer(1, DAY),
  closeTimeout: integer(1, DAY),
  keepAliveTimeout: integer(1, DAY),
  maxHeaderSize: integer(256, 1024 * 1024),
  maxConnections: integer(1, MAX_INT),
  maxConnectionsPerAddress: integer(1, MAX_INT),
  trustProxy: checkTrust,
  forwardedHeader: oneOf('x-forwarded', 'forwarded'),
  admission: checkAdmission,
  routeCookie: checkRouteCookie,
  proxyProtocol: type('boolean'),
  strictLifetime: type('boolean'),
  busyPoll: number(0, 1000),
};

/** @throws LwsError ERR_INVALID_OPTION that names the option, what was expected and what came. */
export function checkOptions(options: unknown): void {
  checkTable(options, checks, '', elsewhere);
  const o = options as ServerOptions;
  checkReaders(o as Handlers, '');
  if (o.socketPath !== undefined && (o.port !== undefined || o.host !== undefined))
    throw new LwsError(
      'ERR_INVALID_OPTION',
      'Expected either "socketPath" or "port" and "host" but got both',
    );
}
