import type { SessionBus } from '../sessions/bus.js';
import * as check from '../sessions/check.js';
import { encode } from '../sessions/encode.js';
import { connectionKey } from '../sessions/ids.js';
import type * as contract from '../sessions/store.js';
import { performance } from '../shared/ambient.js';
import { type Check, checkTable, integer, kindOf, oneOf, unexpected, wrong } from '../shared/checks.js';
import { shown } from '../shared/shown.js';
import { redisBus } from './bus.js';
import type { Call } from './caller.js';
import { linkTo, type RedisClient } from './connect.js';
import { Durable } from './durable.js';
import { idsNow } from './former.js';
import { idsIn, type Kind, membersIn, read } from './members.js';
import { connectionName, expiries, names, ownerNames, repairs, sessionName } from './names.js';
import { fenceOf, limitOf, optional } from './operands.js';
import { type Batch, maxRounds, Partitions } from './partitions.js';
import { Placing } from './placing.js';
import { regenerateAcross } from './regenerate.js';
import { listOf, numberOf, type Reply, recordOf, textOf } from './reply.js';
import { Sweeping } from './sweeping.js';
import { RedisTransfer } from './transfer.js';

/** Options of {@link RedisStore}. */
export interface RedisStoreOptions {
  /** A connected client of `redis` or `ioredis`; stays the caller's. */
  readonly client: RedisClient;
  /** In front of every key; keeps applications apart. 1 to 64 characters without braces. Default `lws:`. */
  readonly prefix?: string | undefined;
  /**
   * How many parts the sessions are spread over, 1 to 1024; each is one slot of a cluster. Default 16. Stores with
   * different numbers do not see each other's sessions.
   */
  readonly partitions?: number | undefined;
  /**
   * Numbers of partitions of stores whose sessions were moved here, 1 for a `MemoryStore`; at most 8. Ids that were
   * given then are found, by a call in each partition that comes into question. Default: none.
   */
  readonly formerPartitions?: readonly number[] | undefined;
  /**
   * When a change counts: at once, and a failover may lose the last ones (`none`), or when a replica has confirmed it
   * (`replica`), and else it fails with `ERR_STORE`. Default `none`.
   */
  readonly durability?: 'none' | 'replica' | undefined;
  /** How long an operation may take until it fails with `ERR_STORE`, 10 to 60,000 ms. Default 2000. */
  readonly timeout?: number | undefined;
}

/** After so many an attach no longer waits for what leads to the last owner. */
const patientRounds = 8;
/** New ids in a row that are followed. */
const maxSuccessors = 16;

const empty = encode({});

const notInherited = ['', '', '', '', ''] as const;
const storeChecks: Record<string, Check> = {
  client: () => {},
  prefix: (name, value) => {
    if (typeof value !== 'string' || !/^[^{}]{1,64}$/.test(value))
      throw wrong(name, '1 to 64 characters without braces', value);
  },
  partitions: integer(1, 1024),
  formerPartitions: (name, value) => {
    if (!Array.isArray(value) || value.length > 8) throw wrong(name, 'a list of at most 8 numbers', value);
    for (const each of value as unknown[]) integer(1, 1024)(name, each);
  },
  durability: oneOf('none', 'replica'),
  timeout: integer(10, 60_000),
};

/**
 * Sessions in Redis 7 (or 6.2, as scripts), single or as a cluster, shared by any number of processes. Each
 * operation is one atomic call in one slot; those that concern all partitions (sweep, list, count, by login without
 * user) make one such call per partition.
 */
export class RedisStore implements contract.SessionStore {
  readonly bus: SessionBus;
  readonly transfer: RedisTransfer;
  private readonly parts: Partitions;
  private readonly sweeping: Sweeping;
  private readonly placing: Placing;
  private readonly former: readonly number[];
  private readonly durable: Durable | undefined;

  constructor(options: RedisStoreOptions) {
    checkTable(options, storeChecks, '');
    const { client, prefix = 'lws:', partitions = 16, timeout = 2000 } = options;
    const { formerPartitions = [], durability = 'none' } = options;
    this.former = [...formerPartitions];
    const link = linkTo(client);
    if (durability === 'replica') {
      if (link.connectOwn === undefined)
        throw wrong('durability', "'none' with a client that only sends commands", durability);
      this.durable = new Durable(link, Math.ceil(timeout / 2));
    }
    this.parts = new Partitions(link, prefix, partitions, timeout, this.durable);
    this.sweeping = new Sweeping(this.parts, (renewed, old) => this.finishUp(renewed, old));
    this.placing = new Placing(this.parts, timeout);
    this.bus = redisBus(link, prefix);
    this.transfer = new RedisTransfer(this.parts);
  }

  newId(userId?: string, tail?: string): string {
    check.checkOptionalName('userId', userId);
    return this.parts.newId(userId, tail);
  }

  async create(session: contract.NewSession, limit?: contract.UserLimit): Promise<contract.CreateResult> {
    check.checkNewSession(session, limit);
    const { userId, loginId = '', owner, ttl, maxAge = '', group = '' } = session;
    const { attributes = empty, extensions = empty } = session;
    const id = session.id ?? this.newId(userId);
    if (session.id !== undefined) this.checkGivenId(session.id, userId);
    const key = owner === undefined ? '' : connectionKey(id, owner.connection);
    return this.placing.create({
      id,
      userId,
      loginId,
      nodeId: owner?.nodeId ?? '',
      key,
      ttl: `${ttl}`,
      maxAge: `${maxAge}`,
      attributes,
      extensions,
      group,
      limit,
      inherited: notInherited,
      undo: (late) => this.undoCreate(late, id),
    });
  }

  async get(id: string): Promise<contract.SessionRecord | undefined> {
    return (await this.read(id)) ?? this.sinceMoved(id, (now) => this.read(now));
  }

  private async read(id: string): Promise<contract.SessionRecord | undefined> {
    if (this.parts.of(id) === undefined) return undefined;
    const [found] = listOf(await this.parts.call(id, 'get', [expiries, sessionName(id)], [id]));
    return found === undefined ? undefined : recordOf(found);
  }

  async byUser(userId: string): Promise<contract.SessionRecord[]> {
    check.checkName('userId', userId);
    return this.members(userId, 'u', userId);
  }

  async byLogin(loginId: string, userId?: string): Promise<contract.SessionRecord[]> {
    check.checkName('loginId', loginId);
    check.checkOptionalName('userId', userId);
    return this.members(userId, 'l', loginId);
  }

  async byGroup(group: string): Promise<contract.SessionRecord[]> {
    check.checkName('group', group);
    return this.members(undefined, 'g', group);
  }

  private async members(
    userId: string | undefined,
    kind: Kind,
    name: string,
  ): Promise<contract.SessionRecord[]> {
    const lists = await this.parts.over(userId, (place) => membersIn(this.parts, place, kind, name));
    const stored = lists.flat();
    return stored.sort((a, b) => a.bornMicros - b.bornMicros).map(({ record }) => record);
  }

  async byConnection(connectionId: string): Promise<contract.SessionRecord | undefined> {
    return (
      (await this.readOwned(connectionId)) ?? this.sinceMoved(connectionId, (now) => this.readOwned(now))
    );
  }

  private async readOwned(connectionId: string): Promise<contract.SessionRecord | undefined> {
    if (this.parts.of(connectionId) === undefined) return undefined;
    const keys = [connectionName(connectionId)];
    const [found] = listOf(await this.parts.call(connectionId, 'connection', keys, [connectionId]));
    return found === undefined ? undefined : recordOf(found);
  }

  async attach(
    id: string,
    owner: { nodeId: string; connection: string },
    identity?: contract.Identity,
  ): Promise<contract.AttachResult> {
    check.checkOwner(owner);
    check.checkIdentity(identity);
    const result = await this.attachAs(id, owner, identity);
    if (result.status !== 'gone') return result;
    const now = (await this.sinceMoved(id, (each) => this.read(each)))?.id;
    return now === undefined ? result : this.attachAs(now, owner, identity);
  }

  private async attachAs(
    id: string,
    owner: { nodeId: string; connection: string },
    identity: contract.Identity | undefined,
  ): Promise<contract.AttachResult> {
    if (this.parts.of(id) === undefined) return { status: 'gone' };
    const { userId = '', loginId = '' } = identity ?? {};
    const who = [identity === undefined ? '0' : '1', userId, loginId];
    const key = connectionKey(id, owner.connection);
    const keys = [
      expiries,
      sessionName(id),
      ...ownerNames(owner.nodeId, key),
      ...names({ login: loginId, blocked: loginId }),
    ];
    const args = [id, owner.nodeId, key, ...who];
    const call: Call = {
      base: this.parts.base(id),
      operation: 'attach',
      keys,
      believed: names({ user: userId }),
      args: (round) => [...args, round < patientRounds ? '0' : '1'],
      undo: (late) => this.undoAttach(late, id, key),
    };
    const [status, record, node, connection, left] = listOf(await this.parts.run(call));
    const outcome = textOf(status);
    if (outcome === 'gone' || outcome === 'denied') return { status: outcome };
    const nodeId = textOf(node);
    const previous = nodeId === '' ? undefined : { nodeId, connectionId: textOf(connection) };
    if (previous !== undefined && numberOf(left) > 0) await this.clear(id, previous);
    return { status: 'attached', record: recordOf(record), previous };
  }

  /** Removes what leads to an owner that the session no longer has; else that ends by itself. */
  private async clear(id: string, { nodeId, connectionId }: contract.SessionOwner): Promise<void> {
    const keys = [sessionName(id), ...ownerNames(nodeId, connectionId)];
    await this.parts.call(id, 'clear', keys, [id, nodeId, connectionId]).catch(() => undefined);
  }

  async detach(id: string, fence: contract.Fence, keepFor: number): Promise<'ok' | 'fenced' | 'gone'> {
    check.checkObject('the fence', fence);
    check.checkFence(fence);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    if (this.parts.of(id) === undefined) return 'gone';
    const keys = [expiries, sessionName(id)];
    const believed = [connectionName(fence.connectionId)];
    const reply = await this.parts.call(id, 'detach', keys, [id, ...fenceOf(fence), `${keepFor}`], {
      believed,
    });
    return textOf(reply) as 'ok' | 'fenced' | 'gone';
  }

  async touch(entries: readonly contract.Touch[], exact: boolean): Promise<contract.TouchResult[]> {
    check.checkTouches(entries);
    const results: contract.TouchResult[] = new Array(entries.length).fill('gone');
    const batches = new Map<number, number[]>();
    for (const [index, { id }] of entries.entries()) {
      const partition = this.parts.of(id);
      if (partition === undefined) continue;
      const batch = batches.get(partition);
      if (batch === undefined) batches.set(partition, [index]);
      else batch.push(index);
    }
    const began = performance.now();
    const batch: Batch<number> = {
      operation: 'touch',
      idOf: (index) => (entries[index] as contract.Touch).id,
      // What waited while its slot moved is told with the time at which it happened.
      args: (indexes) => [
        exact ? '1' : '0',
        ...indexes.flatMap((index) => {
          const entry = entries[index] as contract.Touch;
          const idle = check.idleOf(entry) + Math.floor(performance.now() - began);
          return [...fenceOf(entry.fence), `${idle}`];
        }),
      ],
      take: (index, reply) => {
        const expiry = numberOf(reply);
        results[index] = expiry > 0 ? expiry : expiry === 0 ? 'gone' : 'fenced';
      },
    };
    await Promise.all(
      [...batches].map(([partition, indexes]) => this.parts.onEach(`${partition}.`, indexes, batch)),
    );
    return results;
  }

  async set(id: string, change: contract.Change): Promise<contract.SetResult> {
    check.checkChange(change);
    if (this.parts.of(id) === undefined) return { status: 'gone' };
    const { version, fence, attributes, extensions, group, ttl = '' } = change;
    const moved = group === null ? '' : group;
    const values = [...optional(attributes), ...optional(extensions), ...optional(moved), `${ttl}`];
    const keys = [expiries, sessionName(id), ...names({ group: moved })];
    const reply = await this.parts.call(id, 'set', keys, [id, `${version}`, ...fenceOf(fence), ...values]);
    const [status, newVersion, expiresAt] = listOf(reply);
    const outcome = textOf(status) as contract.SetResult['status'];
    if (outcome !== 'set') return { status: outcome };
    return { status: 'set', version: numberOf(newVersion), expiresAt: numberOf(expiresAt) };
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
    const partition = this.parts.of(id);
    if (partition === undefined) return { status: 'gone' };
    const { userId = '', loginId = '' } = identity;
    const renewed = this.newId(identity.userId);
    if (this.parts.of(renewed) === partition) {
      const keys = [
        expiries,
        sessionName(id),
        sessionName(renewed),
        ...names({ user: userId, login: loginId, blocked: loginId }),
      ];
      const values = [
        id,
        renewed,
        ...fenceOf(fence),
        userId,
        loginId,
        ...limitOf(limit),
        this.placing.repairTime,
      ];
      return this.placing.place(id, 'renew', keys, values, (late) => this.undoCreate(late, renewed));
    }
    return regenerateAcross(this, {
      old: id,
      renewed,
      fence,
      create: (old, key) =>
        this.placing.create({
          id: renewed,
          userId,
          loginId,
          nodeId: old.owner?.nodeId ?? '',
          key,
          ttl: `${old.ttl}`,
          maxAge: '',
          attributes: old.attributes,
          extensions: old.extensions,
          group: old.group ?? '',
          limit,
          inherited: [
            id,
            `${old.generation + 1}`,
            `${old.version}`,
            `${old.createdAt * 1000}`,
            `${old.endsAt ?? ''}`,
          ],
          undo: () => this.settle(renewed, id, true),
        }),
      destroy: () => this.remove(id, fence, renewed),
      settle: (undo) => this.settle(renewed, id, undo),
    });
  }

  async destroy(id: string, fence?: contract.Fence): Promise<contract.SessionRecord | 'fenced' | undefined> {
    check.checkFence(fence);
    return this.remove(id, fence, '');
  }

  async successor(id: string): Promise<contract.SessionRecord | undefined> {
    const heir = await this.heir(id);
    return heir ?? this.sinceMoved(id, async (now) => (await this.read(now)) ?? this.heir(now));
  }

  /** What is found under one of the ids that this one may be now, after it was moved here. */
  private async sinceMoved(
    id: string,
    find: (now: string) => Promise<contract.SessionRecord | undefined>,
  ): Promise<contract.SessionRecord | undefined> {
    if (this.former.length === 0 || typeof id !== 'string') return undefined;
    const found = await Promise.all(idsNow(id, this.parts.count, this.former).map(find));
    return found.find((record) => record !== undefined);
  }

  private async heir(id: string): Promise<contract.SessionRecord | undefined> {
    for (let last = id, step = 0; step < maxSuccessors && this.parts.of(last) !== undefined; step++) {
      last = textOf(await this.parts.call(last, 'heir', [`r:${last}`], [last]));
      const record = await this.read(last);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  /** `heir`: the id that takes its place; '' for none. */
  private async remove(
    id: string,
    fence: contract.Fence | undefined,
    heir: string,
  ): Promise<contract.SessionRecord | 'fenced' | undefined> {
    if (this.parts.of(id) === undefined) return undefined;
    const keys = [expiries, sessionName(id)];
    const believed = fence === undefined ? [] : [connectionName(fence.connectionId)];
    const reply = await this.parts.call(id, 'destroy', keys, [id, ...fenceOf(fence), heir], { believed });
    const [removed] = listOf(reply);
    if (removed === undefined) return undefined;
    return Array.isArray(removed) ? recordOf(removed) : 'fenced';
  }

  async endUser(userId: string): Promise<contract.SessionRecord[]> {
    check.checkName('userId', userId);
    return this.finish(this.newId(userId, '-'), 'u', userId, 0);
  }

  async endLogin(
    loginId: string,
    options: { userId?: string | undefined; block?: number } = {},
  ): Promise<contract.SessionRecord[]> {
    check.checkEndLogin(loginId, options);
    const { userId, block = 0 } = options;
    return (await this.parts.over(userId, (place) => this.finish(place, 'l', loginId, block))).flat();
  }

  async sweep(limit: number): Promise<contract.Swept> {
    check.checkInteger('limit', limit, 1, 1_000_000);
    return this.sweeping.sweep(limit);
  }

  async orphans(nodeId: string, keepFor: number, limit: number): Promise<contract.Swept> {
    check.checkName('nodeId', nodeId);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    check.checkInteger('limit', limit, 1, 1_000_000);
    return this.sweeping.orphans(nodeId, keepFor, limit);
  }

  async list(cursor = '0:0', limit = 100): Promise<contract.Page> {
    check.checkInteger('limit', limit, 1, 10_000);
    const match = /^(\d{1,4}):(\d{1,20})$/.exec(cursor);
    const partition = Number(match?.[1] ?? this.parts.count);
    if (partition >= this.parts.count) {
      throw unexpected('one that this store gave', 'the cursor', kindOf(cursor));
    }
    const place = `${partition}.`;
    const page = await this.parts.call(place, 'page', [expiries], [match?.[2] ?? '0', `${limit}`]);
    const [next, ids] = listOf(page);
    const records = (await read(this.parts, place, listOf(ids).map(textOf), '', '')).flat();
    const inside = textOf(next);
    const following = inside === '0' ? `${partition + 1}:0` : `${partition}:${inside}`;
    const done = inside === '0' && partition + 1 === this.parts.count;
    return { records: records.map(({ record }) => record), cursor: done ? undefined : following };
  }

  async count(): Promise<number> {
    const counts = await this.parts.over(undefined, async (place) =>
      numberOf(await this.parts.call(place, 'count', [expiries], [])),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Connections of subscriptions end with those. */
  async close(): Promise<void> {
    this.durable?.close();
  }

  private checkGivenId(id: string, userId: string | undefined): void {
    const partition = this.parts.of(id);
    const tail = partition === undefined ? '-' : id.slice(id.indexOf('.') + 1);
    check.checkGivenId(id, partition, Number.parseInt(this.newId(userId, tail), 10));
  }

  /** What a process that died left half done. */
  private async finishUp(renewed: string, old: string): Promise<unknown> {
    if (renewed === old) return this.placing.bury(old, [old]);
    await this.remove(old, undefined, renewed);
    return this.settle(renewed, old, false);
  }

  /** Until none is left: while some are taken, another may get a new id. */
  private async finish(
    place: string,
    kind: 'u' | 'l',
    name: string,
    block: number,
  ): Promise<contract.SessionRecord[]> {
    if (block > 0) await this.parts.call(place, 'block', [`t:${name}`], [name, `${block}`]);
    const ended: contract.SessionRecord[] = [];
    for (let round = 0; round < maxRounds; round++) {
      const ids = await idsIn(this.parts, place, kind, name);
      const taken = await this.parts.takeAll(place, 'finish', ids, [kind, name]);
      ended.push(...taken);
      if (taken.length === ids.length) break;
    }
    return ended;
  }

  /** Takes the note of a regenerate across partitions back, and with `undo` the new session as well. */
  private settle(renewed: string, old: string, undo: boolean): Promise<Reply> {
    const keys = undo ? [repairs, expiries, sessionName(renewed)] : [repairs];
    return this.parts.call(renewed, 'settle', keys, [renewed, old, undo ? '1' : '0']);
  }

  /** A create that was given up did succeed: nobody knows the session, so it goes again. */
  private async undoCreate(late: Reply, id: string): Promise<void> {
    if (textOf(listOf(late)[0]) === 'created') await this.destroy(id);
  }

  private async undoAttach(late: Reply, id: string, connectionId: string): Promise<void> {
    const [status, reply] = listOf(late);
    if (textOf(status) !== 'attached') return;
    const { generation, ttl } = recordOf(reply);
    await this.detach(id, { connectionId, generation }, ttl);
  }
}

shown(RedisStore.prototype, 'RedisStore', () => ({}));
