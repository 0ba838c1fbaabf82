import { makeId, partitionOf } from '../sessions/ids.js';
import type * as contract from '../sessions/store.js';
import { LwsError } from '../shared/errors.js';
import { type Call, type Caller, createCaller, isMove } from './caller.js';
import type { Durable } from './durable.js';
import { warnOfEviction } from './eviction.js';
import type { Argument, RedisLink } from './link.js';
import { expiries, sessionName } from './names.js';
import { chunksOf } from './operands.js';
import { listOf, movedTo, type Reply, recordsOf, textOf } from './reply.js';

/** Sessions per call: a call holds Redis up for all others, and what it may name is bounded. */
export const sessionsPerCall = 256;
/** How often a step that is told other keys, or finds other sessions, than it was given is repeated. */
export const maxRounds = 16;
const tooOften = `what it is about was changed in each of ${maxRounds} rounds`;

type CallOptions = Pick<Call, 'believed' | 'undo' | 'deadline' | 'isImpatient'>;
/** Gets what a call took that had been given up. */
export type Late = (taken: contract.SessionRecord[]) => void;

/** An operation that answers each session on its own. */
export interface Batch<T> {
  readonly operation: string;
  /** Names of keys that it has behind those of the sessions. */
  readonly keys?: readonly string[];
  /** Gives up where the partition moves to another node. */
  readonly isImpatient?: boolean | undefined;
  idOf(item: T): string;
  /** Names of further keys that it needs. Default: none are known. */
  namesOf?(item: T): readonly string[];
  args(items: readonly T[]): Argument[];
  take(item: T, reply: Reply, isLate: boolean): void;
}

/** Where the sessions of a store lie: calls in one partition, in calls of many sessions, in all partitions. */
export class Partitions {
  readonly count: number;
  private readonly prefix: string;
  private readonly caller: Caller;
  /** Done once, after the first call that Redis answered. */
  private lookForEviction: (() => Promise<void>) | undefined;

  constructor(link: RedisLink, prefix: string, count: number, timeout: number, durable?: Durable) {
    this.caller = createCaller(link, timeout, durable);
    this.lookForEviction = () => warnOfEviction(link);
    this.prefix = prefix;
    this.count = count;
  }

  newId(userId?: string, tail?: string): string {
    return makeId(this.count, userId, tail);
  }

  /** The number of its partition; undefined: no id of a store with so many. */
  of(id: string): number | undefined {
    return partitionOf(id, this.count);
  }

  /** In front of the names of all keys of the partition that `place`, a session id or connection key, begins with. */
  base(place: string): string {
    return `${this.prefix}{${this.count}/${place.slice(0, place.indexOf('.'))}}:`;
  }

  /** Runs an operation in the partition of `place`. `keys` are the names of those that it always has. */
  call(
    place: string,
    operation: string,
    keys: readonly string[],
    args: readonly Argument[],
    options: CallOptions = {},
  ): Promise<Reply> {
    return this.run({ ...options, base: this.base(place), operation, keys, args: () => args });
  }

  run(call: Call): Promise<Reply> {
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

  /** Whether calls in that partition were refused a moment ago since its slot is moving. */
  isMoving(place: string): boolean {
    return this.caller.isMoving(this.base(place));
  }

  /**
   * Runs an operation that answers each session on its own, in calls of many: again, with further keys, for those
   * that lacked some, and apart from each other while some of them are on their way to another node.
   */
  async onEach<T>(place: string, items: readonly T[], batch: Batch<T>): Promise<void> {
    if (items.length > sessionsPerCall) {
      await Promise.all(chunksOf(items, sessionsPerCall).map((chunk) => this.onEach(place, chunk, batch)));
      return;
    }
    const { operation, idOf, keys = [] } = batch;
    const { namesOf = () => [] } = batch;
    let [left, believed] = [items, items.flatMap(namesOf)];
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
  async takeAll(
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
  over<T>(userId: string | undefined, run: (place: string) => Promise<T>): Promise<T[]> {
    if (userId !== undefined) return Promise.all([run(this.newId(userId, '-'))]);
    return Promise.all(this.places().map(run));
  }

  places(): string[] {
    return Array.from({ length: this.count }, (_, partition) => `${partition}.`);
  }
}
