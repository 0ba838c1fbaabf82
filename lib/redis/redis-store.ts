import type { SessionBus } from '../sessions/bus.js';
import * as check from '../sessions/check.js';
import { encode } from '../sessions/encode.js';
import { connectionKey, describe, makeId, partitionOf } from '../sessions/ids.js';
import type * as contract from '../sessions/store.js';
import { LwsError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import { redisBus } from './bus.js';
import { type Caller, createCaller, type Undo } from './caller.js';
import { linkTo, type RedisClient } from './connect.js';
import { warnOfEviction } from './eviction.js';
import type { Argument } from './link.js';
import { createResult, fenceOf, limitOf, optional } from './operands.js';
import { regenerateAcross } from './regenerate.js';
import { allStored, listOf, numberOf, type Reply, recordOf, recordsOf, textOf } from './reply.js';

/** Options of {@link RedisStore}. */
export interface RedisStoreOptions {
  /** A connected client of `redis` or `ioredis`; stays the caller's. */
  readonly client: RedisClient;
  /** In front of every key; keeps applications apart. 1 to 64 characters without braces. Default `lws:`. */
  readonly prefix?: string;
  /**
   * How many parts the sessions are spread over, 1 to 1024; each is one slot of a cluster. Default 16. Stores with
   * different numbers do not see each other's sessions.
   */
  readonly partitions?: number;
  /** How long an operation may take until it fails with `ERR_STORE`, 10 to 60,000 ms. Default 2000. */
  readonly timeout?: number;
}

/** Entries per call: a call holds Redis up for all others. */
const touchesPerCall = 256;
const recordsPerCall = 256;
/** New ids in a row that are followed. */
const maxSuccessors = 16;

const empty = encode({});

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
  /** Done once, after the first call that Redis answered. */
  private lookForEviction: (() => Promise<void>) | undefined;
  /** What was taken out of Redis by calls that had been given up when it answered, by what they were to take. */
  private readonly late = new Map<string, contract.SessionRecord[]>();

  constructor(options: RedisStoreOptions) {
    check.checkOptions('RedisStore', options);
    const { client, prefix = 'lws:', partitions = 16, timeout = 2000, ...unknown } = options;
    check.refuseUnknown('RedisStore', unknown);
    if (typeof prefix !== 'string' || !/^[^{}]{1,64}$/.test(prefix)) {
      const message = `prefix has to be 1 to 64 characters without braces, but is ${describe(prefix)}`;
      throw new LwsError('ERR_INVALID_OPTION', message);
    }
    check.checkInteger('partitions', partitions, 1, 1024, 'ERR_INVALID_OPTION');
    check.checkInteger('timeout', timeout, 10, 60_000, 'ERR_INVALID_OPTION');
    const link = linkTo(client);
    this.caller = createCaller(link, timeout);
    this.lookForEviction = () => warnOfEviction(link);
    this.prefix = prefix;
    this.partitions = partitions;
    this.timeout = timeout;
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
    const values = [
      id,
      userId ?? '',
      loginId,
      owner?.nodeId ?? '',
      key,
      `${ttl}`,
      `${maxAge}`,
      attributes,
      extensions,
      group,
    ];
    const undo: Undo = (late) => this.undoCreate(late, id);
    return createResult(await this.call(id, 'create', [...values, ...limitOf(limit)], undo));
  }

  async get(id: string): Promise<contract.SessionRecord | undefined> {
    if (this.partition(id) === undefined) return undefined;
    const [found] = listOf(await this.call(id, 'get', [id]));
    return found === undefined ? undefined : recordOf(found);
  }

  async byUser(userId: string): Promise<contract.SessionRecord[]> {
    check.checkName('userId', userId);
    return recordsOf(await this.call(this.newId(userId, '-'), 'members', ['u', userId]));
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
    kind: 'l' | 'g',
    name: string,
  ): Promise<contract.SessionRecord[]> {
    const lists = await this.overPartitions(userId, (place) => this.call(place, 'members', [kind, name]));
    const stored = lists.flatMap(allStored);
    return stored.sort((a, b) => a.bornMicros - b.bornMicros).map(({ record }) => record);
  }

  async byConnection(connectionId: string): Promise<contract.SessionRecord | undefined> {
    if (this.partition(connectionId) === undefined) return undefined;
    const [found] = listOf(await this.call(connectionId, 'connection', [connectionId]));
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
    const who = [identity === undefined ? '0' : '1', identity?.userId ?? '', identity?.loginId ?? ''];
    const key = connectionKey(id, owner.connection);
    const undo: Undo = (late) => this.undoAttach(late, id, key);
    const [status, record, node, connection] = listOf(
      await this.call(id, 'attach', [id, owner.nodeId, key, ...who], undo),
    );
    const outcome = textOf(status);
    if (outcome === 'gone' || outcome === 'denied') return { status: outcome };
    const nodeId = textOf(node);
    const previous = nodeId === '' ? undefined : { nodeId, connectionId: textOf(connection) };
    return { status: 'attached', record: recordOf(record), previous };
  }

  async detach(id: string, fence: contract.Fence, keepFor: number): Promise<'ok' | 'fenced' | 'gone'> {
    check.checkObject('the fence', fence);
    check.checkFence(fence);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    if (this.partition(id) === undefined) return 'gone';
    const reply = await this.call(id, 'detach', [id, ...fenceOf(fence), `${keepFor}`]);
    return textOf(reply) as 'ok' | 'fenced' | 'gone';
  }

  async touch(entries: readonly contract.Touch[], exact: boolean): Promise<contract.TouchResult[]> {
    check.checkTouches(entries);
    const results: contract.TouchResult[] = new Array(entries.length).fill('gone');
    const batches = new Map<number, number[][]>();
    for (const [index, { id }] of entries.entries()) {
      const partition = this.partition(id);
      if (partition === undefined) continue;
      const chunks = batches.get(partition) ?? [[]];
      batches.set(partition, chunks);
      if (chunks.at(-1)?.length === touchesPerCall) chunks.push([]);
      chunks.at(-1)?.push(index);
    }
    const touchChunk = async (chunk: readonly number[]) => {
      const args = chunk.flatMap((index) => {
        const entry = entries[index] as contract.Touch;
        return [entry.id, ...fenceOf(entry.fence), `${check.idleOf(entry)}`];
      });
      const [place = ''] = args;
      const expiries = listOf(await this.call(place, 'touch', [exact ? '1' : '0', ...args]));
      for (const [position, index] of chunk.entries()) {
        const expiry = numberOf(expiries[position]);
        results[index] = expiry > 0 ? expiry : expiry === 0 ? 'gone' : 'fenced';
      }
    };
    await Promise.all([...batches.values()].flat().map(touchChunk));
    return results;
  }

  async set(id: string, change: contract.Change): Promise<contract.SetResult> {
    check.checkChange(change);
    if (this.partition(id) === undefined) return { status: 'gone' };
    const { version, fence, attributes, extensions, group, ttl = '' } = change;
    const moved = group === null ? '' : group;
    const values = [...optional(attributes), ...optional(extensions), ...optional(moved), `${ttl}`];
    const reply = await this.call(id, 'set', [id, `${version}`, ...fenceOf(fence), ...values]);
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
      const values = [id, renewed, ...fenceOf(fence), userId, loginId, ...limitOf(limit)];
      return createResult(await this.call(id, 'renew', values, (late) => this.undoCreate(late, renewed)));
    }
    return regenerateAcross(this, {
      old: id,
      renewed,
      fence,
      create: async (old, key) => {
        const { nodeId = '' } = old.owner ?? {};
        const values = [
          renewed,
          userId,
          loginId,
          nodeId,
          key,
          `${old.ttl}`,
          '',
          old.attributes,
          old.extensions,
          old.group ?? '',
        ];
        const inherited = [
          `${old.generation + 1}`,
          `${old.version}`,
          `${old.createdAt * 1000}`,
          `${old.endsAt ?? ''}`,
        ];
        const args = [...values, ...limitOf(limit), id, `${this.timeout * 4}`, ...inherited];
        const undo: Undo = () => this.call(renewed, 'settle', [renewed, id, '1']);
        return createResult(await this.call(renewed, 'create', args, undo));
      },
      destroy: () => this.remove(id, fence, renewed),
      settle: (undo) => this.call(renewed, 'settle', [renewed, id, undo ? '1' : '0']),
    });
  }

  async destroy(id: string, fence?: contract.Fence): Promise<contract.SessionRecord | 'fenced' | undefined> {
    check.checkFence(fence);
    return this.remove(id, fence, '');
  }

  async successor(id: string): Promise<contract.SessionRecord | undefined> {
    for (let last = id, step = 0; step < maxSuccessors && this.partition(last) !== undefined; step++) {
      last = textOf(await this.call(last, 'heir', [last]));
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
    const [removed] = listOf(await this.call(id, 'destroy', [id, ...fenceOf(fence), heir]));
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
    return this.take('sweep', [], limit);
  }

  async orphans(nodeId: string, keepFor: number, limit: number): Promise<contract.Swept> {
    check.checkName('nodeId', nodeId);
    check.checkInteger('keepFor', keepFor, 0, Number.MAX_SAFE_INTEGER);
    check.checkInteger('limit', limit, 1, 1_000_000);
    return this.take('orphans', [nodeId, `${keepFor}`], limit);
  }

  async list(cursor = '0:0', limit = 100): Promise<contract.Page> {
    check.checkInteger('limit', limit, 1, 10_000);
    const match = /^(\d{1,4}):(\d{1,20})$/.exec(cursor);
    const partition = Number(match?.[1] ?? this.partitions);
    if (partition >= this.partitions) {
      throw new LwsError('ERR_INVALID_ARGUMENT', `the cursor is not of this store`);
    }
    const [next, records] = listOf(await this.call(`${partition}.`, 'list', [match?.[2] ?? '0', `${limit}`]));
    const inside = textOf(next);
    const following = inside === '0' ? `${partition + 1}:0` : `${partition}:${inside}`;
    const done = inside === '0' && partition + 1 === this.partitions;
    return { records: recordsOf(records), cursor: done ? undefined : following };
  }

  async count(): Promise<number> {
    const counts = await this.overPartitions(undefined, async (place) =>
      numberOf(await this.call(place, 'count', [])),
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

  /** Runs an operation in the partition in front of `place`, a session id or connection key. */
  private call(place: string, operation: string, args: readonly Argument[], undo?: Undo): Promise<Reply> {
    const tag = `{${this.partitions}/${place.slice(0, place.indexOf('.'))}}`;
    const reply = this.caller.call(`${this.prefix}${tag}:exp`, operation, args, undo);
    const look = this.lookForEviction;
    if (look !== undefined) {
      this.lookForEviction = undefined;
      reply.then(look, () => {
        this.lookForEviction = look;
      });
    }
    return reply;
  }

  /** Runs in every partition at the same time, or only in that of the user if there is one. */
  private overPartitions<T>(userId: string | undefined, run: (place: string) => Promise<T>): Promise<T[]> {
    if (userId !== undefined) return Promise.all([run(this.newId(userId, '-'))]);
    return Promise.all(this.places().map(run));
  }

  private places(): string[] {
    return Array.from({ length: this.partitions }, (_, partition) => `${partition}.`);
  }

  private async finish(
    place: string,
    kind: 'u' | 'l',
    name: string,
    block: number,
  ): Promise<contract.SessionRecord[]> {
    const ended: contract.SessionRecord[] = [];
    for (let skip = 0; ; ) {
      const args = [kind, name, `${block}`, `${recordsPerCall}`, `${skip}`];
      const [more, records, kept] = listOf(await this.call(place, 'finish', args));
      ended.push(...recordsOf(records));
      if (numberOf(more) === 0) return ended;
      skip = numberOf(kept);
    }
  }

  /**
   * Takes sessions out of every partition. Nobody else will ever get them, so what some partitions gave is returned
   * although others failed, and what comes when the call was given up is returned by the next one.
   */
  private async take(
    operation: 'sweep' | 'orphans',
    args: readonly string[],
    limit: number,
  ): Promise<contract.Swept> {
    const key = [operation, args[0]].join(' ');
    const each = `${Math.min(recordsPerCall, Math.ceil(limit / this.partitions))}`;
    const late: Undo = async (reply) => {
      this.late.set(key, [...(this.late.get(key) ?? []), ...recordsOf(listOf(reply)[1])]);
    };
    const records = this.late.get(key) ?? [];
    this.late.delete(key);
    const outcomes = await Promise.allSettled(
      this.places().map(async (place) => {
        const [more, taken, unsettled] = listOf(await this.call(place, operation, [...args, each], late));
        records.push(...recordsOf(taken));
        await this.heal(unsettled ?? []);
        return numberOf(more) > 0;
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined && records.length === 0) throw failed.reason;
    // The next call meets what failed, and has nothing to lose then.
    const more = outcomes.some((outcome) => outcome.status === 'rejected' || outcome.value);
    return { records, more };
  }

  /** Finishes regenerates whose process died between its two steps; what fails is tried again by the next sweep. */
  private async heal(unsettled: Reply): Promise<void> {
    await Promise.allSettled(listOf(unsettled).map((entry) => this.settle(textOf(entry))));
  }

  private async settle(entry: string): Promise<void> {
    const [renewed = '', old = ''] = entry.split(' ');
    await this.remove(old, undefined, renewed);
    await this.call(renewed, 'settle', [renewed, old, '0']);
  }

  /** A create that was given up did succeed: nobody knows the session, so it goes again. */
  private async undoCreate(late: Reply, id: string): Promise<void> {
    if (createResult(late).status === 'created') await this.destroy(id);
  }

  private async undoAttach(late: Reply, id: string, connectionId: string): Promise<void> {
    const [status, reply] = listOf(late);
    if (textOf(status) !== 'attached') return;
    const { generation, ttl } = recordOf(reply);
    await this.detach(id, { connectionId, generation }, ttl);
  }
}

shown(RedisStore.prototype, 'RedisStore', () => ({}));
