import type { SessionRecord, SessionStore } from './store.js';

/** A session on its way from one store to another. */
export interface Luggage {
  /** Of its departure; the same for as long as it is under way, whoever takes it up. */
  readonly token: string;
  /** As it was when it departed, in the store that it left. */
  readonly record: SessionRecord;
  /** The exact moment of its creation, microseconds: what is oldest stays oldest. */
  readonly bornMicros: number;
  /** What time it was by the clock of that store, epoch milliseconds, … */
  readonly asOf: number;
  /** … at this moment of `performance.now()`. */
  readonly readAt: number;
}

/**
 * What became of a session that was brought: `arrived`, now or before; `ended`, since its login was ended a moment ago;
 * `refused`, and the store has not taken it and never will by this token, with the reason.
 */
export type Arrival =
  | { readonly status: 'arrived' | 'ended' }
  | { readonly status: 'refused'; readonly reason: string };

/**
 * How sessions leave a store for another, each in three steps: it departs, arrives, is forgotten. Each step is atomic
 * and may be repeated: a process that dies between any two leaves a session under way, and whoever goes on with that
 * finishes it. A session that is under way is found by nothing but this; its record is kept where it departed.
 */
export interface SessionTransfer {
  /** Takes live sessions out, and answers also those that are under way already; `undefined` for what is neither. */
  depart(ids: readonly string[]): Promise<(Luggage | undefined)[]>;
  /** Ids of about `limit` sessions that are under way, in no particular order. */
  underWay(limit: number): Promise<string[]>;
  /** The id that a session of another store has here: the same tail behind the partition of its user. */
  idOf(record: Pick<SessionRecord, 'id' | 'userId'>): string;
  /** The id that an attached session of that id got here by somebody else than its owner, wherever that one is now. */
  heirOf(id: string): Promise<string | undefined>;
  /** Takes sessions in, under {@link idOf}, with everything as it was: owner, generation, version, times. */
  arrive(luggage: readonly Luggage[]): Promise<Arrival[]>;
  /** Gives up what is kept of sessions that have arrived elsewhere. */
  forget(luggage: readonly Luggage[]): Promise<void>;
  /** Lets sessions live on here that were refused elsewhere. */
  restore(luggage: readonly Luggage[]): Promise<void>;
}

/** A store whose sessions can be moved, as both of ours. */
export interface MovableStore extends SessionStore {
  readonly transfer: SessionTransfer;
}
