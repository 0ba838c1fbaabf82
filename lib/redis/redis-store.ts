import type { SessionBus } from '../sessions/bus.js';
import * as check from '../sessions/check.js';
import { encode } from '../sessions/encode.js';
import { connectionKey, makeId, partitionOf } from '../sessions/ids.js';
import type * as contract from '../sessions/store.js';
import { performance } from '../shared/ambient.js';
import { type Check, checkTable, integer, kindOf, unexpected, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import { redisBus } from './bus.js';
import { type Call, type Caller, createCaller, isMove, type Undo } from './caller.js';
import { linkTo, type RedisClient } from './connect.js';
import { warnOfEviction } from './eviction.js';
import type { Argument } from './link.js';
import { connectionName, expiries, names, ownerNames, repairs, sessionName } from './names.js';
import { chunksOf, createResult, crowdOf, evictedOf, fenceOf, limitOf, optional } from './operands.js';
import { regenerateAcross } from './regenerate.js';
import {
  allStored,
  listOf,
  movedTo,
  numberOf,
  type Reply,
  recordOf,
  recordsOf,
  type Stored,
  textOf,
} from './reply.js';

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
  /** How long an operation may take until it fails with `ERR_STORE`, 10 to 60,000 ms. Default 2000. */
  readonly timeout?: number | undefined;
}

/** Sessions per call: a call holds Redis up for all others, and what it may name is bounded. */
const sessionsPerCall = 256;
/** Creation times per call. */
const birthsPerCall = 1024;
/** More sessions than that are no longer read in one step. */
const membersInOneStep = 2048;
/** The oldest sessions of a user that a call is told. */
const maxOldest = 2048;
/** How often a step that is told other keys, or finds other sessions, than it was given is repeated. */
const maxRounds = 16;
/** After so many an attach no longer waits for what leads to the last owner. */
const patientRounds = 8;
/** New ids in a row that are followed. */
const maxSuccessors = 16;
const tooOften = `what it is about was changed in each of ${maxRounds} rounds`;

const empty = encode({});

type Kind = 'u' | 'l' | 'g';
type CallOptions = Pick<Call, 'believed' | 'undo' | 'deadline' | 'isImpatient'>;
/** Gets what a call took that had been given up. */
type Late = (taken: contract.SessionRecord[]) => void;

interface Taken {
  readonly taken: readonly contract.SessionRecord[];
  readonly more: boolean;
}

const nothing: Taken = { taken: [], more: false };

/** An operation that answers each session on its own. */
interface Batch<T> {
  readonly operation: string;
  /** Names of keys that it has behind those of the sessions. */
  readonly keys?: readonly string[];
  /** Gives up where the partition moves to another node. */
  readonly isImpatient?: boolean | undefined;
  idOf(item: T): string;
  args(items: readonly T[]): Argument[];
  take(item: T, reply: Reply, isLate: boolean): void;
}

interface NewRecord {
  readonly id: string;
  readonly userId: string | undefined;
  readonly loginId: string;
  readonly nodeId: string;
  readonly key: string;
  readonly ttl: string;
  readonly maxAge: string;
  readonly attributes: Uint8Array;
  readonly extensions: Uint8Array;
  readonly group: string;
  readonly limit: contract.UserLimit | undefined;
  /** The session that it replaces, and of that generation, version, microseconds of birth, and end. */
  readonly inherited: readonly [string, string, string, string, string];
  readonly undo: Undo;
}

const notInherited = ['', '', '', '', ''] as const;
const storeChecks: Record<string, Check> = {
  client: () => {},
  prefix: (name, value) => {
    if (typeof value !== 'string' || !/^[^{}]{1,64}$/.test(value))
      throw wrong(name, '1 to 64 characters without braces', value);
  },
  partitions: integer(1, 1024),
  timeout: integer(10, 60_000),
};

/**
 * Sessions in Redis 7 (or 6.2, as scripts), single or as a cluster, shared by any number of processes. Each
 * operation is one atomic call in one slot; those that concern all partitions (sweep, list, count, by login without
 * user) make one such call per partition.
 */
export class RedisStore implements contract.SessionStore {
  readonly bus: SessionBus;
  private readonly caller: Caller;
  private readonly prefix: string;
  private readonly partitions: number;
  private readonly timeout: number;
  /** Milliseconds after which the sweep finishes what a process left half done. */
  private readonly repairTime: string;
  /** Done once, after the first call that Redis answered. */
  private lookForEviction: (() => Promise<void>) | undefined;
  /** What was taken out of Redis by calls that had been given up when it answered, by what they were to take. */
  private readonly late = new Map<string, contract.SessionRecord[]>();

  constructor(options: RedisStoreOptions) {
    checkTable(options, storeChecks, '');
    const { client, prefix = 'lws:', partitions = 16, timeout = 2000 } = options;
    const link = linkTo(client);
    this.caller = createCaller(link, timeout);
    this.lookForEviction = () => warnOfEviction(link);
    this.prefix = prefix;
    this.partitions = partitions;
    this.timeout = timeout;
    this.repairTime = `${timeout * 4}`;
    this.bus = redisBus(link, prefix);
  }

  newId(userId?: string, tail?: string): string {
    check.checkOptionalName('userId', userId);
    return makeId(this.partitions, userId, tail);
  }

  async create(session: contract.NewSession, limit?: contract.UserLimit): Promise<contract.CreateResult> {
    check.checkNewSession(session, limit);
    const { userId, loginId = '', owner, ttl, maxAge = '', group = '' } = session;
    const { attributes = empty, extensions = empty } = session;
    const id = session.id ?? this.newId(userId);
    if (session.id !== undefined) this.checkGivenId(session.id, userId);
    const key = owner === undefined ? '' : connectionKey(id, owner.connection);
    return this.createRecord({
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

  private createRecord(it: NewRecord): Promise<contract.CreateResult> {
    const { id, userId = '', loginId, nodeId, key, ttl, maxAge, group, limit, undo } = it;
    const replaces = it.inherited[0] !== '';
    const keys = [
      expiries,
      sessionName(id),
      ...names({ user: userId, login: loginId, group, blocked: loginId }),
      ...ownerNames(nodeId, key),
      ...(replaces ? [repairs] : []),
    ];
    const values = [id, userId, loginId, nodeId, key, ttl, maxAge, it.attributes, it.extensions, group];
    const args = [...values, ...limitOf(limit), this.repairTime, ...it.inherited];
    return this.place(id, 'create', keys, args, undo);
  }

  /**
   * Stores a session under a limit. Where others have to go for it, the call is told which are the oldest: it
   * takes them out of the indexes, and what is left of them goes afterwards.
   */
  private async place(
    id: string,
    operation: 'create' | 'renew',
    keys: readonly string[],
    args: readonly Argument[],
    undo: Undo,
  ): Promise<contract.CreateResult & contract.RegenerateResult> {
    const deadline = performance.now() + this.timeout;
    const first = await this.call(id, operation, keys, [...args, '0'], { undo, deadline });
    const crowd = crowdOf(first);
    if (crowd === undefined) return createResult(first, []);
    const oldest = await this.oldest(id, crowd, deadline);
    const more = [...new Set([...keys, repairs])];
    const reply = await this.call(id, operation, more, [...args, '1', ...oldest], { undo, deadline });
    const evicted = await this.bury(id, evictedOf(reply));
    return createResult(reply, evicted);
  }

  /** Orders sessions by their creation. */
  private async oldest(place: string, ids: readonly string[], deadline: number): Promise<string[]> {
    const lists = await Promise.all(
      chunksOf(ids, birthsPerCall).map(async (chunk) => {
        const keys = [expiries, ...chunk.map(sessionName)];
        const births = listOf(await this.call(place, 'born', keys, [`${chunk.length}`], { deadline }));
        return chunk.map((id, index) => ({ id, born: textOf(births[index]) }));
      }),
    );
    const known = lists.flat().filter(({ born }) => born !== '');
    known.sort((a, b) => Number(a.born) - Number(b.born) || (a.id < b.id ? -1 : 1));
    return known.slice(0, maxOldest).map(({ id }) => id);
  }

  /** What is left of sessions that a limit evicted. If it fails, the sweep does it. */
  private async bury(place: string, ids: readonly string[]): Promise<contract.SessionRecord[]> {
    try {
      return await this.takeAll(place, 'bury', ids, [], [repairs]);
    } catch {
      return [];
    }
  }

  async get(id: string): Promise<contract.SessionRecord | undefined> {
    if (this.partition(id) === undefined) return undefined;
    const [found] = listOf(await this.call(id, 'get', [expiries, sessionName(id)], [id]));
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
    const lists = await this.overPartitions(userId, (place) => this.membersIn(place, kind, name));
    const stored = lists.flat();
    return stored.sort((a, b) => a.bornMicros - b.bornMicros).map(({ record }) => record);
  }

  /** In one step; or so many that it takes several, each in one. */
  private async membersIn(place: string, kind: Kind, name: string): Promise<Stored[]> {
    const ids = await this.idsIn(place, kind, name);
    if (ids.length === 0) return [];
    const keys = [expiries, `${kind}:${name}`];
    if (ids.length <= membersInOneStep) {
      const believed = ids.map(sessionName);
      return allStored(await this.call(place, 'members', keys, [kind, name], { believed }));
    }
    return (await this.read(place, ids, kind, name)).flat();
  }

  private async idsIn(place: string, kind: Kind, name: string): Promise<string[]> {
    const keys = [expiries, `${kind}:${name}`];
    return listOf(await this.call(place, 'ids', keys, [kind, name])).map(textOf);
  }

  private read(place: string, ids: readonly string[], kind: Kind | '', name: string): Promise<Stored[][]> {
    return Promise.all(
      chunksOf(ids, sessionsPerCall).map(async (chunk) => {
        const keys = [expiries, ...chunk.map(sessionName)];
        return allStored(await this.call(place, 'read', keys, [`${chunk.length}`, kind, name]));
      }),
    );
  }

  async byConnection(connectionId: string): Promise<contract.SessionRecord | undefined> {
    if (this.partition(connectionId) === undefined) return undefined;
    const keys = [connectionName(connectionId)];
    const [found] = listOf(await this.call(connectionId, 'connection', keys, [connectionId]));
    return found === undefined ? undefined : recordOf(found);
  }

  async attach(
    id: string,
    owner: { nodeId: string; connection: string },
    identity?: contract.Identity,
  ): Promise<contract.AttachResult> {
    check.checkOwner(owner);
    check.checkIdentity(identity);
    if (this.partition(id) === undefined) return { status: 'gone' };
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
      base: this.base(id),
      operation: 'attach',
      keys,
      believed: names({ user: userId }),
      args: (round) => [...args, round < patientRounds ? '0' : '1'],
      undo: (late) => this.undoAttach(late, id, key),
    };
    const [status, record, node, connection, left] = listOf(await this.run(call));
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
    await this.call(id, 'clear', keys, [id, nodeId, connectionId]).catch(() => undefined);
  }

  async detach(id: string, fence: contract.Fence, keepFor: number): Promise<'ok' | 'fenced' | 'gone'> {
    check.checkObject('the fence', fence);
    check.checkFence(fence);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    if (this.partition(id) === undefined) return 'gone';
    const keys = [expiries, sessionName(id)];
    const believed = [connectionName(fence.connectionId)];
    const reply = await this.call(id, 'detach', keys, [id, ...fenceOf(fence), `${keepFor}`], { believed });
    return textOf(reply) as 'ok' | 'fenced' | 'gone';
  }

  async touch(entries: readonly contract.Touch[], exact: boolean): Promise<contract.TouchResult[]> {
    check.checkTouches(entries);
    const results: contract.TouchResult[] = new Array(entries.length).fill('gone');
    const batches = new Map<number, number[]>();
    for (const [index, { id }] of entries.entries()) {
      const partition = this.partition(id);
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
      [...batches].map(([partition, indexes]) => this.onEach(`${partition}.`, indexes, batch)),
    );
    return results;
  }

  async set(id: string, change: contract.Change): Promise<contract.SetResult> {
    check.checkChange(change);
    if (this.partition(id) === undefined) return { status: 'gone' };
    const { version, fence, attributes, extensions, group, ttl = '' } = change;
    const moved = group === null ? '' : group;
    const values = [...optional(attributes), ...optional(extensions), ...optional(moved), `${ttl}`];
    const keys = [expiries, sessionName(id), ...names({ group: moved })];
    const reply = await this.call(id, 'set', keys, [id, `${version}`, ...fenceOf(fence), ...values]);
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
    const partition = this.partition(id);
    if (partition === undefined) return { status: 'gone' };
    const { userId = '', loginId = '' } = identity;
    const renewed = this.newId(identity.userId);
    if (this.partition(renewed) === partition) {
      const keys = [
        expiries,
        sessionName(id),
        sessionName(renewed),
        ...names({ user: userId, login: loginId, blocked: loginId }),
      ];
      const values = [id, renewed, ...fenceOf(fence), userId, loginId, ...limitOf(limit), this.repairTime];
      return this.place(id, 'renew', keys, values, (late) => this.undoCreate(late, renewed));
    }
    return regenerateAcross(this, {
      old: id,
      renewed,
      fence,
      create: (old, key) =>
        this.createRecord({
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
    for (let last = id, step = 0; step < maxSuccessors && this.partition(last) !== undefined; step++) {
      last = textOf(await this.call(last, 'heir', [`r:${last}`], [last]));
      const record = await this.get(last);
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
    if (this.partition(id) === undefined) return undefined;
    const keys = [expiries, sessionName(id)];
    const believed = fence === undefined ? [] : [connectionName(fence.connectionId)];
    const reply = await this.call(id, 'destroy', keys, [id, ...fenceOf(fence), heir], { believed });
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
    return (await this.overPartitions(userId, (place) => this.finish(place, 'l', loginId, block))).flat();
  }

  async sweep(limit: number): Promise<contract.Swept> {
    check.checkInteger('limit', limit, 1, 1_000_000);
    return this.take('sweep', limit, (place, each, late) => this.sweepPartition(place, each, late));
  }

  async orphans(nodeId: string, keepFor: number, limit: number): Promise<contract.Swept> {
    check.checkName('nodeId', nodeId);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    check.checkInteger('limit', limit, 1, 1_000_000);
    const key = `orphans ${nodeId}`;
    return this.take(key, limit, (place, each, late) => this.release(place, nodeId, keepFor, each, late));
  }

  async list(cursor = '0:0', limit = 100): Promise<contract.Page> {
    check.checkInteger('limit', limit, 1, 10_000);
    const match = /^(\d{1,4}):(\d{1,20})$/.exec(cursor);
    const partition = Number(match?.[1] ?? this.partitions);
    if (partition >= this.partitions) {
      throw unexpected('one that this store gave', 'the cursor', kindOf(cursor));
    }
    const place = `${partition}.`;
    const page = await this.call(place, 'page', [expiries], [match?.[2] ?? '0', `${limit}`]);
    const [next, ids] = listOf(page);
    const records = (await this.read(place, listOf(ids).map(textOf), '', '')).flat();
    const inside = textOf(next);
    const following = inside === '0' ? `${partition + 1}:0` : `${partition}:${inside}`;
    const done = inside === '0' && partition + 1 === this.partitions;
    return { records: records.map(({ record }) => record), cursor: done ? undefined : following };
  }

  async count(): Promise<number> {
    const counts = await this.overPartitions(undefined, async (place) =>
      numberOf(await this.call(place, 'count', [expiries], [])),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Nothing to release: connections of subscriptions end with those. */
  async close(): Promise<void> {}

  private partition(id: string): number | undefined {
    return partitionOf(id, this.partitions);
  }

  private checkGivenId(id: string, userId: string | undefined): void {
    const partition = this.partition(id);
    const tail = partition === undefined ? '-' : id.slice(id.indexOf('.') + 1);
    check.checkGivenId(id, partition, Number.parseInt(this.newId(userId, tail), 10));
  }

  /** In front of the names of all keys of the partition that `place`, a session id or connection key, begins with. */
  private base(place: string): string {
    return `${this.prefix}{${this.partitions}/${place.slice(0, place.indexOf('.'))}}:`;
  }

  /** Runs an operation in the partition of `place`. `keys` are the names of those that it always has. */
  private call(
    place: string,
    operation: string,
    keys: readonly string[],
    args: readonly Argument[],
    options: CallOptions = {},
  ): Promise<Reply> {
    return this.run({ ...options, base: this.base(place), operation, keys, args: () => args });
  }

  private run(call: Call): Promise<Reply> {
    const reply = this.caller.call(call);
    const look = this.lookForEviction;
    if (look !== undefined) {
      this.lookForEviction = undefined;
      reply.then(look, () => {
        this.lookForEviction = look;
      });
    }
    return reply;
  }

  /**
   * Runs an operation that answers each session on its own, in calls of many: again, with further keys, for those
   * that lacked some, and apart from each other while some of them are on their way to another node.
   */
  private async onEach<T>(place: string, items: readonly T[], batch: Batch<T>): Promise<void> {
    if (items.length > sessionsPerCall) {
      await Promise.all(chunksOf(items, sessionsPerCall).map((chunk) => this.onEach(place, chunk, batch)));
      return;
    }
    const { operation, idOf, keys = [] } = batch;
    let [left, believed] = [items, [] as string[]];
    const tell = (reply: Reply, isLate: boolean) => {
      const lacking: T[] = [];
      const further: string[] = [];
      for (const [index, answer] of listOf(reply).entries()) {
        const item = left[index] as T;
        const needed = movedTo(answer);
        if (needed === undefined) batch.take(item, answer, isLate);
        else lacking.push(item);
        further.push(...(needed ?? []));
      }
      [left, believed] = [lacking, further];
    };
    for (let round = 0; left.length > 0; round++) {
      if (round === maxRounds) throw new LwsError('ERR_STORE', `Redis failed: ${tooOften} (${operation})`);
      const now = left;
      const call: Call = {
        base: this.base(place),
        operation,
        keys: [expiries, ...now.map((item) => sessionName(idOf(item))), ...keys],
        believed,
        args: () => batch.args(now),
        isImpatient: batch.isImpatient ?? now.length > 1,
        undo: async (late) => tell(late, true),
      };
      try {
        tell(await this.run(call), false);
      } catch (error) {
        if (now.length === 1 || batch.isImpatient === true || !isMove((error as LwsError).cause)) throw error;
        const middle = Math.ceil(now.length / 2);
        const halves = [now.slice(0, middle), now.slice(middle)];
        await Promise.all(halves.map((half) => this.onEach(place, half, batch)));
        return;
      }
    }
  }

  /** Takes sessions out by such an operation; returns those that it got. */
  private async takeAll(
    place: string,
    operation: string,
    ids: readonly string[],
    args: readonly Argument[],
    keys: readonly string[] = [],
    { late, isImpatient }: { late?: Late; isImpatient?: boolean } = {},
  ): Promise<contract.SessionRecord[]> {
    const records: contract.SessionRecord[] = [];
    await this.onEach<string>(place, ids, {
      operation,
      idOf: (id) => id,
      keys,
      isImpatient,
      args: (left) => [`${left.length}`, ...args],
      take: (_, reply, isLate) => {
        const [status, record] = listOf(reply);
        if (textOf(status) !== 'taken') return;
        const taken = recordsOf([record ?? null]);
        if (isLate) late?.(taken);
        else records.push(...taken);
      },
    });
    return records;
  }

  /** Runs in every partition at the same time, or only in that of the user if there is one. */
  private overPartitions<T>(userId: string | undefined, run: (place: string) => Promise<T>): Promise<T[]> {
    if (userId !== undefined) return Promise.all([run(this.newId(userId, '-'))]);
    return Promise.all(this.places().map(run));
  }

  private places(): string[] {
    return Array.from({ length: this.partitions }, (_, partition) => `${partition}.`);
  }

  /** Until none is left: while some are taken, another may get a new id. */
  private async finish(
    place: string,
    kind: 'u' | 'l',
    name: string,
    block: number,
  ): Promise<contract.SessionRecord[]> {
    if (block > 0) await this.call(place, 'block', [`t:${name}`], [name, `${block}`]);
    const ended: contract.SessionRecord[] = [];
    for (let round = 0; round < maxRounds; round++) {
      const ids = await this.idsIn(place, kind, name);
      const taken = await this.takeAll(place, 'finish', ids, [kind, name]);
      ended.push(...taken);
      if (taken.length === ids.length) break;
    }
    return ended;
  }

  /**
   * Takes sessions out of every partition. Nobody else will ever get them, so what some partitions gave is returned
   * although others failed, and what comes when the call was given up is returned by the next one with this `key`.
   */
  private async take(
    key: string,
    limit: number,
    from: (place: string, limit: number, late: Late) => Promise<Taken>,
  ): Promise<contract.Swept> {
    const each = Math.min(sessionsPerCall, Math.ceil(limit / this.partitions));
    const late: Late = (taken) => {
      this.late.set(key, [...(this.late.get(key) ?? []), ...taken]);
    };
    const records = this.late.get(key) ?? [];
    this.late.delete(key);
    const outcomes = await Promise.allSettled(
      this.places().map(async (place) => {
        const { taken, more } = await from(place, each, late);
        records.push(...taken);
        return more;
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined && records.length === 0) throw failed.reason;
    // The next call meets what failed, and has nothing to lose then.
    const more = outcomes.some((outcome) => outcome.status === 'rejected' || outcome.value);
    return { records, more };
  }

  /**
   * Takes nothing of a partition that is on its way to another node: its sessions could not tell of their activity.
   */
  private async sweepPartition(place: string, limit: number, late: Late): Promise<Taken> {
    if (this.caller.isMoving(this.base(place))) return nothing;
    try {
      const keys = [expiries, repairs];
      const [expired, unsettled] = listOf(
        await this.call(place, 'due', keys, [`${limit}`], { isImpatient: true }),
      );
      const ids = listOf(expired).map(textOf);
      const options = { late, isImpatient: true };
      const taken = await this.takeAll(place, 'sweep', ids, [], [], options);
      await this.repair(place, listOf(unsettled));
      return { taken, more: ids.length >= limit };
    } catch (error) {
      if (isMove((error as LwsError).cause)) return nothing;
      throw error;
    }
  }

  private async release(
    place: string,
    nodeId: string,
    keepFor: number,
    limit: number,
    late: Late,
  ): Promise<Taken> {
    const node = `n:${nodeId}`;
    const owned = await this.call(place, 'owned', [node], [nodeId, `${limit}`]);
    const ids = listOf(owned).map(textOf);
    const taken = await this.takeAll(place, 'release', ids, [nodeId, `${keepFor}`], [node], { late });
    return { taken, more: ids.length >= limit };
  }

  /** Finishes what a process that died left half done; what fails is tried again by the next sweep. */
  private async repair(place: string, entries: readonly Reply[]): Promise<void> {
    await Promise.allSettled(
      entries.map(async (entry) => {
        const [renewed = '', old = ''] = textOf(entry).split(' ');
        if (renewed === old) return this.bury(place, [old]);
        await this.remove(old, undefined, renewed);
        return this.settle(renewed, old, false);
      }),
    );
  }

  /** Takes the note of a regenerate across partitions back, and with `undo` the new session as well. */
  private settle(renewed: string, old: string, undo: boolean): Promise<Reply> {
    const keys = undo ? [repairs, expiries, sessionName(renewed)] : [repairs];
    return this.call(renewed, 'settle', keys, [renewed, old, undo ? '1' : '0']);
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
