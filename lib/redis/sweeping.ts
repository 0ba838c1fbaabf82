import type * as contract from '../sessions/store.js';
import type { LwsError } from '../shared/errors.js';
import { isMove } from './caller.js';
import { expiries, repairs } from './names.js';
import { type Late, type Partitions, sessionsPerCall } from './partitions.js';
import { listOf, type Reply, textOf } from './reply.js';

interface Taken {
  readonly taken: readonly contract.SessionRecord[];
  readonly more: boolean;
}

const nothing: Taken = { taken: [], more: false };

/** Takes sessions out whose time is over, or whose node is gone, and finishes what processes left half done. */
export class Sweeping {
  private readonly parts: Partitions;
  private readonly finish: (renewed: string, old: string) => Promise<unknown>;
  /** What was taken out of Redis by calls that had been given up when it answered, by what they were to take. */
  private readonly late = new Map<string, contract.SessionRecord[]>();

  /** `finish`: ends a regenerate across partitions, or an eviction where both ids are the same. */
  constructor(parts: Partitions, finish: (renewed: string, old: string) => Promise<unknown>) {
    this.parts = parts;
    this.finish = finish;
  }

  sweep(limit: number): Promise<contract.Swept> {
    return this.take('sweep', limit, (place, each, late) => this.sweepPartition(place, each, late));
  }

  orphans(nodeId: string, keepFor: number, limit: number): Promise<contract.Swept> {
    const key = `orphans ${nodeId}`;
    return this.take(key, limit, (place, each, late) => this.release(place, nodeId, keepFor, each, late));
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
    const each = Math.min(sessionsPerCall, Math.ceil(limit / this.parts.count));
    const late: Late = (taken) => {
      this.late.set(key, [...(this.late.get(key) ?? []), ...taken]);
    };
    const records = this.late.get(key) ?? [];
    this.late.delete(key);
    const outcomes = await Promise.allSettled(
      this.parts.places().map(async (place) => {
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
    if (this.parts.isMoving(place)) return nothing;
    try {
      const keys = [expiries, repairs];
      const [expired, unsettled] = listOf(
        await this.parts.call(place, 'due', keys, [`${limit}`], { isImpatient: true }),
      );
      const ids = listOf(expired).map(textOf);
      const options = { late, isImpatient: true };
      const taken = await this.parts.takeAll(place, 'sweep', ids, [], [], options);
      await this.repair(listOf(unsettled));
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
    const owned = await this.parts.call(place, 'owned', [node], [nodeId, `${limit}`]);
    const ids = listOf(owned).map(textOf);
    const taken = await this.parts.takeAll(place, 'release', ids, [nodeId, `${keepFor}`], [node], { late });
    return { taken, more: ids.length >= limit };
  }

  /** Finishes what a process that died left half done; what fails is tried again by the next sweep. */
  private async repair(entries: readonly Reply[]): Promise<void> {
    await Promise.allSettled(
      entries.map(async (entry) => {
        const [renewed = '', old = ''] = textOf(entry).split(' ');
        return this.finish(renewed, old);
      }),
    );
  }
}
