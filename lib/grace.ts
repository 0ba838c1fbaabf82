import { clearTimeout, setImmediate, setTimeout } from 'node:timers';

/** A handler that blocks the thread takes one part at most: what waits behind it is not late by its own doing. */
const PARTS = 4;

/** Calls `over` once: after `ms` in which the thread served its loop, or before that when `enough()` was called. */
export class Grace {
  readonly #part: number;
  readonly #over: () => void;
  #left = PARTS;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(ms: number, over: () => void) {
    this.#part = Math.ceil(ms / PARTS);
    this.#over = over;
    this.#wait();
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      if (--this.#left > 0) this.#wait();
      else this.#end();
    }, this.#part);
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
