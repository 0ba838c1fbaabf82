import { lookup } from 'node:dns/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { getSystemErrorMap } from 'node:util';
import { type AdoptOptions, createAdopter } from '../adopt/adopter.js';
import type { AttachOptions, NodeServer } from '../adopt/attach.js';
import type { Connection } from '../connection/connection.js';
import { type Dispatcher, dispatcher, type Target } from '../connection/dispatch.js';
import { behaviorOf, hostSettings } from '../connection/host.js';
import { readConnectionId } from '../connection/ids.js';
import type { SendOptions } from '../connection/sending.js';
import { Topics } from '../connection/topics.js';
import { deflateSettings } from '../handshake/deflate.js';
import { originWarning } from '../handshake/origin-warning.js';
import { normalOrigin } from '../handshake/origins.js';
import { acceptedAlone } from '../handshake/upgrade.js';
import { type HttpServices, serveRequest } from '../http/exchange.js';
import { checkMounts } from '../http/files.js';
import { trustOf } from '../proxy/trust.js';
import { nextTick } from '../shared/ambient.js';
import { closePayload } from '../shared/arguments.js';
import { type Check, checkTable, integer } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { Grace } from '../shared/grace.js';
import { within } from '../shared/scope.js';
import { shown } from '../shared/shown.js';
import { type ServerTlsOptions, serverTls } from '../tls/tls.js';
import { checkOptions, DAY, nativeOptions, type ServerOptions } from './options.js';
import { Discards } from './unread.js';

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
}

/** Options of {@link Server.close}. */
export interface CloseOptions {
  /** Milliseconds for close handshakes and responses to finish, at most a day. Default: `closeTimeout`. */
  timeout?: number;
  /** Close code told to connections. Default 1001. */
  code?: number;
}

const closeChecks: Record<string, Check> = {
  timeout: integer(0, DAY),
  code: (_, value) => void closePayload(value as number, ''),
};

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

function hasHandlers(o: ServerOptions): boolean {
  return [o.open, o.message, o.fragment, o.writable, o.pong, o.close].some(
    (handler) => handler !== undefined,
  );
}

/** An error as Node's `net` reports it, for `cause`. */
function systemError(code: string, address: string, port: number): Error {
  const text = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1] ?? 'unknown error';
  const where = port === 0 ? address : `${address}:${port}`;
  const message = `listen ${code}: ${text} ${where}`;
  return Object.assign(new Error(message), { code, syscall: 'listen', address, port });
}

/**
 * Creates a server; it accepts nothing before `listen()`.
 *
 * @throws LwsError ERR_INVALID_OPTION for an unknown option or a bad value.
 */
export function createServer<D = unknown, X = unknown>(options: ServerOptions<D, X> = {}): Server<D, X> {
  checkOptions(options);
  const o = options as ServerOptions;
  const deflate = deflateSettings(o.perMessageDeflate);
  const files = o.files === undefined ? undefined : checkMounts(o.files);
  const hub: Dispatcher = dispatcher();
  const { crossing } = hub;
  const { native } = crossing;
  const tls = o.tls === undefined ? undefined : serverTls(o.tls);
  const set = new Set<Connection>();
  const behaviors = new Map(
    Object.entries(o.protocols ?? {}).map(([name, p]) => [name, behaviorOf(name, p)]),
  );
  const numbers = new Float64Array(14);
  const topics = new Topics(crossing, o.maxSubscriptions ?? 1024);
  const closeTimeout = o.closeTimeout ?? 5_000;
  let state: 'new' | 'listening' | 'closing' | 'closed' = 'new';
  let address: ListenAddress | undefined;
  let closing: Promise<CloseResult> | undefined;
  let closeCode = 1001;
  const discards = new Discards();
  let whenEmpty: (() => void) | undefined;
  let whenLeft: (() => void) | undefined;

  const settings = hostSettings(o, hub.scope);
  const { failed, scope } = settings;
  const trust = trustOf(o.trustProxy, o.forwardedHeader);
  const services: HttpServices<unknown> = {
    crossing,
    request: within(scope, o.request, o),
    files,
    trust,
    keepAliveTimeout: o.keepAliveTimeout ?? 5_000,
    error: (error) => failed(error),
  };

  const target: Target = {
    ...settings,
    crossing,
    topics,
    behaviors,
    fallback: behaviors.size === 0 || hasHandlers(o) ? behaviorOf('', o) : undefined,
    deflate,
    trust,
    origins: o.origins === undefined ? undefined : new Set(o.origins.map((origin) => normalOrigin(origin)!)),
    unguarded: o.origins === undefined ? originWarning(o.upgrade !== undefined) : undefined,
    get closing() {
      return state === 'closing' || state === 'closed';
    },
    decide: within(scope, o.upgrade, o),
    joined: (connection) => {
      set.add(connection);
      /* accepted before close() was called, established after it; `open` comes first */
      if (state === 'closing') nextTick(() => connection.isOpen && connection.close(closeCode));
    },
    left: (connection) => {
      set.delete(connection);
      if (set.size === 0) whenLeft?.();
    },
    exchange: (slot, generation, flags, head, transport) =>
      serveRequest(services, slot, generation, flags, head, transport),
    listenerPaused: (errno) => {
      const code = getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
      failed(new LwsError('ERR_LIMIT', `Accepting is paused for 100 ms: no descriptor is left (${code})`));
    },
    emptied: () => whenEmpty?.(),
    discarded: () => discards.note(),
  };
  function joinGroup(name: string): void {
    try {
      topics.join(name);
    } catch (error) {
      native.releaseServer(id);
      throw error;
    }
  }

  const alone = acceptedAlone(target);
  const id = native.createServer(nativeOptions(o, deflate, alone));
  topics.server = id;
  if (o.topicGroup !== undefined) joinGroup(o.topicGroup);
  if (tls !== undefined) native.setTls(id, tls);
  hub.targets.set(id, target);
  const adopter = createAdopter({
    hub,
    id,
    closeTimeout,
    get closed() {
      return target.closing;
    },
    failed,
  });

  function bind(host: string | null, path: string | null): ListenAddress {
    const port = o.port ?? 0;
    const bound = native.listen(
      id,
      host,
      path,
      port,
      o.backlog ?? 511,
      o.ipv6Only ?? false,
      o.reusePort ?? false,
    );
    if (typeof bound !== 'string') return { port: bound[1], address: path ?? host! };
    const cause = systemError(bound, path ?? host!, path === null ? port : 0);
    throw new LwsError('ERR_LISTEN', cause.message, { cause });
  }

  function bindDualStack(): ListenAddress {
    try {
      return bind('::', null);
    } catch (error) {
      const code = ((error as LwsError).cause as NodeJS.ErrnoException).code;
      /* as Node's net: a machine without IPv6 */
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error;
      return bind('0.0.0.0', null);
    }
  }

  async function resolve(host: string): Promise<string> {
    try {
      return (await lookup(host)).address;
    } catch (cause) {
      throw new LwsError('ERR_LISTEN', `The host ${host} could not be resolved`, { cause });
    }
  }

  async function listen(): Promise<ListenAddress> {
    if (state !== 'new')
      throw new LwsError('ERR_INVALID_STATE', `Expected a new server to listen but it is ${state}`);
    state = 'listening';
    try {
      if (o.path !== undefined) address = bind(null, o.path);
      else if (o.host === undefined) address = bindDualStack();
      else {
        const host = await resolve(o.host);
        if ((state as string) !== 'listening')
          throw new LwsError('ERR_INVALID_STATE', 'The server was closed before it listened');
        address = bind(host, null);
      }
    } catch (error) {
      if (state === 'listening') state = 'new';
      throw error;
    }
    return address;
  }

  async function shutDown({ timeout = closeTimeout, code = 1001 }: CloseOptions) {
    state = 'closing';
    closeCode = code;
    address = undefined;
    native.stopListening(id);
    adopter.detach();
    const all = present();
    for (const connection of all) {
      connection.close(code);
      connection.inbox?.discard(); /* where the peer closed before, a pause may still keep input */
    }
    const empty = new Promise<void>((done) => {
      whenEmpty = done;
    });
    /* a close handler waits for an `open` that is still pending */
    const left = empty.then(async () => {
      if (set.size === 0) return;
      await new Promise<void>((done) => {
        whenLeft = done;
      });
    });
    native.drain(id);
    let grace: Grace | undefined;
    const late = new Promise<'late'>((done) => {
      grace = new Grace(timeout, () => done('late'));
    });
    let forced = 0;
    if ((await Promise.race([left, late])) === 'late') {
      forced = set.size;
      native.killAll(id);
      await empty;
      for (const connection of [...set]) connection.inbox?.settleOpen();
    }
    await adopter.finish(late);
    grace?.cancel();
    native.stats(id, numbers);
    native.releaseServer(id);
    hub.targets.delete(id);
    state = 'closed';
    return { closed: all.length, forced };
  }

  function present(): Connection[] {
    if (alone !== undefined && state !== 'closed') hub.introduce(id);
    return [...set];
  }

  const connections: Connections = {
    get size() {
      return set.size + (alone === undefined || state === 'closed' ? 0 : native.unknown(id));
    },
    get(connectionId) {
      const handle = readConnectionId(connectionId);
      if (handle === undefined) return undefined;
      const connection = hub.connections[handle.slot];
      return connection?.generation === handle.generation && set.has(connection) ? connection : undefined;
    },
    [Symbol.iterator]: () => present()[Symbol.iterator](),
  };
  shown(connections, 'Connections', ({ size }) => ({ size }));

  const server: Server = {
    listen,
    connections,
    get address() {
      return address;
    },
    stats() {
      if (state !== 'closed') native.stats(id, numbers);
      const [accepted, refused, requests, opened, closed, messagesReceived, messagesSent] = numbers;
      return {
        accepted: accepted!,
        refused: refused!,
        requests: requests!,
        opened: opened!,
        closed: closed!,
        messagesReceived: messagesReceived!,
        messagesSent: messagesSent!,
        bytesReceived: numbers[7]!,
        bytesSent: numbers[8]!,
        transports: state === 'closed' ? 0 : numbers[9]!,
        connections: state === 'closed' ? 0 : numbers[10]!,
        topics: state === 'closed' ? 0 : numbers[11]!,
        subscriptions: state === 'closed' ? 0 : numbers[12]!,
        publicationsLost: numbers[13]!,
        messagesDiscarded: discards.count,
      };
    },
    publish: (topic, data, options) => topics.publish(topic, data, options),
    subscribers: (topic) => topics.subscribers(topic),
    adopt: (
      socket: Duplex,
      request: IncomingMessage | IncomingHttpHeaders,
      head?: Uint8Array,
      options?: AdoptOptions<unknown>,
    ) => adopter.adopt(socket, request, head, options),
    attach: (httpServer, attachOptions) => adopter.attach(httpServer, attachOptions),
    setSecureContext(options) {
      if (tls === undefined)
        throw new LwsError(
          'ERR_INVALID_STATE',
          'Expected a server with the option "tls" for setSecureContext',
        );
      const fresh = serverTls(options);
      if (state !== 'closed') native.setTls(id, fresh);
    },
    ref() {
      if (state !== 'closed') native.reference(id, true);
      return this;
    },
    unref() {
      if (state !== 'closed') native.reference(id, false);
      return this;
    },
    async close(closeOptions = {}) {
      checkTable(closeOptions, closeChecks, '');
      closing ??= shutDown(closeOptions);
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
  shown(server, 'Server', () => ({ address, state, connections: connections.size }));
  return server as Server<D, X>;
}
