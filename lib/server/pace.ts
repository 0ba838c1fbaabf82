import type { Connection } from '../connection/connection.js';
import { clearTimeout, performance, setTimeout } from '../shared/ambient.js';

/** Milliseconds between two batches: short beside what a client notices, long beside a turn of the loop. */
const STEP = 100;

/** How a {@link Pace} goes. Times are milliseconds. */
export interface PaceOptions {
  readonly over: number;
  /** Connections per second that come back; undefined: as they are closed. */
  readonly rate: number | undefined;
  readonly code: number;
}

/**
 * Closes connections one after the other, evenly over a time, and says to each in its close reason when to come back:
 * the n-th as if clients returned in that order, at the rate that is wanted. Whoever joins later has the last place.
 */
export class Pace {
  readonly #queue: Connection[];
  readonly #over: number;
  readonly #perReturn: number;
  readonly #code: number;
  readonly #from = performance.now();
  readonly finished: Promise<void>;
  #finish!: () => void;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(connections: Connection[], { over, rate, code }: PaceOptions) {
    this.#queue = connections;
    this.#over = over;
    const evenly = connections.length === 0 ? 0 : over / connections.length;
    this.#perReturn = rate === undefined ? evenly : 1000 / rate;
    this.#code = code;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#step();
  }

  /** How many had to go, those that joined included. */
  get total(): number {
    return this.#queue.length;
  }

  /** One that opens although nobody is taken any more: it was accepted before. */
  add(connection: Connection): void {
    this.#queue.push(connection);
    if (this.#timer === undefined) this.#step();
  }

  /** Closes no further one. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#next = this.#queue.length;
    this.#finish();
  }

  #step(): void {
    const elapsed = performance.now() - this.#from;
    const total = this.#queue.length;
    const share = this.#over === 0 ? 1 : Math.min(1, (elapsed + STEP) / this.#over);
    for (const due = Math.ceil(total * share); this.#next < due; this.#next++)
      this.#close(this.#queue[this.#next]!, this.#next, elapsed);
    this.#timer = undefined;
    if (this.#next === total) this.#finish();
    else this.#timer = setTimeout(() => this.#step(), STEP);
  }

  #close(connection: Connection, place: number, elapsed: number): void {
    if (!connection.isOpen) return;
    const wait = Math.max(0, Math.round(place * this.#perReturn - elapsed));
    connection.close(this.#code, `retry=${wait};spread=${STEP}`);
    connection.inbox?.discard(); /* where the peer closed before, a pause may still keep input */
  }
}
