import { performance } from '../shared/ambient.js';
import { unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { checkName } from './check.js';
import { type Closing, closings } from './close-codes.js';
import {
  type Core,
  closeFor,
  handleOf,
  inBackground,
  isStoreFailure,
  type Lifecycles,
  storesOf,
} from './core.js';
import { decode } from './decode.js';
import type { EndReason } from './events.js';
import { connectionOfKey, isSameSession } from './ids.js';
import type { Attachment, Session } from './session.js';
import type { Fence, Identity, SessionOwner, SessionRecord, SessionStore } from './store.js';
import { encodeValues } from './values.js';

/** Most detaches that wait for a failing store; the sessions of further ones go by their time to live. */
const maxUnfinished = 100_000;

/** How far our idea of the store's time may be behind: it was an answer's way old when we got it. */
const clockSlack = 100;

function fenceOf({ owner, generation }: SessionRecord): Fence | undefined {
  return owner && { connectionId: owner.connectionId, generation };
}

/** How sessions get their connections, and how both go apart again. */
export class Lifecycle implements Lifecycles {
  readonly maxAttributes: number;
  readonly exact: boolean;
  private readonly core: Core;
  private readonly unfinished = new Map<Session, () => Promise<unknown>>();
  private readonly leaving = new Set<Promise<void>>();
  private reclaiming: Promise<number> | undefined;

  constructor(core: Core) {
    this.core = core;
    this.maxAttributes = core.settings.maxAttributes;
    this.exact = core.settings.exact;
  }

  /** Binds a session that the store has given to this connection. Throws if it was lost again meanwhile. */
  join(attachment: Attachment, session: Session, previous: SessionOwner | undefined): void {
    const { core } = this;
    const { record } = session;
    const { owner, generation } = record;
    if (owner === undefined) throw new LwsError('ERR_STORE', 'the store attached a session without an owner');
    session.fence = { connectionId: owner.connectionId, generation };
    if (previous !== undefined) this.displace(previous, session);
    if (core.closed || !attachment.connection.isOpen) {
      void this.leave(session);
      const what = core.closed ? 'the SessionManager was stopped' : 'the connection closed';
      throw new LwsError('ERR_INVALID_STATE', `${what} while its session was loaded`);
    }
    core.registry.bind(attachment, session);
    session.attachment = attachment;
    core.activity.start(attachment, record.lastActive);
    core.authClock.watch(session);
    core.teller.tell('attach', session);
    const { summons } = attachment;
    attachment.summons = undefined;
    if (summons !== undefined && isSameSession(summons.sessionId, session.id)) {
      this.part(attachment, summons);
      throw new LwsError('ERR_SESSION_GONE', 'the session was ended or taken over while it was loaded');
    }
  }

  /** The connection has ended: its session is detached, or ended where it is not kept. Resolves when it is stored. */
  async detach(connectionId: string): Promise<void> {
    const session = this.depart(connectionId);
    if (session !== undefined) await this.leave(session);
  }

  /** Takes a connection out of the registry and returns the session that it had. The store does not know yet. */
  depart(connectionId: string): Session | undefined {
    const attachment = this.core.registry.get(connectionId);
    if (attachment === undefined) return undefined;
    const { session } = attachment;
    this.separate(attachment);
    this.core.registry.delete(attachment);
    return session;
  }

  /** Tells the store that the connection of a session is gone, when `after` has settled. Never rejects. */
  leave(session: Session, after: Promise<void> = Promise.resolve()): Promise<void> {
    const leaving = after.then(() => this.tellLeave(session)).finally(() => this.leaving.delete(leaving));
    this.leaving.add(leaving);
    return leaving;
  }

  /** Resolves when the store was told about all that have left so far. */
  async settled(): Promise<void> {
    await Promise.all(this.leaving);
  }

  private async tellLeave(session: Session): Promise<void> {
    const { core } = this;
    const { store, fence, id } = session;
    const { keepDetached } = core.settings;
    if (fence === undefined || session.ended) return;
    const tell = async () => {
      if (keepDetached > 0) {
        await store.detach(id, fence, keepDetached);
        return;
      }
      const record = await store.destroy(id, fence);
      if (record !== undefined && record !== 'fenced') this.finished(store, record, 'ended', closings.ended);
    };
    await inBackground(core, 'detaching', async () => {
      try {
        await tell();
      } catch (error) {
        if (isStoreFailure(error) && this.unfinished.size < maxUnfinished) this.unfinished.set(session, tell);
        throw error;
      }
    });
  }

  /** Tries the detaches again that the store could not take. */
  async finishDetaches(): Promise<void> {
    for (const [session, tell] of [...this.unfinished]) {
      await tell();
      this.unfinished.delete(session);
    }
  }

  /** The store says that the session is not ours any more. */
  lost(session: Session, outcome: 'fenced' | 'gone'): void {
    const { attachment } = session;
    if (outcome === 'gone') session.ended = true;
    if (attachment === undefined) return;
    // Nobody told us which it was; the time we knew it to expire at does.
    const storeTime = performance.now() + attachment.clockOffset + clockSlack;
    const gone = session.expiresAt <= storeTime ? closings.expired : closings.ended;
    this.part(attachment, outcome === 'fenced' ? closings.takenOver : gone);
  }

  /** A connection has lost its session to someone else, or altogether, and is to be closed for that. */
  summon(connectionId: string, sessionId: string, closing: Closing): void {
    const attachment = this.core.registry.get(connectionId);
    const { session } = attachment ?? {};
    if (attachment !== undefined && session !== undefined && isSameSession(session.id, sessionId))
      this.part(attachment, closing);
    else if (attachment?.attaching === true) attachment.summons = { ...closing, sessionId };
  }

  /** The sweep took it. */
  expired(store: SessionStore, record: SessionRecord): void {
    this.core.counters.expired++;
    this.conclude(store, record, closings.expired, (session) => this.core.teller.tell('expire', session));
  }

  /** It was taken out of the store. */
  finished(store: SessionStore, record: SessionRecord, reason: EndReason, closing: Closing): void {
    if (reason === 'evicted') this.core.counters.evicted++;
    else this.core.counters.ended++;
    this.conclude(store, record, closing, (session) => this.core.teller.tell('end', session, reason));
  }

  /** Ends a session for its handle: one that was attached here only ends what is still its own. */
  async end(session: Session, closing: Closing): Promise<'fenced' | undefined> {
    const record = await session.store.destroy(session.id, session.fence);
    if (record === 'fenced') return record;
    if (record === undefined && (await this.follow(session))) return this.end(session, closing);
    session.ended = true;
    if (record !== undefined) this.finished(session.store, record, 'ended', closing);
    return undefined;
  }

  /** Ends a session whoever owns it; `false`: there is none. */
  async endById(sessionId: string, closing: Closing): Promise<boolean> {
    for (const store of storesOf(this.core)) {
      const record = await store.destroy(sessionId);
      if (record === undefined || record === 'fenced') continue;
      this.finished(store, record, 'ended', closing);
      return true;
    }
    return false;
  }

  async endUser(userId: string): Promise<number> {
    let ended = 0;
    for (const store of storesOf(this.core)) {
      const records = await store.endUser(userId);
      for (const record of records) this.finished(store, record, 'userEnded', closings.ended);
      ended += records.length;
    }
    return ended;
  }

  async endLogin(loginId: string, userId?: string): Promise<number> {
    let ended = 0;
    for (const store of storesOf(this.core)) {
      const records = await store.endLogin(loginId, { userId, block: this.core.settings.loginBlock });
      for (const record of records) this.finished(store, record, 'loginEnded', closings.loginEnded);
      ended += records.length;
    }
    return ended;
  }

  async regenerate(session: Session, given: Identity): Promise<void> {
    const { core } = this;
    const { store, attachment, id: previousId, userId, loginId } = session;
    const identity = { userId, loginId, ...given };
    const result = await store.regenerate(previousId, session.fence, identity, core.settings.limit);
    const evicted = ('evicted' in result && result.evicted) || [];
    for (const record of evicted) this.finished(store, record, 'evicted', closings.limit);
    switch (result.status) {
      case 'limit':
        core.counters.limited++;
        throw new LwsError('ERR_LIMIT', `the user has ${result.count} sessions already`);
      case 'ended':
        throw new LwsError('ERR_SESSION_GONE', 'the login was ended');
      case 'exists':
        throw new LwsError('ERR_STORE', 'the store made an id that is taken');
      case 'gone':
        if (await this.follow(session)) return this.regenerate(session, given);
        this.lost(session, 'gone');
        throw new LwsError('ERR_SESSION_GONE', 'the session ended or expired');
      case 'fenced':
        this.lost(session, 'fenced');
        throw new LwsError('ERR_SESSION_FENCED', 'another connection owns the session');
    }
    const { record } = result;
    if (attachment !== undefined && session.attachment === attachment) {
      this.renew(session, record);
      return;
    }
    session.adopt(record);
    if (session.fence === undefined) {
      await this.tellOwner(session, previousId);
      return;
    }
    // Its connection left meanwhile.
    session.fence = { ...session.fence, ...fenceOf(record) };
    await this.leave(session);
    this.tellRenewed(session, previousId);
  }

  /** The handle is nobody's: whoever has the connection goes on under the new id, and tells so. */
  private async tellOwner(session: Session, previousId: string): Promise<void> {
    const { core } = this;
    const { owner } = session.record;
    if (owner !== undefined && owner.nodeId !== core.settings.nodeId) {
      await core.control.renew(owner, previousId);
      return;
    }
    const here = owner && core.registry.get(connectionOfKey(owner.connectionId))?.session;
    if (here?.id === previousId) this.renew(here, session.record);
    else this.tellRenewed(session, previousId);
  }

  /** Goes on with the new id, user and login of a session whose connection is here. */
  private renew(session: Session, record: SessionRecord): void {
    const { registry } = this.core;
    const { attachment, id: previousId } = session;
    if (attachment !== undefined) registry.unbind(attachment);
    session.adopt(record);
    session.fence = fenceOf(record) ?? session.fence;
    if (attachment !== undefined) registry.bind(attachment, session);
    this.tellRenewed(session, previousId);
  }

  private tellRenewed(session: Session, previousId: string): void {
    this.core.counters.regenerated++;
    this.core.teller.tell('regenerate', session, previousId);
  }

  /**
   * Looks whether a session that the store does not have any more goes on under an id that it got elsewhere. Ends and
   * takeovers of the new id that come meanwhile are heeded.
   */
  async follow(session: Session): Promise<boolean> {
    const { attachment, store, id } = session;
    if (attachment === undefined) return false;
    attachment.attaching = true;
    try {
      const record = await store.successor(id);
      if (session.attachment !== attachment) return false;
      if (session.id !== id) return true;
      const fence = record && fenceOf(record);
      const isOurs = fence !== undefined && connectionOfKey(fence.connectionId) === attachment.connection.id;
      if (!isOurs || record?.owner?.nodeId !== this.core.settings.nodeId) return false;
      this.renew(session, record);
    } finally {
      attachment.attaching = false;
    }
    const { summons } = attachment;
    attachment.summons = undefined;
    if (summons !== undefined && isSameSession(summons.sessionId, session.id)) this.part(attachment, summons);
    return true;
  }

  /** The store has no such session: it goes on under another id, or has ended. */
  async missing(session: Session): Promise<void> {
    await inBackground(this.core, 'looking for a session', async () => {
      if (!(await this.follow(session))) this.lost(session, 'gone');
    });
  }

  replace(error: LwsError, bytes: Uint8Array, what: 'attributes' | 'extensions'): object {
    const { settings, teller } = this.core;
    const { whenUnreadable, maxAttributes } = settings;
    if (whenUnreadable === 'fail') throw error;
    teller.fail(error, `reading ${what}`);
    if (whenUnreadable === 'replace') return {};
    // As if it had been stored: what would not come back equal is refused, and nobody else has a hand in it.
    return decode(encodeValues(whenUnreadable(error, bytes, what), what, maxAttributes)) as object;
  }

  /**
   * Under a `nodeId` that was given, a process before this one may have left sessions that it owned: they are
   * detached before the first connection here gets one.
   */
  async reclaim(): Promise<void> {
    const { settings } = this.core;
    if (!settings.isNodeGiven) return;
    this.reclaiming ??= this.releaseAll(settings.nodeId).catch((error: unknown) => {
      this.reclaiming = undefined;
      throw error;
    });
    await this.reclaiming;
  }

  expireAuth(session: Session): void {
    this.core.authClock.watch(session);
  }

  /** Declares a node dead and detaches what it owned. */
  async release(nodeId: string): Promise<number> {
    checkName('nodeId', nodeId);
    if (nodeId === this.core.settings.nodeId)
      throw unexpected('a node that is dead', 'releaseNode()', 'its own');
    return this.releaseAll(nodeId);
  }

  private async releaseAll(nodeId: string): Promise<number> {
    const { core } = this;
    const { store, keepDetached } = core.settings;
    for (let released = 0; ; ) {
      const { records, more } = await store.orphans(nodeId, keepDetached, 256);
      for (const record of records) core.teller.tell('orphan', handleOf(core, store, record));
      released += records.length;
      core.counters.orphaned += records.length;
      if (!more) return released;
    }
  }

  private displace(previous: SessionOwner, session: Session): void {
    const { core } = this;
    core.counters.takenOver++;
    if (previous.nodeId === core.settings.nodeId) {
      this.summon(connectionOfKey(previous.connectionId), session.id, closings.takenOver);
    } else {
      void core.control.close('part', previous, session.id, closings.takenOver);
    }
  }

  /** Tells the event, with the session's connection here still readable, and closes that, wherever it is. */
  private conclude(
    store: SessionStore,
    record: SessionRecord,
    closing: Closing,
    tell: (session: Session) => void,
  ): void {
    const { core } = this;
    const session = handleOf(core, store, record);
    session.ended = true;
    tell(session);
    const { owner } = record;
    const connection = owner && connectionOfKey(owner.connectionId);
    const isHere = owner?.nodeId === core.settings.nodeId;
    const { attachment } = session;
    // One that has lost it, and does not know yet, keeps nobody from telling the owner.
    const owns = isHere && attachment?.connection.id === connection;
    if (attachment !== undefined)
      this.part(attachment, owner === undefined || owns ? closing : closings.takenOver);
    if (owner === undefined || connection === undefined || owns) return;
    if (isHere) this.summon(connection, record.id, closing);
    else void core.control.close('part', owner, record.id, closing);
  }

  /** Takes the session from its connection and closes that. */
  private part(attachment: Attachment, closing: Closing): void {
    this.separate(attachment);
    closeFor(this.core, attachment, closing);
  }

  private separate(attachment: Attachment): void {
    const { core } = this;
    const { session } = attachment;
    if (session === undefined) return;
    core.activity.stop(attachment);
    core.authClock.forget(session);
    core.registry.unbind(attachment);
    session.markDetached();
    core.counters.detached++;
    core.teller.tell('detach', session);
  }
}
