import { connectionKey, connectionOfKey } from '../sessions/ids.js';
import type {
  CreateResult,
  Fence,
  RegenerateResult,
  SessionRecord,
  SessionStore,
} from '../sessions/store.js';

interface Replacement {
  readonly old: string;
  readonly renewed: string;
  readonly fence: Fence | undefined;
  /** Creates the new session out of the old one, and notes durably that it replaces it. */
  create(old: SessionRecord, connectionId: string): Promise<CreateResult>;
  /** Removes the old one for its owner, or for anybody who leaves word of the new one. */
  destroy(): Promise<SessionRecord | 'fenced' | undefined>;
  /** Takes that note back, and with `undo` the new session as well. */
  settle(undo: boolean): Promise<unknown>;
}

/**
 * Moves a session into another partition, which is another slot, so it takes two atomic steps: create the new one
 * with a note that it replaces the old one, destroy the old one. Whoever gets to destroy the old one has moved it;
 * everybody else takes the own new one back. If the process dies between the steps, the sweep finds the note and
 * does the second.
 */
export async function regenerateAcross(
  store: SessionStore,
  replacement: Replacement,
): Promise<RegenerateResult> {
  const { old, renewed, fence, settle } = replacement;
  const before = await store.get(old);
  if (before === undefined) return { status: 'gone' };
  if (fence !== undefined && !owns(before, fence)) return { status: 'fenced' };
  const key =
    before.owner === undefined ? '' : connectionKey(renewed, connectionOfKey(before.owner.connectionId));
  const result = await replacement.create(before, key);
  if (result.status !== 'created') return result;
  const destroyed = await destroyOrUndo(replacement);
  if (destroyed === undefined || destroyed === 'fenced') {
    await settle(true);
    return { status: destroyed ?? 'gone', evicted: result.evicted };
  }
  // Its note would only make the sweep look for what is gone already.
  await settle(false).catch(() => undefined);
  return destroyed.version === before.version ? result : carryOver(store, result, destroyed);
}

function owns(record: SessionRecord, fence: Fence): boolean {
  return record.generation === fence.generation && record.owner?.connectionId === fence.connectionId;
}

async function destroyOrUndo({ destroy, settle }: Replacement) {
  try {
    return await destroy();
  } catch (error) {
    // Unknown whether it happened. Without the new session either the old one is left or none: never two.
    await settle(true).catch(() => undefined);
    throw error;
  }
}

/** The old session was changed between the two steps: that change belongs to the new one. */
async function carryOver(
  store: SessionStore,
  result: CreateResult & { status: 'created' },
  { attributes, extensions }: SessionRecord,
): Promise<RegenerateResult> {
  const { id, version } = result.record;
  const set = await store.set(id, { version, attributes, extensions });
  if (set.status !== 'set') return result;
  return { ...result, record: { ...result.record, attributes, extensions, version: set.version } };
}
