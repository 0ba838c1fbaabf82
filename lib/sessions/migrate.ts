import { performance } from '../shared/ambient.js';
import { type Check, checkTable, integer, type, wrong } from '../shared/checks.js';
import { isAbortSignal, onAbort } from '../shared/signals.js';
import { movableOption } from './check.js';
import { type MigrationProgress, MigrationQueue } from './migration-queue.js';
import type { MoveResult } from './move.js';
import type { MovableStore } from './transfer.js';

/** Options of {@link migrateSessions}. */
export interface MigrationOptions {
  /** Sessions that are under way at a time, 1 to 4096: as many wait for the next run if the process dies. Default 256. */
  readonly concurrency?: number | undefined;
  /** Ends it early: what is under way arrives, the rest stays, the report says that it is not complete. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each session, in no particular order. What it throws ends the migration as `signal` does, and rejects. */
  readonly onResult?: ((result: MoveResult) => void) | undefined;
  /** Told after each page of sessions. */
  readonly onProgress?: ((progress: MigrationProgress & { readonly total: number }) => void) | undefined;
}

/** What a migration has done: numbers of sessions. */
export interface MigrationReport extends Pick<MigrationProgress, 'moved' | 'gone' | 'ended' | 'failed'> {
  /** Of those that were moved: found under way, where a run before this one had died. */
  readonly resumed: number;
  /** The first thousand that failed; {@link failed} counts all. */
  readonly failures: readonly MoveResult[];
  /** The source was looked through to its end, and nothing failed: it has no live sessions any more. */
  readonly isComplete: boolean;
  /** Milliseconds that it took. */
  readonly duration: number;
}

const maxFailures = 1000;
/** Sessions per page. */
const pageSize = 256;

const checks: Record<string, Check> = {
  concurrency: integer(1, 4096),
  signal: (name, value) => {
    if (!isAbortSignal(value)) throw wrong(name, 'an AbortSignal', value);
  },
  onResult: type('function'),
  onProgress: type('function'),
};

/**
 * Moves all sessions of a store to another one: first those that a run before this one left under way, then page by
 * page, until a look through the source finds none any more. It may be run again, also while another one runs.
 *
 * @throws `ERR_STORE` when the source cannot be listed; what is under way then has arrived, or is found by the next run
 */
export async function migrateSessions(
  from: MovableStore,
  to: MovableStore,
  options: MigrationOptions = {},
): Promise<MigrationReport> {
  checkTable({ from, to }, { from: movableOption, to: movableOption }, '');
  checkTable(options, checks, '');
  return new Migration(from, to, options).run();
}

class Migration {
  private readonly from: MovableStore;
  private readonly queue: MigrationQueue;
  private readonly options: MigrationOptions;
  private readonly failures: MoveResult[] = [];
  /** Ids of all that failed: they are not tried again. */
  private readonly failed = new Set<string>();
  private resumed = 0;
  private isStopped = false;
  private thrown: { readonly error: unknown } | undefined;

  constructor(from: MovableStore, to: MovableStore, options: MigrationOptions) {
    const { concurrency } = options;
    this.from = from;
    this.queue = new MigrationQueue({ from, to, concurrency });
    this.options = options;
  }

  async run(): Promise<MigrationReport> {
    const began = performance.now();
    const ignore = onAbort(this.options.signal, () => {
      this.isStopped = true;
    });
    try {
      const total = await this.from.count();
      await this.resume(total);
      // What came meanwhile, as by a process that does not know yet, is found by a further look.
      for (let before = -1; !this.isStopped && before !== this.queue.progress.moved; ) {
        before = this.queue.progress.moved;
        await this.look(total);
      }
    } finally {
      ignore();
      await this.queue.idle();
    }
    if (this.thrown !== undefined) throw this.thrown.error;
    const { moved, gone, ended } = this.queue.progress;
    return {
      moved,
      gone,
      ended,
      failed: this.failed.size,
      resumed: this.resumed,
      failures: this.failures,
      isComplete: !this.isStopped && this.failed.size === 0,
      duration: performance.now() - began,
    };
  }

  /** What a run before this one left under way. */
  private async resume(total: number): Promise<void> {
    let before: string[] = [];
    while (!this.isStopped) {
      const ids = (await this.from.transfer.underWay(pageSize + this.failed.size)).filter(
        (id) => !this.failed.has(id),
      );
      // Those that are under way for somebody else, who lives, come again; they are there once.
      if (ids.length === 0 || ids.every((id) => before.includes(id))) return;
      before = ids;
      const results = await this.move(ids, total);
      this.resumed += results.filter(({ status }) => status === 'moved').length;
    }
  }

  private async look(total: number): Promise<void> {
    let cursor: string | undefined;
    do {
      const page = await this.from.list(cursor, pageSize);
      ({ cursor } = page);
      const ids = page.records.map(({ id }) => id).filter((id) => !this.failed.has(id));
      await this.queue.room(pageSize);
      void this.move(ids, total);
    } while (cursor !== undefined && !this.isStopped);
    await this.queue.idle();
  }

  private async move(ids: readonly string[], total: number): Promise<MoveResult[]> {
    const results = await Promise.all(ids.map((id) => this.queue.add(id).result));
    try {
      for (const result of results) {
        if (result.status === 'failed') this.note(result);
        this.options.onResult?.(result);
      }
      this.options.onProgress?.({ ...this.queue.progress, total });
    } catch (error) {
      this.thrown ??= { error };
      this.isStopped = true;
    }
    return results;
  }

  private note(result: MoveResult): void {
    this.failed.add(result.id);
    if (this.failures.length < maxFailures) this.failures.push(result);
  }
}
