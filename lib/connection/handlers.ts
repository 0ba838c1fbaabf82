import type { Trust } from '../proxy/trust.js';
import type { LwsError } from '../shared/errors.js';
import type { Scope } from '../shared/scope.js';
import type { Connection } from './connection.js';
import type { Topics } from './topics.js';

/** How a connection ended. */
export interface CloseInfo {
  /** The code of the peer's close frame; 1005 when it had none, 1006 when no close frame came. */
  readonly code: number;
  /** The reason of the peer's close frame; with 1006 what was found instead. */
  readonly reason: string;
  /** Close frames went both ways and TCP ended in order. */
  readonly clean: boolean;
}

/** Where a streamed piece stands in its message. */
export interface FragmentInfo {
  /** It begins the message. */
  readonly first: boolean;
  /** It ends the message; a message of one piece is both. */
  readonly final: boolean;
  /** The message is text; a piece may end inside a UTF-8 sequence, so it comes as bytes. */
  readonly text: boolean;
}

type Result = void | Promise<void>;

/** What a server or one of its `protocols` does with its connections. All are optional. */
export interface Handlers<D = unknown, X = unknown> {
  /** ESTABLISHED. Messages wait until what it returns has settled, for at most `handshakeTimeout`. */
  open?(connection: Connection<D, X>): Result;
  /** RECEIVE: one whole message; a string for text, a Buffer for binary. */
  message?(connection: Connection<D, X>, data: string | Buffer): Result;
  /** RECEIVE, streamed: pieces as they arrive, instead of `message`. */
  fragment?(connection: Connection<D, X>, data: Buffer, info: FragmentInfo): Result;
  /** WRITEABLE: a native queue ran empty, or `requestWritable()` was called. */
  writable?(connection: Connection<D, X>): Result;
  /** A pong with its application data. */
  pong?(connection: Connection<D, X>, data: Buffer): Result;
  /** CLOSED: once per opened connection, the last event. Inside it everything is still readable. */
  close?(connection: Connection<D, X>, info: CloseInfo): Result;
}

/** One entry of `protocols`: the handlers and memory of a subprotocol. */
export interface ProtocolOptions<D = unknown, X = unknown> extends Handlers<D, X> {
  /** Bytes of `connection.memory`. Default 0, at most 16 MiB. */
  memory?: number;
  /** `'transient'` lends binary messages for the call of `message` only. Default `'buffer'`. */
  binaryType?: 'buffer' | 'transient';
}

/**
 * Names the data type of a subprotocol's connections: `protocol<ChatUser>({ … })`.
 * The value itself is returned as it is.
 */
export function protocol<D = unknown, X = unknown>(options: ProtocolOptions<D, X>): ProtocolOptions<D, X> {
  return options;
}

/** @internal Handlers with what was derived from the options, one per subprotocol. */
export interface Behavior {
  readonly handlers: Handlers;
  readonly protocol: string;
  readonly memory: number;
  /** ConnectionFlag bits it opens with. */
  readonly flags: number;
}

/** @internal What a connection needs of its server. */
export interface Host {
  /** Where handlers are called. */
  readonly scope: Scope;
  readonly maxBackpressure: number;
  readonly dropsOverflow: boolean;
  readonly strictLifetime: boolean;
  /** Which proxies are believed about the client's address. */
  readonly trust?: Trust | undefined;
  readonly openTimeout: number;
  /** How long what a connection holds may put off the answer of the peer's close. */
  readonly closeTimeout: number;
  /** Of a server: counts a message that nobody reads. A client's messages wait for its first loop. */
  discarded?(): void;
  /** Of a server; clients have none. */
  readonly topics?: Topics | undefined;
  /** Tells the `error` handler, or lets the cause surface as uncaught. */
  failed(error: LwsError, connection?: Connection): void;
  left(connection: Connection): void;
}
