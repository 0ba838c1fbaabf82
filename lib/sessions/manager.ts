import { EventEmitter } from 'node:events';
import type { ServerOptions } from '../server/options.js';
import { shown } from '../shared/shown.js';
import { Activity } from './activity.js';
import { attachConnection, checkConnection, checkSocket, createSession } from './attach.js';
import { AuthClock } from './auth-clock.js';
import { checkMembers, checkName, checkOptionalName, checkText } from './check.js';
import { closingOf } from './closing.js';
import { Control, type Order } from './control.js';
import { type Core, handleOf, inBackground, storesOf } from './core.js';
import { type Counters, newCounters } from './counters.js';
import {
  broadcast,
  closeAt,
  type Delivery,
  exceptionsOf,
  type Presence,
  presenceOf,
  sendTo,
  type Target,
} from './delivery.js';
import { type SessionEvents, Teller } from './events.js';
import { isSameSession } from './ids.js';
import { Lifecycle } from './lifecycle.js';
import { endLoginsOf, loginsOf } from './logins.js';
import { MemoryStore } from './memory-store.js';
import { Registry } from './registry.js';
import type { DetachedRequest, Given, SessionRequest } from './request.js';
import { type Identifying, type ServeOptions, serveOptions } from './serve.js';
import type { Session } from './session.js';
import { type SessionManagerOptions, settingsOf } from './settings.js';
import type { MessageData, SessionSocket } from './socket.js';
import type { SessionRecord, SessionStore } from './store.js';
import { Sweeper } from './sweeper.js';

/** A snapshot of {@link SessionManager.stats}. */
export interface SessionStats extends Readonly<Counters> {
  /** This process among those that share the store; all other members are of it alone. */
  readonly nodeId: string;
  /** Connections that the manager knows now. */
  readonly connections: number;
  /** Those of them that have a session. */
  readonly attached: number;
  /** Users with a connection here now. */
  readonly users: number;
  /** Logins with a connection here now. */
  readonly logins: number;
}

/**
 * The sessions of one process: which connection has which, when they expire and who may write them. Several
 * processes with the same store form one system; each has a manager of its own.
 *
 * @typeParam A - what `session.attributes` holds
 */
export class SessionManager<A extends object = Record<string, unknown>> extends EventEmitter<
  SessionEvents<A>
> {
  /** Resolves when closes and messages from other nodes arrive. Waiting for it is not needed. */
  readonly ready: Promise<void>;
  private readonly core: Core;
  private readonly sweeper: Sweeper;
  private closing: Promise<void> | undefined;

  /** @throws `ERR_INVALID_OPTION` */
  constructor(options: SessionManagerOptions = {}) {
    super();
    const settings = settingsOf(options);
    const counters = newCounters();
    const teller = new Teller(this as unknown as EventEmitter<SessionEvents>, settings.nodeId);
    const { bus } = settings.store;
    const core = {
      settings,
      counters,
      teller,
      registry: new Registry(),
      control: new Control(bus, settings.nodeId, teller, counters),
      localStore: settings.localWhenStoreFails ? new MemoryStore() : undefined,
      closed: false,
    } as Core & { activity: Activity; authClock: AuthClock; lifecycle: Lifecycle };
    core.lifecycle = new Lifecycle(core);
    core.activity = new Activity(core);
    core.authClock = new AuthClock(core);
    this.core = core;
    this.sweeper = new Sweeper(core);
    this.ready = core.control.start(
      (order) => this.obey(order),
      () => core.activity.checkAll(),
    );
    settings.logins?.onEnd?.((loginId) => {
      return inBackground(core, 'ending a login', () => core.lifecycle.endLogin(loginId));
    });
  }

  /** This process among those that share the store. */
  get nodeId(): string {
    return this.core.settings.nodeId;
  }

  /** The option, or the `MemoryStore` made without it. Sessions made while it failed are not in it. */
  get store(): SessionStore {
    return this.core.settings.store;
  }

  /**
   * Options for `createServer` that give each connection its session before its `open` handler runs, count what the
   * client sends as its activity, and detach the session at the end. The handlers get the session as last argument.
   */
  serve<D, X>(options: ServeOptions<D, X, A> & Identifying<D, X, A>): ServerOptions<D, X> {
    return serveOptions<D, X, A>(this.core, options) as ServerOptions<D, X>;
  }

  /**
   * Gives a connection its session: the one that it presents, or a new one. For servers without {@link serve}; the
   * session is detached when `connection.closed` settles, and {@link noteActivity} counts its messages.
   *
   * @throws `ERR_LIMIT` when the user has too many sessions; `ERR_SESSION_GONE` when the login was ended;
   *   `ERR_STORE`; `ERR_INVALID_STATE` when the connection has a session already, or closed meanwhile
   */
  async attach(connection: SessionSocket, ...[request]: Given<SessionRequest<A>>): Promise<Session<A>> {
    checkSocket(connection);
    const session = await attachConnection(this.core, connection, asGiven(request));
    const detach = () => void this.core.lifecycle.detach(connection.id);
    connection.closed.then(detach, detach);
    return session as unknown as Session<A>;
  }

  /** Takes the session from a connection that stays open. Resolves when the store knows. */
  async detach(connection: SessionSocket): Promise<void> {
    checkConnection(connection);
    await this.core.lifecycle.detach(connection.id);
  }

  /** Something came from the client of this connection. Cheap enough for each message. */
  noteActivity(connection: SessionSocket): void {
    checkConnection(connection);
    const attachment = this.core.registry.get(connection.id);
    if (attachment !== undefined) this.core.activity.note(attachment);
  }

  /** The session of a connection of this node. */
  of(connection: SessionSocket): Session<A> | undefined {
    checkConnection(connection);
    return this.core.registry.get(connection.id)?.session as Session<A> | undefined;
  }

  /** A new session without connection, as for a client that will come. */
  async create(...[request]: Given<DetachedRequest<A>>): Promise<Session<A>> {
    return (await createSession(this.core, asGiven(request))) as unknown as Session<A>;
  }

  /** An id for a new session of that user, to be given to {@link attach} or {@link create} as `newId`. */
  newId(userId?: string): string {
    checkOptionalName('userId', userId);
    return this.store.newId(userId);
  }

  /** A live session, of whichever node. */
  async get(sessionId: string): Promise<Session<A> | undefined> {
    checkText('sessionId', sessionId);
    return (await this.lookUp(async (store) => [await store.get(sessionId)]))[0];
  }

  /** All live sessions of a user, of whichever node. */
  async byUser(userId: string): Promise<Session<A>[]> {
    checkName('userId', userId);
    return this.lookUp((store) => store.byUser(userId));
  }

  /** `userId`, where known, makes it one call to the store instead of one per partition. */
  async byLogin(loginId: string, userId?: string): Promise<Session<A>[]> {
    checkName('loginId', loginId);
    checkOptionalName('userId', userId);
    return this.lookUp((store) => store.byLogin(loginId, userId));
  }

  /** By the own id of a connection here, or by the id in a presence for one of any node. */
  async byConnection(connectionId: string): Promise<Session<A> | undefined> {
    checkText('connectionId', connectionId);
    const here = this.core.registry.find(connectionId)?.session;
    if (here !== undefined) return here as unknown as Session<A>;
    return (await this.lookUp(async (store) => [await store.byConnection(connectionId)]))[0];
  }

  /** Connections of this node, a snapshot. */
  get connections(): SessionSocket[] {
    return this.core.registry.all().map(({ connection }) => connection);
  }

  /** A connection of this node by its id. */
  connection(connectionId: string): SessionSocket | undefined {
    checkText('connectionId', connectionId);
    return this.core.registry.find(connectionId)?.connection;
  }

  /** Ends a session and closes its connection, on whichever node. `false`: there is none. */
  async end(sessionId: string, code?: number, reason?: string): Promise<boolean> {
    checkText('sessionId', sessionId);
    return this.core.lifecycle.endById(sessionId, closingOf(code, reason));
  }

  /**
   * Ends all sessions of a user and closes their connections with 1008, on all nodes. Returns how many. With `logins`
   * all logins of the user end as well, also of browsers that are not connected: a logout everywhere.
   *
   * @throws `ERR_UNSUPPORTED` when the option `logins` cannot find or end the logins of a user; nothing has ended then
   */
  async endUser(userId: string, options: { readonly logins?: boolean } = {}): Promise<number> {
    checkName('userId', userId);
    checkMembers('the options of endUser', options, ['logins']);
    const { logins = false } = options;
    if (logins) return endLoginsOf(this.core, userId);
    return this.core.lifecycle.endUser(userId);
  }

  /**
   * The ids of all logins of a user, also of browsers that are not connected.
   *
   * @throws `ERR_UNSUPPORTED` when the option `logins` cannot list them; `ERR_STORE`
   */
  async loginsOf(userId: string): Promise<string[]> {
    checkName('userId', userId);
    return loginsOf(this.core, userId);
  }

  /**
   * Ends all sessions of a login and closes their connections with 1008, on all nodes; for `loginBlock` ms no new
   * one is made for it, so that nothing slips in that was about to. Returns how many.
   */
  async endLogin(loginId: string, userId?: string): Promise<number> {
    checkName('loginId', loginId);
    checkOptionalName('userId', userId);
    return this.core.lifecycle.endLogin(loginId, userId);
  }

  /** Sends a message to each connection that is meant, on whichever node. */
  async send(target: Target, data: MessageData): Promise<Delivery[]> {
    return sendTo(this.core, target, data);
  }

  /** Closes each connection that is meant, on whichever node; its session goes on. */
  async close(target: Target, code = 1000, reason = ''): Promise<Delivery[]> {
    return closeAt(this.core, target, code, reason);
  }

  /** Sends a message to every connection of this node that has a session. The text is encoded once. */
  broadcast(data: MessageData, options: { except?: Iterable<string> } = {}): Delivery[] {
    return broadcast(this.core, data, exceptionsOf(options));
  }

  /** Which sessions a user has, and where they are connected. */
  async presence(userId: string): Promise<Presence> {
    checkName('userId', userId);
    return presenceOf(this.core, userId);
  }

  /**
   * Declares a node dead that will not come back: its sessions are detached and live on for at most `keepDetached`,
   * each with an `orphan` event on one node. Without it they go by their time to live. Returns how many.
   */
  async releaseNode(nodeId: string): Promise<number> {
    return this.core.lifecycle.release(nodeId);
  }

  /** Takes expired sessions out of the store now instead of at the next sweep. Returns how many. */
  async sweep(): Promise<number> {
    return this.sweeper.sweep();
  }

  /** Tells the store about activity now instead of with the next batch. */
  async flush(): Promise<void> {
    await this.core.activity.flush();
  }

  /** What is there now and what happened so far, on this node; cheap. */
  stats(): SessionStats {
    const { registry, counters, settings } = this.core;
    return {
      nodeId: settings.nodeId,
      connections: registry.size,
      attached: registry.attached,
      users: registry.userCount,
      logins: registry.loginCount,
      ...counters,
    };
  }

  /**
   * Stops all work of this manager: reports the last activity, detaches the sessions that are still attached here
   * and stops listening for other nodes. Connections stay open; close the server first. The store stays usable.
   */
  async stop(): Promise<void> {
    this.closing ??= this.shutDown();
    await this.closing;
  }

  /** As `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async shutDown(): Promise<void> {
    const { core } = this;
    core.closed = true;
    await core.activity.flush();
    for (const { connection } of core.registry.all()) void core.lifecycle.detach(connection.id);
    await core.lifecycle.settled();
    core.activity.close();
    core.authClock.close();
    await Promise.all([this.sweeper.close(), core.control.stop()]);
  }

  private async lookUp(
    find: (store: SessionStore) => Promise<(SessionRecord | undefined)[]>,
  ): Promise<Session<A>[]> {
    const found = await Promise.all(
      storesOf(this.core).map(async (store) => (await find(store)).map((record) => ({ store, record }))),
    );
    return found.flat().flatMap(({ store, record }) => {
      return record === undefined ? [] : [handleOf(this.core, store, record) as unknown as Session<A>];
    });
  }

  /** Another node wants something of a connection here. */
  private obey(order: Order): void {
    const { registry, lifecycle } = this.core;
    if (order.kind === 'part') {
      lifecycle.summon(order.connection, order.sessionId, order);
      return;
    }
    const attachment = registry.get(order.connection);
    const session = attachment?.session;
    if (attachment === undefined || session === undefined) return;
    if (!isSameSession(session.id, order.sessionId)) return;
    if (order.kind === 'renew') void lifecycle.missing(session);
    else if (order.kind === 'send') attachment.connection.send(order.data);
    else attachment.connection.close(order.code, order.reason);
  }
}

/** Inside, attributes are any object. */
function asGiven(request: unknown): SessionRequest {
  return request === undefined ? {} : (request as SessionRequest);
}

shown(SessionManager.prototype, 'SessionManager', (manager) => ({ ...manager.stats() }));
