import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AdoptOptions } from '../adopt/adopter.js';
import type { AttachOptions } from '../adopt/attach.js';
import type { NodeServer } from '../adopt/node-server.js';
import type { Connection } from '../connection/connection.js';
import type { SendOptions } from '../connection/sending.js';
import type { ServerTlsOptions } from '../tls/tls.js';

/** Where a server listens. */
export interface ListenAddress {
  /** The port, 0 on a unix socket. */
  port: number;
  /** The address, or the path of the unix socket. */
  address: string;
}

/** The open connections of a server. Iterating walks a snapshot. */
export interface Connections<D = unknown, X = unknown> extends Iterable<Connection<D, X>> {
  /** How many there are. */
  readonly size: number;
  /** By id; undefined when it is closed or of another server. */
  get(id: string): Connection<D, X> | undefined;
}

/** Counters since `createServer`, and four gauges: what is there `now`. */
export interface ServerStats {
  /** Network connections accepted. */
  accepted: number;
  /** Of these, and of requests, answered with an error before a handler saw them. */
  refused: number;
  /** Requests told to handlers, upgrades included. */
  requests: number;
  /** WebSockets that opened. */
  opened: number;
  /** WebSockets that ended. */
  closed: number;
  /** Whole messages that arrived. */
  messagesReceived: number;
  /** Messages that were handed over to be sent. */
  messagesSent: number;
  /** Bytes read from sockets, framing, heads and TLS included. */
  bytesReceived: number;
  /** Bytes that sockets took, framing, heads and TLS included. */
  bytesSent: number;
  /** Network connections now. */
  transports: number;
  /** Open WebSockets now. */
  connections: number;
  /** Topics that somebody is subscribed to now. */
  topics: number;
  /** Subscriptions of all connections now. */
  subscriptions: number;
  /** What other servers of its `topicGroup` published faster than this thread took it. */
  publicationsLost: number;
  /** Messages of connections that nobody reads: without `message` and `fragment` handler, and without a loop. */
  messagesDiscarded: number;
  /** Upgrades that `admission` refused. */
  upgradesRefused: number;
}

/** Options of {@link Server.close}. */
export interface CloseOptions {
  /** Milliseconds for close handshakes and responses to finish, at most a day. Default: `closeTimeout`. */
  timeout?: number | undefined;
  /** Close code told to connections. Default 1001. */
  code?: number | undefined;
}

/** How {@link Server.close} went. */
export interface CloseResult {
  /** Connections that were open. */
  closed: number;
  /** Those of them that had to be cut. */
  forced: number;
}

/** What {@link createServer} makes. */
export interface Server<D = unknown, X = unknown> {
  /**
   * Starts to listen.
   *
   * @throws LwsError ERR_LISTEN when the address is taken or not allowed; ERR_INVALID_STATE the second time.
   */
  listen(): Promise<ListenAddress>;
  /** Its open connections. */
  readonly connections: Connections<D, X>;
  /** Where it listens, undefined before `listen` and after `close`. */
  readonly address: ListenAddress | undefined;
  /**
   * Whether clients may be sent here: false from the first moment of {@link drain} or `close()` on. For the answer to a
   * health check.
   */
  readonly isReady: boolean;
  /** A snapshot of its counters; cheap. */
  stats(): ServerStats;
  /**
   * Sends one message to all connections that are subscribed to a topic at this moment, in order with what
   * `connection.send` sends them. The frame is built once. Who would pass `maxBackpressure` is skipped or closed, and
   * nobody else notices. Returns how many accepted it: 0 where nobody is subscribed, and on a closed server. With
   * `topicGroup` it goes to all servers of the group; those of this thread are counted.
   *
   * @throws LwsError ERR_INVALID_ARGUMENT for a topic that is not a string of 1 to 255 characters, or for data that is
   *   neither a string nor bytes, or whose memory was transferred or has shrunk.
   */
  publish(topic: string, data: string | ArrayBufferView | ArrayBufferLike, options?: SendOptions): number;
  /** How many connections are subscribed to a topic. Throws as `publish`. */
  subscribers(topic: string): number;
  /**
   * Takes an upgrade from a server of Node: the arguments of its `'upgrade'` event, or those of the `'stream'`
   * event of an HTTP/2 server whose client sent an extended CONNECT (RFC 8441). A plain socket is taken over with
   * its descriptor and closed for Node; TLS, HTTP/2 and every other stream stays with Node, and its bytes are
   * carried. What `upgrade`, `origins` and limits decide is answered on it. Works without `listen()`.
   *
   * The request as Node took it in, with what middleware put there, is `request.raw`; `data` becomes `connection.data`.
   *
   * @returns the connection, once it is open. Rejects with LwsError ERR_HANDSHAKE where it comes to nothing: refused (the
   *   status is `cause.status`), the peer left, the server closed. Nobody has to look at it.
   * @throws LwsError ERR_INVALID_ARGUMENT for anything that is no duplex stream with its request.
   */
  adopt(
    socket: Duplex,
    request: IncomingMessage,
    head?: Uint8Array,
    options?: AdoptOptions<D>,
  ): Promise<Connection<D, X>>;
  /** The same for a stream of HTTP/2 and the headers of its `'stream'` event. */
  adopt(
    stream: Duplex,
    headers: IncomingHttpHeaders,
    head?: undefined,
    options?: AdoptOptions<D>,
  ): Promise<Connection<D, X>>;
  /**
   * Adopts every upgrade that a server of Node's `http`, `https` or `http2` gets, or those of one path. Servers with
   * different paths share one; a path that none of them takes is left to other `'upgrade'` listeners, else answered
   * 404. HTTP/2 clients are told that they may connect (`enableConnectProtocol`), from the next session on.
   *
   * @returns a function that detaches; `close()` does so too.
   * @throws LwsError ERR_INVALID_ARGUMENT for no such server, ERR_INVALID_OPTION for a bad path, ERR_INVALID_STATE
   *   when the path is taken or this server was closed.
   */
  attach(server: NodeServer, options?: AttachOptions): () => void;
  /**
   * Replaces certificate, key and all other options of `tls`. Connections that
   * have begun keep theirs; none is dropped.
   *
   * @throws LwsError ERR_INVALID_OPTION, and everything stays as it was; ERR_INVALID_STATE on a plain server.
   */
  setSecureContext(options: ServerTlsOptions): void;
  /** Keeps the process alive while it listens (the default). */
  ref(): this;
  /** Lets the process exit while it listens; open connections still keep it alive. */
  unref(): this;
  /**
   * Stops accepting, closes every connection with `code` (1001), waits for at
   * most `timeout`, then drops what is left. Every `close` handler has run when
   * it resolves. Idempotent. A handler that awaits it waits for itself, until `timeout`.
   *
   * @throws LwsError ERR_INVALID_ARGUMENT for a code that may not be sent.
   */
  close(options?: CloseOptions): Promise<CloseResult>;
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
