import type { Connection } from './connection.js';
import type { CloseInfo, FragmentInfo } from './events.js';

export type { CloseInfo, FragmentInfo };

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
