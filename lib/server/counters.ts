import type { Native } from '../crossing/native.js';
import type { ServerStats } from './api.js';

/** In the order of `lwsn_server_stats`: what happened, then what is there now. */
const happened = [
  'accepted',
  'refused',
  'requests',
  'opened',
  'closed',
  'messagesReceived',
  'messagesSent',
  'bytesReceived',
  'bytesSent',
] as const;
const present = ['transports', 'connections', 'topics', 'subscriptions'] as const;
const names = [...happened, ...present, 'publicationsLost'] as const;

/** Counters of one server; what happened is still told after it was released. */
export class Counters {
  readonly #native: Native;
  readonly #id: number;
  readonly #numbers = new Float64Array(names.length);

  constructor(native: Native, id: number) {
    this.#native = native;
    this.#id = id;
  }

  update(): void {
    this.#native.stats(this.#id, this.#numbers);
  }

  /** The last of a server that is gone: nothing is there now. */
  settle(): void {
    this.update();
    for (const name of present) this.#numbers[names.indexOf(name)] = 0;
  }

  toStats(messagesDiscarded: number, upgradesRefused: number): ServerStats {
    const counted = Object.fromEntries(names.map((name, at) => [name, this.#numbers[at]!]));
    return { ...(counted as Record<(typeof names)[number], number>), messagesDiscarded, upgradesRefused };
  }
}
