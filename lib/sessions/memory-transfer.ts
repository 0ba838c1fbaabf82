import { performance } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { connectionKey, connectionOfKey, makeId, randomTail } from './ids.js';
import { type Entry, packBytes, recordOf } from './memory-entry.js';
import { Expiring } from './memory-expiring.js';
import type { SessionRecord } from './store.js';
import type { Arrival, Luggage, SessionTransfer } from './transfer.js';

/** What the store does for it. */
interface Place {
  now(): number;
  take(id: string): Entry | undefined;
  has(id: string): boolean;
  isBlocked(loginId: string | undefined): boolean;
  put(entry: Entry): void;
  heirOf(id: string): string | undefined;
  tick(): number;
  tickAfter(duration: number): number;
}

/** Clocks of stores that differ by less are the same. */
const sameClock = 1000;
/** How long an arrival is known beyond the expiry of its session: whoever brings it again is as late at most. */
const grace = 3_600_000;

/** Sessions that leave a `MemoryStore`, or come into it. */
export class MemoryTransfer implements SessionTransfer {
  private readonly place: Place;
  private readonly aside = new Map<string, { readonly entry: Entry; readonly token: string }>();
  /** The tokens by which sessions arrived. */
  private readonly arrivals = new Expiring<string>();

  constructor(place: Place) {
    this.place = place;
  }

  idOf({ id, userId }: Pick<SessionRecord, 'id' | 'userId'>): string {
    return makeId(1, userId, connectionOfKey(id));
  }

  async depart(ids: readonly string[]): Promise<(Luggage | undefined)[]> {
    return ids.map((id) => {
      const known = this.aside.get(id);
      if (known !== undefined) return this.luggageOf(known.entry, known.token);
      const entry = this.place.take(id);
      if (entry === undefined) return undefined;
      const token = randomTail();
      this.aside.set(id, { entry, token });
      return this.luggageOf(entry, token);
    });
  }

  private luggageOf(entry: Entry, token: string): Luggage {
    const bornMicros = entry.createdAt * 1000 + (entry.sequence % 1000);
    const asOf = this.place.now();
    return { token, record: recordOf(entry), bornMicros, asOf, readAt: performance.now() };
  }

  async underWay(limit: number): Promise<string[]> {
    return [...this.aside.keys()].slice(0, limit);
  }

  async heirOf(id: string): Promise<string | undefined> {
    return this.place.heirOf(id);
  }

  async arrive(luggage: readonly Luggage[]): Promise<Arrival[]> {
    return luggage.map((each) => this.take(each));
  }

  private take({ token, record, asOf, readAt }: Luggage): Arrival {
    const { place } = this;
    const id = this.idOf(record);
    const last = this.arrivals.get(id, place.tick());
    if (last === token) return { status: 'arrived' };
    if (last === refusalOf(token) || place.has(id) || this.aside.has(id))
      return this.refuse(id, token, 'the store has another session of that id');
    if (place.isBlocked(record.loginId)) return { status: 'ended' };
    const shift = place.now() - asOf - Math.floor(performance.now() - readAt);
    const entry = entryOf(record, id, Math.abs(shift) < sameClock ? 0 : shift);
    try {
      place.put(entry);
    } catch (error) {
      return this.refuse(id, token, wordsOf(error));
    }
    this.arrivals.set(id, token, place.tickAfter(Math.max(0, entry.expiresAt - place.now()) + grace));
    return { status: 'arrived' };
  }

  /** It lives on where it came from: it is not to arrive by this token any more. */
  private refuse(id: string, token: string, reason: string): Arrival {
    this.arrivals.set(id, refusalOf(token), this.place.tickAfter(grace));
    return { status: 'refused', reason };
  }

  async forget(luggage: readonly Luggage[]): Promise<void> {
    for (const { record, token } of luggage)
      if (this.aside.get(record.id)?.token === token) this.aside.delete(record.id);
  }

  async restore(luggage: readonly Luggage[]): Promise<void> {
    for (const { record, token } of luggage) {
      const known = this.aside.get(record.id);
      if (known?.token !== token) continue;
      this.place.put(known.entry);
      this.aside.delete(record.id);
    }
  }

  /** Forgets arrivals whose time is over, in at most `work` steps. */
  advance(work: number): void {
    this.arrivals.advance(this.place.tick(), work);
  }
}

function refusalOf(token: string): string {
  return `!${token}`;
}

function entryOf(record: SessionRecord, id: string, shift: number): Entry {
  const { owner, endsAt } = record;
  return {
    id,
    sequence: 0,
    userId: record.userId,
    loginId: record.loginId,
    group: record.group,
    nodeId: owner?.nodeId,
    connectionId: owner && connectionKey(id, connectionOfKey(owner.connectionId)),
    generation: record.generation,
    version: record.version,
    createdAt: record.createdAt + shift,
    lastActive: record.lastActive + shift,
    expiresAt: record.expiresAt + shift,
    endsAt: endsAt === undefined ? undefined : endsAt + shift,
    ttl: record.ttl,
    attributes: packBytes(record.attributes),
    extensions: packBytes(record.extensions),
    due: 0,
    next: undefined,
    previous: undefined,
  };
}
