import type { Native, NativeStats } from '../crossing/native.js';
import type { ServerStats } from './api.js';

/** Counters of one server; what happened is still told after it was released. */
export class Counters {
  readonly #native: Native;
  readonly #id: number;
  #last: NativeStats | undefined;

  constructor(native: Native, id: number) {
    this.#native = native;
    this.#id = id;
  }

  #now(): NativeStats {
    return this.#last ?? this.#native.stats(this.#id);
  }

  /** The last of a server that is gone: nothing is there now. */
  settle(): void {
    this.#last = { ...this.#now(), transports: 0, connections: 0, topics: 0, subscriptions: 0 };
  }

  toStats(messagesDiscarded: number, upgradesRefused: number): ServerStats {
    return { ...this.#now(), messagesDiscarded, upgradesRefused };
  }
}
