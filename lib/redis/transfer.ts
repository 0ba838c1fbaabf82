import { connectionKey, connectionOfKey, randomTail } from '../sessions/ids.js';
import type { SessionRecord } from '../sessions/store.js';
import type { Arrival, Luggage, SessionTransfer } from '../sessions/transfer.js';
import { performance } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { LwsError } from '../shared/errors.js';
import type { Argument } from './link.js';
import { connectionName, names, underWay } from './names.js';
import type { Batch, Partitions } from './partitions.js';
import { listOf, numberOf, type Reply, storedOf, textOf } from './reply.js';

/** Sessions, and bytes of their values, that one call brings: with keys and arguments it stays below what is taken. */
const arrivalsPerCall = 64;
const bytesPerCall = 1_048_576;

/** Sessions that leave a store in Redis, or come into it. */
export class RedisTransfer implements SessionTransfer {
  private readonly parts: Partitions;

  constructor(parts: Partitions) {
    this.parts = parts;
  }

  idOf({ id, userId }: Pick<SessionRecord, 'id' | 'userId'>): string {
    return this.parts.newId(userId, id.slice(id.indexOf('.') + 1));
  }

  async depart(ids: readonly string[]): Promise<(Luggage | undefined)[]> {
    const token = randomTail();
    const result = new Map<string, Luggage>();
    await this.onAll(ids, (id) => id, {
      operation: 'depart',
      keys: [underWay],
      idOf: (id) => id,
      args: (left) => [`${left.length}`, token],
      take: (id, reply) => {
        const luggage = luggageOf(reply);
        if (luggage !== undefined) result.set(id, luggage);
      },
    });
    return ids.map((id) => result.get(id));
  }

  async underWay(limit: number): Promise<string[]> {
    const lists = await this.parts.over(undefined, async (place) =>
      listOf(await this.parts.call(place, 'aside', [underWay], [`${limit}`])).map(textOf),
    );
    return lists.flat();
  }

  async heirOf(id: string): Promise<string | undefined> {
    if (this.parts.of(id) === undefined) return undefined;
    return textOf(await this.parts.call(id, 'heir', [`r:${id}`], [id])) || undefined;
  }

  async arrive(luggage: readonly Luggage[]): Promise<Arrival[]> {
    const arrivals = luggage.map((each) => ({ ...each, id: this.idOf(each.record) }));
    const result = new Map<Luggage, Arrival>();
    const batch: Batch<Arriving> = {
      operation: 'arrive',
      idOf: ({ id }) => id,
      namesOf: namesOfArrival,
      args: (left) => [`${left.length}`, ...left.flatMap(argumentsOf)],
      take: (each, reply) => void result.set(each, arrivalOf(reply)),
    };
    await this.onAll(
      arrivals,
      ({ id }) => id,
      batch,
      async (place, some) => {
        await Promise.all(portions(some).map((few) => this.bring(place, few, batch, result)));
      },
    );
    return arrivals.map((each) => result.get(each) as Arrival);
  }

  forget(luggage: readonly Luggage[]): Promise<void> {
    return this.finish('forget', luggage);
  }

  restore(luggage: readonly Luggage[]): Promise<void> {
    return this.finish('restore', luggage);
  }

  private finish(operation: 'forget' | 'restore', luggage: readonly Luggage[]): Promise<void> {
    return this.onAll(luggage, ({ record }) => record.id, {
      operation,
      keys: [underWay],
      idOf: ({ record }) => record.id,
      args: (left) => [`${left.length}`, ...left.map(({ token }) => token)],
      take: () => undefined,
    });
  }

  /** What Redis is too full for, it did not begin: those are refused, for whoever brings them, and not unknown. */
  private async bring(
    place: string,
    some: readonly Arriving[],
    batch: Batch<Arriving>,
    result: Map<Luggage, Arrival>,
  ): Promise<void> {
    try {
      await this.parts.onEach(place, some, batch);
    } catch (error) {
      const reason = error instanceof LwsError ? wordsOf(error.cause) : '';
      if (!reason.startsWith('OOM')) throw error;
      const left = some.filter((each) => !result.has(each));
      await this.parts.onEach(place, left, {
        operation: 'refuse',
        idOf: ({ id }) => id,
        namesOf: ({ id }) => [`m:${id}`],
        args: (items) => [`${items.length}`, ...items.map(({ token }) => token)],
        take: (each, reply) => void result.set(each, arrivalOf(reply, reason)),
      });
    }
  }

  /** Runs for the items of each partition. Ids that are none of this store are left out. */
  private async onAll<T>(
    items: readonly T[],
    idOf: (item: T) => string,
    batch: Batch<T>,
    run = (place: string, some: readonly T[]) => this.parts.onEach(place, some, batch),
  ): Promise<void> {
    const places = new Map<number, T[]>();
    for (const item of items) {
      const partition = this.parts.of(idOf(item));
      if (partition === undefined) continue;
      const some = places.get(partition);
      if (some === undefined) places.set(partition, [item]);
      else some.push(item);
    }
    await Promise.all([...places].map(([partition, some]) => run(`${partition}.`, some)));
  }
}

interface Arriving extends Luggage {
  /** The id that it gets. */
  readonly id: string;
}

function luggageOf(reply: Reply): Luggage | undefined {
  const [status, stored, token, asOf] = listOf(reply);
  if (textOf(status) !== 'aside') return undefined;
  return { ...storedOf(stored), token: textOf(token), asOf: numberOf(asOf), readAt: performance.now() };
}

function arrivalOf(reply: Reply, reason = 'the store has another session of that id'): Arrival {
  const status = textOf(listOf(reply)[0]);
  return status === 'arrived' || status === 'ended' ? { status } : { status: 'refused', reason };
}

function ownerOf({ id, record }: Arriving): { nodeId: string; connection: string } {
  const { owner } = record;
  if (owner === undefined) return { nodeId: '', connection: '' };
  return { nodeId: owner.nodeId, connection: connectionKey(id, connectionOfKey(owner.connectionId)) };
}

function namesOfArrival(arriving: Arriving): string[] {
  const { userId, loginId, group } = arriving.record;
  const { nodeId, connection } = ownerOf(arriving);
  return [
    `m:${arriving.id}`,
    ...names({ user: userId, login: loginId, group, blocked: loginId }),
    ...(nodeId === '' ? [] : [`n:${nodeId}`, connectionName(connection)]),
  ];
}

/** In the order of the record's fields; the safety net is made there. */
function argumentsOf(arriving: Arriving): Argument[] {
  const { record, bornMicros, token, asOf, readAt } = arriving;
  const { nodeId, connection } = ownerOf(arriving);
  const { userId = '', loginId = '', generation, version, lastActive, expiresAt, endsAt = '', ttl } = record;
  const times = [`${bornMicros}`, `${lastActive}`, `${expiresAt}`, `${endsAt}`, `${ttl}`];
  const fence = [userId, loginId, nodeId, connection, `${generation}`, `${version}`];
  const values = [record.attributes, record.extensions, '0', record.group ?? ''];
  const now = asOf + Math.floor(performance.now() - readAt);
  return [...fence, ...times, ...values, token, `${now}`];
}

/** In calls of so many sessions, and bytes, as Redis may be held up by; one that is larger goes alone. */
function portions(arriving: readonly Arriving[]): Arriving[][] {
  const list: Arriving[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const each of arriving) {
    const size = each.record.attributes.length + each.record.extensions.length;
    const last = list.at(-1);
    if (last === undefined || last.length === arrivalsPerCall || bytes + size > bytesPerCall) {
      list.push([each]);
      bytes = size;
    } else {
      last.push(each);
      bytes += size;
    }
  }
  return list;
}
