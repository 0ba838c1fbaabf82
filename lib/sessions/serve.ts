import type { Connection } from '../connection/connection.js';
import type {
  CloseInfo,
  FragmentInfo,
  Handlers,
  Method,
  ProtocolOptions,
  Unless,
} from '../connection/handlers.js';
import type { DataFromUpgrade, ServerSettings } from '../server/options.js';
import { clearTimeout, setTimeout } from '../shared/ambient.js';
import { checkOptionsObject, record, type } from '../shared/checks.js';
import { attachConnection, closingFor } from './attach.js';
import { closings } from './close-codes.js';
import type { Core } from './core.js';
import type { SessionRequest } from './request.js';
import type { Session } from './session.js';

/** The handlers of a server with the session as last argument. All are optional. */
export interface SessionHandlers<D, X, A extends object> {
  /** The session is there. Not called when there is none: the connection is closed instead. */
  open?: Method<[connection: Connection<D, X>, session: Session<A>]> | undefined;
  /** As {@link Handlers.message}. Each message is activity of the session. */
  message?: Method<[connection: Connection<D, X>, data: string | Buffer, session: Session<A>]> | undefined;
  /** As {@link Handlers.fragment}. Each piece is activity of the session. */
  fragment?:
    | Method<[connection: Connection<D, X>, data: Buffer, info: FragmentInfo, session: Session<A>]>
    | undefined;
  /** As {@link Handlers.writable}, from when the session is there. */
  writable?: Method<[connection: Connection<D, X>, session: Session<A>]> | undefined;
  /** As {@link Handlers.pong}, from when the session is there. Activity, unless `pongsAreActivity` is off. */
  pong?: Method<[connection: Connection<D, X>, data: Buffer, session: Session<A>]> | undefined;
  /**
   * Once per connection. `session` is the one it had, also if it lost it, and `undefined` if it never got one. It is
   * detached when what this returns has settled, at the latest after 5 s; until then it can be changed.
   */
  close?:
    | Method<[connection: Connection<D, X>, info: CloseInfo, session: Session<A> | undefined]>
    | undefined;
}

/** An entry of `protocols`. */
export type SessionProtocol<D, X, A extends object> = Omit<ProtocolOptions<D, X>, keyof Handlers> &
  SessionHandlers<D, X, A>;

/** Options of {@link SessionManager.serve}: those of `createServer`, with sessions. */
export interface ServeOptions<D, X, A extends object>
  extends Omit<ServerSettings<D, X>, keyof Handlers | 'protocols'>,
    SessionHandlers<D, X, A> {
  /**
   * Which session the connection is to get; from its request, and from what `upgrade` found out. It runs for each
   * connection, also for one that continues a session. Default: a new anonymous one.
   */
  identify?:
    | Method<[connection: Connection<D, X>], SessionRequest<A> | Promise<SessionRequest<A>>>
    | undefined;
  /** Handlers by subprotocol name, with the session as last argument. */
  protocols?: Record<string, SessionProtocol<D, X, A>> | undefined;
}

/** `upgrade` and `identify` have to be there where nothing else gives data, and what new sessions start with. */
export type Identifying<D, X, A extends object> = Unless<D, DataFromUpgrade> &
  (Record<never, never> extends SessionRequest<A>
    ? unknown
    : { identify: NonNullable<ServeOptions<D, X, A>['identify']> });

/** How long a `close` handler may keep its session from being detached. */
const closeHandlerTime = 5000;

export function serveOptions<D, X, A extends object>(
  core: Core,
  options: ServeOptions<D, X, A>,
): ServerSettings<D, X> {
  checkHandlers('', options);
  const { identify, protocols = {}, open, message, fragment, writable, pong, close, ...rest } = options;
  const own = { open, message, fragment, writable, pong, close };
  if (identify !== undefined) type('function')('identify', identify);
  record(checkHandlers)('protocols', protocols);
  const wrap = (handlers: SessionHandlers<D, X, A>) => wrapHandlers(core, identify, handlers);
  const wrapped = Object.entries(protocols).map(([name, entry]) => [name, { ...entry, ...wrap(entry) }]);
  // A server that has handlers only for its protocols refuses clients without: ours must not change that.
  const servesAll = wrapped.length === 0 || Object.values(own).some((handler) => handler !== undefined);
  return { ...rest, ...(servesAll && wrap(own)), protocols: Object.fromEntries(wrapped) };
}

function wrapHandlers<D, X, A extends object>(
  core: Core,
  identify: ServeOptions<D, X, A>['identify'],
  handlers: SessionHandlers<D, X, A>,
): Handlers<D, X> {
  const { message, fragment, writable, pong } = handlers;
  /** Sessions of connections that are closing already: their handlers still get them. */
  const sessions = new WeakMap<Connection<D, X>, Session<A>>();
  /** Closed with the session that they had: what had come of them may still be read. */
  const kept = new WeakSet<Connection<D, X>>();

  /**
   * The session, after counting what came as its activity: one look-up per message. A connection without one is
   * being closed, and its handlers hear of nothing but that.
   */
  function activeSession(connection: Connection<D, X>): Session<A> | undefined {
    const session = sessions.get(connection);
    if (session?.attachment !== undefined) core.activity.note(session.attachment);
    return session;
  }

  /**
   * Undefined, nearly always: handlers may hear of the session's client. Else resolves when that is known: its
   * authentication ran out, or this process was away, as on a machine that slept. After it, `mayHear` says.
   */
  function doubt(session: Session<A>): Promise<void> | undefined {
    const { authClock, activity } = core;
    return authClock.renewal(session as unknown as Session) ?? activity.afterAbsence();
  }

  function hasRunOut(session: Session<A>): boolean {
    return core.authClock.hasRunOut(session as unknown as Session);
  }

  function mayHear(connection: Connection<D, X>, session: Session<A>): boolean {
    if (hasRunOut(session)) return false;
    return connection.isOpen || session.attachment !== undefined || kept.has(connection);
  }

  async function writableLater(connection: Connection<D, X>, session: Session<A>, until: Promise<void>) {
    await until;
    if (connection.isOpen && mayHear(connection, session))
      await writable?.call(handlers, connection, session);
  }

  return {
    async open(connection) {
      // Before anything is awaited: whoever looks for it, finds it.
      core.registry.add(connection);
      const session = await attachOrClose<D, X, A>(core, connection, identify);
      if (session === undefined) return;
      sessions.set(connection, session);
      if (message === undefined && fragment === undefined)
        noteLoops(connection, async () => {
          activeSession(connection);
          const until = doubt(session);
          if (until === undefined) return connection.isOpen || !hasRunOut(session);
          await until;
          return mayHear(connection, session);
        });
      const until = doubt(session);
      if (until !== undefined) await until;
      if (connection.isOpen) await handlers.open?.(connection, session);
    },
    ...(message && {
      message(connection: Connection<D, X>, data: string | Buffer) {
        const session = activeSession(connection);
        if (session === undefined) return undefined;
        const until = doubt(session);
        if (until === undefined) return message.call(handlers, connection, data, session);
        return connection.again({ kind: 'message', data }, until);
      },
    }),
    ...(fragment && {
      fragment(connection: Connection<D, X>, data: Buffer, info: FragmentInfo) {
        const session = activeSession(connection);
        if (session === undefined) return undefined;
        const until = doubt(session);
        if (until === undefined) return fragment.call(handlers, connection, data, info, session);
        return connection.again({ kind: 'fragment', data, info }, until);
      },
    }),
    ...(writable && {
      writable(connection: Connection<D, X>) {
        const session = sessions.get(connection);
        if (session === undefined) return undefined;
        const until = doubt(session);
        if (until === undefined) return writable.call(handlers, connection, session);
        return writableLater(connection, session, until);
      },
    }),
    pong(connection, data) {
      const session = core.settings.pongsAreActivity ? activeSession(connection) : sessions.get(connection);
      if (session === undefined || pong === undefined) return undefined;
      const until = doubt(session);
      if (until === undefined) return pong.call(handlers, connection, data, session);
      return connection.again({ kind: 'pong', data }, until);
    },
    close(connection, info) {
      const { id } = connection;
      let result: unknown;
      try {
        result = handlers.close?.(connection, info, sessions.get(connection));
        return result;
      } finally {
        const session = core.lifecycle.depart(id);
        if (session !== undefined) kept.add(connection);
        if (session !== undefined) void core.lifecycle.leave(session, settled(result));
      }
    },
  };
}

/** Wrapped ones would fail with the first connection only. The rest is checked where the server is made. */
function checkHandlers(within: string, handlers: unknown): void {
  checkOptionsObject(handlers, within);
  for (const name of ['open', 'message', 'fragment', 'writable', 'pong', 'close'] as const) {
    const handler = (handlers as Record<string, unknown>)[name];
    if (handler !== undefined) type('function')(within === '' ? name : `${within}.${name}`, handler);
  }
}

/** Whoever reads the connection in a loop: each message is told to `note`, and ends the loop where it may not be heard. */
function noteLoops<D, X>(connection: Connection<D, X>, note: () => Promise<boolean>): void {
  const iterate = connection[Symbol.asyncIterator].bind(connection);
  connection[Symbol.asyncIterator] = () => {
    const loop = iterate();
    const next = loop.next.bind(loop);
    loop.next = async () => {
      const result = await next();
      if (result.done === true || (await note())) return result;
      return { value: undefined, done: true };
    };
    return loop;
  };
}

/** The session, or `undefined` after closing the connection for a reason the client can act on. */
async function attachOrClose<D, X, A extends object>(
  core: Core,
  connection: Connection<D, X>,
  identify: ServeOptions<D, X, A>['identify'],
): Promise<Session<A> | undefined> {
  try {
    const request = await identify?.(connection);
    return (await attachConnection(
      core,
      connection,
      request === undefined ? {} : request,
    )) as unknown as Session<A>;
  } catch (error) {
    // The client left meanwhile; there is nobody to tell.
    if (!connection.isOpen) return undefined;
    const closing = closingFor(error);
    if (closing === undefined) throw error;
    if (closing === closings.tryAgainLater) {
      core.counters.storeErrors++;
      core.teller.fail(error, 'attaching');
    }
    connection.close(closing.code, closing.reason);
    return undefined;
  }
}

/** Resolves when the handler is done, or has taken too long; its failure is the server's to tell. */
async function settled(result: unknown): Promise<void> {
  if (result === undefined) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, closeHandlerTime).unref();
  });
  await Promise.race([result, late]).catch(() => undefined);
  clearTimeout(timer);
}
