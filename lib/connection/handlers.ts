import type { Connection } from './connection.js';
import type { CloseInfo, FragmentInfo } from './events.js';

export type { CloseInfo, FragmentInfo };

/** A function of the options, called with them as `this`. It may return whatever it likes, where nothing else is said. */
export type Method<A extends unknown[], R = unknown> = (...args: A) => R;

/**
 * What has to be given where `connection.data` cannot be undefined: whoever names the type of data has to say where it comes
 * from. It infers nothing.
 */
export type Unless<D, Required> = undefined extends NoInfer<D> ? unknown : Required;

/** What a server or one of its `protocols` does with its connections. All are optional. */
export interface Handlers<D = unknown, X = unknown> {
  /** ESTABLISHED. Messages wait until what it returns has settled, for at most `handshakeTimeout`. */
  open?: Method<[connection: Connection<D, X>]> | undefined;
  /** RECEIVE: one whole message; a string for text, a Buffer for binary. */
  message?: Method<[connection: Connection<D, X>, data: string | Buffer]> | undefined;
  /** RECEIVE, streamed: pieces as they arrive, instead of `message`. */
  fragment?: Method<[connection: Connection<D, X>, data: Buffer, info: FragmentInfo]> | undefined;
  /** WRITEABLE: a native queue ran empty, or `requestWritable()` was called. */
  writable?: Method<[connection: Connection<D, X>]> | undefined;
  /** A pong with its application data. */
  pong?: Method<[connection: Connection<D, X>, data: Buffer]> | undefined;
  /** CLOSED: once per opened connection, the last event. Inside it everything is still readable. */
  close?: Method<[connection: Connection<D, X>, info: CloseInfo]> | undefined;
}

/** One entry of `protocols`: the handlers and memory of a subprotocol. */
export interface ProtocolOptions<D = unknown, X = unknown> extends Handlers<D, X> {
  /** Bytes of `connection.memory`. Default 0, at most 16 MiB. */
  memory?: number | undefined;
  /** `'transient'` lends binary messages for the call of `message` only. Default `'buffer'`. */
  binaryType?: 'buffer' | 'transient' | undefined;
}

/**
 * Names the data type of a subprotocol's connections: `protocol<ChatUser>({ … })`.
 * The value itself is returned as it is.
 */
export function protocol<D = unknown, X = unknown>(options: ProtocolOptions<D, X>): ProtocolOptions<D, X> {
  return options;
}
