import type * as contract from '../sessions/store.js';
import { performance } from '../shared/ambient.js';
import type { Undo } from './caller.js';
import type { Argument } from './link.js';
import { expiries, names, ownerNames, repairs, sessionName } from './names.js';
import { chunksOf, createResult, crowdOf, evictedOf, limitOf } from './operands.js';
import type { Partitions } from './partitions.js';
import { listOf, textOf } from './reply.js';

/** Creation times per call. */
const birthsPerCall = 1024;
/** The oldest sessions of a user that a call is told. */
const maxOldest = 2048;

/** A session that is to be stored, as the call takes it. */
export interface NewRecord {
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

/** Stores new sessions, and makes room for them where a limit says so. */
export class Placing {
  private readonly parts: Partitions;
  private readonly timeout: number;
  /** Milliseconds after which the sweep finishes what a process left half done. */
  readonly repairTime: string;

  constructor(parts: Partitions, timeout: number) {
    this.parts = parts;
    this.timeout = timeout;
    this.repairTime = `${timeout * 4}`;
  }

  /** Stores a session, which may replace another one that lies in another partition. */
  create(it: NewRecord): Promise<contract.CreateResult> {
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
  async place(
    id: string,
    operation: 'create' | 'renew',
    keys: readonly string[],
    args: readonly Argument[],
    undo: Undo,
  ): Promise<contract.CreateResult & contract.RegenerateResult> {
    const deadline = performance.now() + this.timeout;
    const first = await this.parts.call(id, operation, keys, [...args, '0'], { undo, deadline });
    const crowd = crowdOf(first);
    if (crowd === undefined) return createResult(first, []);
    const oldest = await this.oldest(id, crowd, deadline);
    const more = [...new Set([...keys, repairs])];
    const reply = await this.parts.call(id, operation, more, [...args, '1', ...oldest], { undo, deadline });
    const evicted = await this.bury(id, evictedOf(reply));
    return createResult(reply, evicted);
  }

  /** Orders sessions by their creation. */
  private async oldest(place: string, ids: readonly string[], deadline: number): Promise<string[]> {
    const lists = await Promise.all(
      chunksOf(ids, birthsPerCall).map(async (chunk) => {
        const keys = [expiries, ...chunk.map(sessionName)];
        const births = listOf(await this.parts.call(place, 'born', keys, [`${chunk.length}`], { deadline }));
        return chunk.map((id, index) => ({ id, born: textOf(births[index]) }));
      }),
    );
    const known = lists.flat().filter(({ born }) => born !== '');
    known.sort((a, b) => Number(a.born) - Number(b.born) || (a.id < b.id ? -1 : 1));
    return known.slice(0, maxOldest).map(({ id }) => id);
  }

  /** What is left of sessions that a limit evicted. If it fails, the sweep does it. */
  async bury(place: string, ids: readonly string[]): Promise<contract.SessionRecord[]> {
    try {
      return await this.parts.takeAll(place, 'bury', ids, [], [repairs]);
    } catch {
      return [];
    }
  }
}
