import { clearTimeout, setImmediate, setTimeout } from './ambient.js';

/** A handler that blocks the thread, or a process that is stopped, takes one part at most: nobody is late by our doing. */
const PARTS = 4;

/** Calls `over` once: after `ms` in which the thread served its loop, or before that when `enough()` was called. */
export class Grace {
  readonly #part: number;
  readonly #over: () => void;
  #left = PARTS;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #holds = true;

  constructor(ms: number, over: () => void) {
    this.#part = Math.ceil(ms / PARTS);
    this.#over = over;
    this.#wait();
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      if (--this.#left > 0) this.#wait();
      else setImmediate(() => setImmediate(() => this.#end())); /* what came meanwhile is read first */
    }, this.#part);
    if (!this.#holds) this.#timer.unref();
  }

  /** Does not keep the process alive. */
  unref(): this {
    this.#holds = false;
    this.#timer?.unref();
    return this;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#over();
  }

  /** Over as soon as the microtasks of whoever runs now are done. */
  enough(): void {
    clearTimeout(this.#timer);
    setImmediate(() => this.#end());
  }

  /** Never over. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#ended = true;
  }
}
