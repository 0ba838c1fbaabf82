import { nextTick } from '../shared/ambient.js';
import { type Check, checkTable, integer, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import { checkText, movableOption } from './check.js';
import { type MoveResult, moveSome } from './move.js';
import type { MovableStore } from './transfer.js';

/** Options of {@link MigrationQueue}. */
export interface MigrationQueueOptions {
  /** The store that sessions leave. */
  readonly from: MovableStore;
  /** Their target. */
  readonly to: MovableStore;
  /** Sessions that are under way at a time, 1 to 4096: as many wait for the next run if the process dies. Default 256. */
  readonly concurrency?: number | undefined;
  /** Most tasks that wait; one more is refused with `ERR_LIMIT`. Default 10,000. */
  readonly maxQueued?: number | undefined;
}

/** One session that is to be moved. */
export interface MigrationTask {
  /** The session's id in the store that it leaves. */
  readonly id: string;
  /** Where it goes. */
  readonly target: MovableStore;
  /** `waiting` in the queue, `moving`, or `done`: then {@link result} has resolved. */
  readonly state: 'waiting' | 'moving' | 'done';
  /** What became of it. Never rejects: a failure is a result. */
  readonly result: Promise<MoveResult>;
}

/** How far a migration is: numbers of sessions. */
export interface MigrationProgress {
  /** Waiting for their turn. */
  readonly waiting: number;
  /** Under way now. */
  readonly moving: number;
  /** In the target, and nowhere else. */
  readonly moved: number;
  /** Not in the source any more when their turn came. */
  readonly gone: number;
  /** Ended with their login while they were under way. */
  readonly ended: number;
  /** Not moved; the result of each says why, and where it is. */
  readonly failed: number;
}

interface Task extends MigrationTask {
  state: MigrationTask['state'];
  readonly resolve: (result: MoveResult) => void;
}

/** Sessions per step: what a call to a store holds it up with. */
const batchSize = 64;

const checks: Record<string, Check> = {
  from: movableOption,
  to: movableOption,
  concurrency: integer(1, 4096),
  maxQueued: integer(1, 10_000_000),
};

/**
 * Moves sessions from one store to another, so many at a time, and tells of each what became of it. An id that waits or
 * moves already gets no second task.
 */
export class MigrationQueue {
  private readonly from: MovableStore;
  private readonly to: MovableStore;
  private readonly concurrency: number;
  private readonly maxQueued: number;
  private readonly tasks = new Map<string, Task>();
  private waiting: Task[] = [];
  private moving = 0;
  private readonly counts = { moved: 0, gone: 0, ended: 0, failed: 0 };
  private isStarting = false;
  private changed: (() => void)[] = [];

  constructor(options: MigrationQueueOptions) {
    checkTable(options, checks, '');
    const { from, to, concurrency = 256, maxQueued = 10_000 } = options;
    checkPair(from, to);
    this.from = from;
    this.to = to;
    this.concurrency = concurrency;
    this.maxQueued = maxQueued;
  }

  /** A snapshot. */
  get progress(): MigrationProgress {
    return { waiting: this.waiting.length, moving: this.moving, ...this.counts };
  }

  /**
   * Puts a session into the queue.
   *
   * @throws `ERR_LIMIT` when `maxQueued` wait already: {@link room} tells when there is room
   */
  add(id: string): MigrationTask {
    checkText('the id of a session', id);
    const known = this.tasks.get(id);
    if (known !== undefined) return known;
    if (this.waiting.length >= this.maxQueued)
      throw new LwsError('ERR_LIMIT', `the queue is full: ${this.maxQueued} sessions wait (maxQueued)`);
    let resolve: (result: MoveResult) => void = () => undefined;
    const result = new Promise<MoveResult>((settle) => {
      resolve = settle;
    });
    const task: Task = { id, target: this.to, state: 'waiting', result, resolve };
    this.tasks.set(id, task);
    this.waiting.push(task);
    this.startSoon();
    return task;
  }

  /** Resolves when at most `waiting` tasks wait; default: when one more may be added. */
  async room(waiting = this.maxQueued - 1): Promise<void> {
    while (this.waiting.length > waiting) await this.change();
  }

  /** Resolves when nothing waits or moves. */
  async idle(): Promise<void> {
    while (this.tasks.size > 0) await this.change();
  }

  /** Takes what waits out of the queue: those stay in the source and are answered `failed`. What moves goes on. */
  clear(): void {
    const error = new LwsError('ERR_ABORTED', 'the session was taken out of the queue before its turn');
    const waiting = this.waiting;
    this.waiting = [];
    for (const task of waiting) this.settle(task, { id: task.id, status: 'failed', where: 'source', error });
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.changed.push(resolve);
    });
  }

  /** What is added in one turn goes in one step. */
  private startSoon(): void {
    if (this.isStarting) return;
    this.isStarting = true;
    nextTick(() => {
      this.isStarting = false;
      this.start();
    });
  }

  private start(): void {
    while (this.waiting.length > 0 && this.moving < this.concurrency) {
      const some = this.waiting.splice(0, Math.min(batchSize, this.concurrency - this.moving));
      this.moving += some.length;
      for (const task of some) task.state = 'moving';
      void this.move(some);
    }
  }

  private async move(some: readonly Task[]): Promise<void> {
    const ids = some.map(({ id }) => id);
    const results = await moveSome(this.from, this.to, ids);
    this.moving -= some.length;
    for (const [index, task] of some.entries()) this.settle(task, results[index] as MoveResult);
    this.start();
  }

  private settle(task: Task, result: MoveResult): void {
    task.state = 'done';
    this.tasks.delete(task.id);
    this.counts[result.status]++;
    task.resolve(result);
    const waiting = this.changed;
    this.changed = [];
    for (const tell of waiting) tell();
  }
}

/** Throws `ERR_INVALID_OPTION` where both are the same object. */
export function checkPair(from: MovableStore, to: MovableStore): void {
  if (from === to) throw wrong('to', 'another store', to, 'the same as "from"');
}

shown(MigrationQueue.prototype, 'MigrationQueue', ({ progress }) => ({ ...progress }));
