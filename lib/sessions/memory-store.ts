import { performance } from '../shared/ambient.js';
import { type Check, checkTable, integer, kindOf, unexpected } from '../shared/checks.js';
import { shown } from '../shared/shown.js';
import * as check from './check.js';
import { encode } from './encode.js';
import { connectionKey, connectionOfKey, makeId, partitionOf } from './ids.js';
import { memoryBus } from './memory-bus.js';
import { Budget, type Entry, NameIndex, packBytes, recordOf } from './memory-entry.js';
import { Expiring } from './memory-expiring.js';
import { MemoryTransfer } from './memory-transfer.js';
import type * as contract from './store.js';
import { Wheel } from './wheel.js';

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /** Most sessions at a time, expired but unswept ones included; one more is refused with `ERR_LIMIT`. Default 1,000,000. */
  readonly maxSessions?: number | undefined;
  /** Most bytes of attributes and extensions of all sessions together. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
}

/** Milliseconds per tick of the expiry wheel: how much later than its expiry a session may be swept. */
const tickLength = 16;
/** Steps of the wheel per session that a sweep may return. */
const stepsPerSession = 4;
const maxOpenListings = 16;
const empty = packBytes(encode({}));

const storeChecks: Record<string, Check> = {
  maxSessions: integer(1, 16_000_000),
  maxBytes: integer(1024, Number.MAX_SAFE_INTEGER),
};

/**
 * Sessions in the memory of this process: the default store. It passes the same conformance suite as `RedisStore`;
 * what it cannot do is survive the process or be shared with another one. Its clock is monotonic: setting the
 * system's time neither expires nor prolongs a session.
 */
export class MemoryStore implements contract.SessionStore {
  readonly bus = memoryBus();
  readonly transfer = new MemoryTransfer({
    now: () => this.now(),
    take: (id) => this.take(id),
    has: (id) => this.sessions.has(id),
    isBlocked: (loginId) => this.isBlocked(loginId),
    put: (entry) => this.put(entry),
    heirOf: (id) => this.heirs.get(id, this.tickAt(this.now())),
    tickAfter: (duration) => this.tickAfter(duration),
    tick: () => this.tickAt(this.now()),
  });
  private readonly sessions = new Map<string, Entry>();
  private readonly users = new NameIndex();
  private readonly logins = new NameIndex();
  private readonly groups = new NameIndex();
  private readonly nodes = new NameIndex();
  private readonly connections = new Map<string, Entry>();
  private readonly expiry = new Wheel<Entry>();
  private readonly blocked = new Expiring<true>();
  /** The new ids of sessions that somebody else than their owner gave one, by the old. */
  private readonly heirs = new Expiring<string>();
  private readonly listings = new Map<string, IterableIterator<Entry>>();
  private readonly startedAt = Date.now() - performance.now();
  private readonly budget: Budget;
  private created = 0;
  private listed = 0;

  constructor(options: MemoryStoreOptions = {}) {
    checkTable(options, storeChecks, '');
    const { maxSessions = 1_000_000, maxBytes = 268_435_456 } = options;
    this.budget = new Budget(maxSessions, maxBytes);
  }

  newId(userId?: string, tail?: string): string {
    check.checkOptionalName('userId', userId);
    return makeId(1, userId, tail);
  }

  async create(session: contract.NewSession, limit?: contract.UserLimit): Promise<contract.CreateResult> {
    check.checkNewSession(session, limit);
    if (session.id !== undefined) check.checkGivenId(session.id, partitionOf(session.id, 1), 0);
    const id = session.id ?? this.newId();
    if (this.sessions.has(id)) return { status: 'exists' };
    if (this.isBlocked(session.loginId)) return { status: 'ended' };
    const now = this.now();
    const endsAt = session.maxAge === undefined ? undefined : now + session.maxAge;
    const { owner } = session;
    return this.insert(
      {
        id,
        sequence: this.created++,
        userId: session.userId,
        loginId: session.loginId,
        group: session.group,
        nodeId: owner?.nodeId,
        connectionId: owner && connectionKey(id, owner.connection),
        generation: owner === undefined ? 0 : 1,
        version: 0,
        createdAt: now,
        lastActive: now,
        expiresAt: Math.min(now + session.ttl, endsAt ?? Infinity),
        endsAt,
        ttl: session.ttl,
        attributes: session.attributes === undefined ? empty : packBytes(session.attributes),
        extensions: session.extensions === undefined ? empty : packBytes(session.extensions),
        ...unscheduled,
      },
      limit,
      undefined,
    );
  }

  async get(id: string): Promise<contract.SessionRecord | undefined> {
    const entry = this.live(id);
    return entry && recordOf(entry);
  }

  async byUser(userId: string): Promise<contract.SessionRecord[]> {
    check.checkName('userId', userId);
    return this.alive(this.users.get(userId)).map(recordOf);
  }

  async byLogin(loginId: string, userId?: string): Promise<contract.SessionRecord[]> {
    check.checkName('loginId', loginId);
    check.checkOptionalName('userId', userId);
    return this.alive(this.logins.get(loginId)).map(recordOf);
  }

  async byGroup(group: string): Promise<contract.SessionRecord[]> {
    check.checkName('group', group);
    return this.alive(this.groups.get(group)).map(recordOf);
  }

  async byConnection(connectionId: string): Promise<contract.SessionRecord | undefined> {
    const entry = this.connections.get(connectionId);
    return entry && this.isLive(entry) ? recordOf(entry) : undefined;
  }

  async attach(
    id: string,
    owner: { nodeId: string; connection: string },
    identity?: contract.Identity,
  ): Promise<contract.AttachResult> {
    check.checkOwner(owner);
    check.checkIdentity(identity);
    const entry = this.live(id);
    if (entry === undefined) return { status: 'gone' };
    if (identity !== undefined && (identity.userId !== entry.userId || this.isBlocked(identity.loginId))) {
      return { status: 'denied' };
    }
    const key = connectionKey(id, owner.connection);
    const { owner: last } = recordOf(entry);
    if (identity?.loginId !== undefined) this.setLogin(entry, identity.loginId);
    this.disown(entry);
    this.own(entry, owner.nodeId, key);
    entry.generation++;
    entry.lastActive = this.now();
    this.expireAt(entry, entry.lastActive + entry.ttl);
    return {
      status: 'attached',
      record: recordOf(entry),
      previous: last?.connectionId === key ? undefined : last,
    };
  }

  async detach(id: string, fence: contract.Fence, keepFor: number): Promise<'ok' | 'fenced' | 'gone'> {
    check.checkObject('the fence', fence);
    check.checkFence(fence);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    const entry = this.live(id);
    if (entry === undefined) return 'gone';
    if (isFenced(entry, fence)) return 'fenced';
    this.release(entry, keepFor);
    return 'ok';
  }

  async touch(entries: readonly contract.Touch[], exact: boolean): Promise<contract.TouchResult[]> {
    check.checkTouches(entries);
    const now = this.now();
    return entries.map((reported) => {
      const entry = this.live(reported.id);
      if (entry === undefined) return 'gone';
      if (isFenced(entry, reported.fence)) return 'fenced';
      const active = now - check.idleOf(reported);
      if (active > entry.lastActive) entry.lastActive = active;
      // Measured from now and not from the activity: the next report may be a while away.
      if (exact || entry.expiresAt - now < entry.ttl / 2) {
        // Later only, so the wheel need not know: it looks at the expiry when the entry comes up.
        const expiresAt = Math.min(active + entry.ttl, entry.endsAt ?? Infinity);
        if (expiresAt > entry.expiresAt) entry.expiresAt = expiresAt;
      }
      return entry.expiresAt;
    });
  }

  async set(id: string, change: contract.Change): Promise<contract.SetResult> {
    check.checkChange(change);
    const entry = this.live(id);
    if (entry === undefined) return { status: 'gone' };
    if (isFenced(entry, change.fence)) return { status: 'fenced' };
    if (entry.version !== change.version) return { status: 'conflict' };
    const attributes = change.attributes === undefined ? entry.attributes : packBytes(change.attributes);
    const extensions = change.extensions === undefined ? entry.extensions : packBytes(change.extensions);
    const growth = attributes.length + extensions.length - entry.attributes.length - entry.extensions.length;
    this.budget.take(this.sessions.size, growth);
    entry.attributes = attributes;
    entry.extensions = extensions;
    entry.version++;
    if (change.group !== undefined) {
      this.groups.delete(entry.group, entry);
      entry.group = change.group ?? undefined;
      this.groups.add(entry.group, entry);
    }
    if (change.ttl !== undefined) {
      entry.ttl = change.ttl;
      this.expireAt(entry, this.now() + change.ttl);
    }
    return { status: 'set', version: entry.version, expiresAt: entry.expiresAt };
  }

  async regenerate(
    id: string,
    fence: contract.Fence | undefined,
    identity: contract.Identity,
    limit?: contract.UserLimit,
  ): Promise<contract.RegenerateResult> {
    check.checkFence(fence);
    check.checkObject('the identity', identity);
    check.checkIdentity(identity);
    check.checkLimit(limit);
    const old = this.live(id);
    if (old === undefined) return { status: 'gone' };
    if (isFenced(old, fence)) return { status: 'fenced' };
    if (this.isBlocked(identity.loginId)) return { status: 'ended' };
    const renewed = this.newId();
    const now = this.now();
    const isForeign = fence === undefined && old.connectionId !== undefined;
    const result = this.insert(
      {
        ...old,
        id: renewed,
        userId: identity.userId,
        loginId: identity.loginId,
        connectionId: old.connectionId && connectionKey(renewed, connectionOfKey(old.connectionId)),
        generation: old.generation + 1,
        lastActive: now,
        expiresAt: Math.min(now + old.ttl, old.endsAt ?? Infinity),
        ...unscheduled,
      },
      limit,
      old,
    );
    if (result.status === 'created' && isForeign) this.heirs.set(id, renewed, this.tickAfter(old.ttl));
    return result;
  }

  async successor(id: string): Promise<contract.SessionRecord | undefined> {
    const tick = this.tickAt(this.now());
    let heir = this.heirs.get(id, tick);
    while (heir !== undefined && this.live(heir) === undefined) heir = this.heirs.get(heir, tick);
    return heir === undefined ? undefined : this.get(heir);
  }

  async destroy(id: string, fence?: contract.Fence): Promise<contract.SessionRecord | 'fenced' | undefined> {
    check.checkFence(fence);
    const entry = this.live(id);
    if (entry === undefined) return undefined;
    return isFenced(entry, fence) ? 'fenced' : this.remove(entry);
  }

  async endUser(userId: string): Promise<contract.SessionRecord[]> {
    check.checkName('userId', userId);
    return this.alive(this.users.get(userId)).map((entry) => this.remove(entry));
  }

  async endLogin(
    loginId: string,
    options: { userId?: string | undefined; block?: number } = {},
  ): Promise<contract.SessionRecord[]> {
    check.checkEndLogin(loginId, options);
    const { block = 0 } = options;
    if (block > 0) this.blocked.set(loginId, true, this.tickAfter(block));
    return this.alive(this.logins.get(loginId)).map((entry) => this.remove(entry));
  }

  async sweep(limit: number): Promise<contract.Swept> {
    check.checkInteger('limit', limit, 1, 1_000_000);
    const now = this.now();
    const work = limit * stepsPerSession;
    const records: contract.SessionRecord[] = [];
    this.blocked.advance(this.tickAt(now), work);
    this.heirs.advance(this.tickAt(now), work);
    this.transfer.advance(work);
    const done = this.expiry.advance(this.tickAt(now), work, (entry) => {
      if (this.isLive(entry)) this.expireAt(entry, entry.expiresAt);
      else records.push(this.remove(entry));
      return records.length < limit;
    });
    return { records, more: !done };
  }

  async orphans(nodeId: string, keepFor: number, limit: number): Promise<contract.Swept> {
    check.checkName('nodeId', nodeId);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    check.checkInteger('limit', limit, 1, 1_000_000);
    const owned = this.alive(this.nodes.get(nodeId));
    const records = owned.slice(0, limit).map((entry) => {
      this.release(entry, keepFor);
      return recordOf(entry);
    });
    return { records, more: owned.length > limit };
  }

  async list(cursor?: string, limit = 100): Promise<contract.Page> {
    check.checkInteger('limit', limit, 1, 10_000);
    const entries = cursor === undefined ? this.sessions.values() : this.listings.get(cursor);
    if (entries === undefined) {
      throw unexpected('one that this store gave, and not long ago,', 'the cursor', kindOf(cursor));
    }
    if (cursor !== undefined) this.listings.delete(cursor);
    const records: contract.SessionRecord[] = [];
    for (let seen = 0; seen < limit; seen++) {
      const next = entries.next();
      if (next.done === true) return { records, cursor: undefined };
      if (this.isLive(next.value)) records.push(recordOf(next.value));
    }
    // A Map's iterator goes on rightly while entries come and go. Abandoned ones are given up, oldest first.
    const following = `${++this.listed}`;
    this.listings.set(following, entries);
    for (const oldest of this.listings.keys()) {
      if (this.listings.size <= maxOpenListings) break;
      this.listings.delete(oldest);
    }
    return { records, cursor: following };
  }

  async count(): Promise<number> {
    return this.sessions.size;
  }

  async close(): Promise<void> {
    this.listings.clear();
  }

  /** Epoch milliseconds that never go back. */
  private now(): number {
    return Math.floor(this.startedAt + performance.now());
  }

  private tickAt(time: number): number {
    return Math.floor((time - this.startedAt) / tickLength);
  }

  private isLive(entry: Entry): boolean {
    return entry.expiresAt > this.now();
  }

  private live(id: string): Entry | undefined {
    const entry = this.sessions.get(id);
    return entry && this.isLive(entry) ? entry : undefined;
  }

  private alive(entries: Entry[]): Entry[] {
    const now = this.now();
    return entries.filter((entry) => entry.expiresAt > now);
  }

  /** Enforces the limit, then adds `entry` in place of `replaced`. */
  private insert(
    entry: Entry,
    limit: contract.UserLimit | undefined,
    replaced: Entry | undefined,
  ): contract.CreateResult {
    const evicted: contract.SessionRecord[] = [];
    let excess: Entry[] = [];
    if (limit !== undefined && entry.userId !== undefined) {
      const others = this.alive(this.users.get(entry.userId)).filter((other) => other !== replaced);
      if (others.length >= limit.max && limit.onExcess === 'reject')
        return { status: 'limit', count: others.length };
      excess = others.slice(0, Math.max(0, others.length - limit.max + 1));
    }
    const leaving = replaced === undefined ? excess : [...excess, replaced];
    const freed = leaving.reduce((sum, other) => sum + sizeOf(other), 0);
    this.budget.take(this.sessions.size + 1 - leaving.length, sizeOf(entry) - freed);
    this.budget.give(-freed);
    for (const oldest of excess) evicted.push(this.remove(oldest));
    if (replaced !== undefined) this.remove(replaced);
    this.add(entry);
    return { status: 'created', record: recordOf(entry), evicted };
  }

  private add(entry: Entry): void {
    this.sessions.set(entry.id, entry);
    this.users.add(entry.userId, entry);
    this.logins.add(entry.loginId, entry);
    this.groups.add(entry.group, entry);
    const { nodeId, connectionId } = entry;
    if (nodeId !== undefined && connectionId !== undefined) this.own(entry, nodeId, connectionId);
    this.expireAt(entry, entry.expiresAt);
  }

  /** Takes a live session out, as it is, for another store. */
  private take(id: string): Entry | undefined {
    const entry = this.live(id);
    if (entry === undefined) return undefined;
    const taken = { ...entry, ...unscheduled };
    this.remove(entry);
    return taken;
  }

  /** Takes one in. A connection that has another session keeps that. Throws `ERR_LIMIT` where there is no room. */
  private put(entry: Entry): void {
    this.budget.take(this.sessions.size + 1, sizeOf(entry));
    if (entry.connectionId !== undefined && this.connections.has(entry.connectionId)) {
      entry.nodeId = undefined;
      entry.connectionId = undefined;
    }
    this.add({ ...entry, sequence: this.created++ });
  }

  private remove(entry: Entry): contract.SessionRecord {
    const record = recordOf(entry);
    this.sessions.delete(entry.id);
    this.users.delete(entry.userId, entry);
    this.logins.delete(entry.loginId, entry);
    this.groups.delete(entry.group, entry);
    this.disown(entry);
    this.expiry.cancel(entry);
    this.budget.give(sizeOf(entry));
    return record;
  }

  private own(entry: Entry, nodeId: string, connectionId: string): void {
    const other = this.connections.get(connectionId);
    if (other !== undefined) this.disown(other);
    entry.nodeId = nodeId;
    entry.connectionId = connectionId;
    this.nodes.add(nodeId, entry);
    this.connections.set(connectionId, entry);
  }

  private disown(entry: Entry): void {
    const { nodeId, connectionId } = entry;
    if (nodeId === undefined || connectionId === undefined) return;
    this.nodes.delete(nodeId, entry);
    if (this.connections.get(connectionId) === entry) this.connections.delete(connectionId);
    entry.nodeId = undefined;
    entry.connectionId = undefined;
  }

  private release(entry: Entry, keepFor: number): void {
    this.disown(entry);
    this.expireAt(entry, this.now() + Math.min(keepFor, entry.ttl));
  }

  private setLogin(entry: Entry, loginId: string): void {
    if (entry.loginId === loginId) return;
    this.logins.delete(entry.loginId, entry);
    entry.loginId = loginId;
    this.logins.add(loginId, entry);
  }

  private expireAt(entry: Entry, time: number): void {
    entry.expiresAt = Math.min(time, entry.endsAt ?? Infinity);
    this.expiry.schedule(entry, this.tickAt(entry.expiresAt) + 1);
  }

  private tickAfter(duration: number): number {
    return this.tickAt(this.now() + duration) + 1;
  }

  private isBlocked(loginId: string | undefined): boolean {
    return loginId !== undefined && this.blocked.get(loginId, this.tickAt(this.now())) !== undefined;
  }
}

const unscheduled = { due: 0, next: undefined, previous: undefined };

function sizeOf(entry: Entry): number {
  return entry.attributes.length + entry.extensions.length;
}

function isFenced(entry: Entry, fence: contract.Fence | undefined): boolean {
  if (fence === undefined) return false;
  return entry.generation !== fence.generation || entry.connectionId !== fence.connectionId;
}

shown(MemoryStore.prototype, 'MemoryStore', () => ({}));
