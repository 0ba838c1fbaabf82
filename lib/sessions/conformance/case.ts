import { setTimeout } from '../../shared/ambient.js';
import type { NewSession, SessionOwner, SessionRecord, SessionStore } from '../store.js';

/** Two views of the same, at first empty, sessions. */
export interface Subject {
  readonly store: SessionStore;
  /** As another process would see them; may be the same object where there is no other process. */
  readonly peer: SessionStore;
}

/** One promise of the contract. `run` rejects with an assertion error when it is broken. */
export interface ConformanceCase {
  readonly name: string;
  run(): Promise<void>;
}

/** A case before it has got its store. */
export type Check = readonly [name: string, check: (subject: Subject) => Promise<void>];

/** Long enough not to matter. */
export const minute = 60_000;

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

export function sleep(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

/** Creates a session that has to succeed. */
export async function make(store: SessionStore, session: Partial<NewSession> = {}): Promise<SessionRecord> {
  const result = await store.create({ ttl: minute, ...session });
  if (result.status !== 'created') throw new Error(`create() answered ${result.status}`);
  return result.record;
}

/** A new session attached to `connection` of `nodeId`. */
export function attached(
  store: SessionStore,
  connection: string,
  session: Partial<NewSession> = {},
  nodeId = 'node-a',
): Promise<SessionRecord> {
  return make(store, { owner: { nodeId, connection }, ...session });
}

/** The fence of whoever owns the record now. */
export function fenceOf(record: SessionRecord): SessionOwner & { generation: number } {
  if (record.owner === undefined) throw new Error('the session has no owner');
  return { ...record.owner, generation: record.generation };
}

/** Sweeps until nothing is left to take. */
export async function sweepAll(store: SessionStore, limit = 100): Promise<SessionRecord[]> {
  const all: SessionRecord[] = [];
  for (;;) {
    const { records, more } = await store.sweep(limit);
    all.push(...records);
    if (!more) return all;
  }
}

/** Lists everything, page by page. */
export async function listAll(store: SessionStore, limit?: number): Promise<SessionRecord[]> {
  const all: SessionRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list(cursor, limit);
    all.push(...page.records);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return all;
}

export function idsOf(records: readonly SessionRecord[]): string[] {
  return records.map(({ id }) => id).sort();
}
