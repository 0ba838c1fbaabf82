import { clearTimeout, setImmediate, setTimeout } from '../shared/ambient.js';
import { type Core, inBackground, storesOf } from './core.js';
import type { SessionStore } from './store.js';

/** Sessions per step; between steps the event loop runs. Also what a process that dies may fail to report. */
const stepSize = 256;

/**
 * Takes expired sessions out of the store, again and again. Every node does it; each session is given to one of
 * them. The times are spread, so that nodes which started together do not sweep together.
 */
export class Sweeper {
  private readonly core: Core;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private failed = false;

  constructor(core: Core) {
    this.core = core;
    this.schedule();
  }

  /** Sweeps now, until nothing is left. Returns how many sessions expired. */
  async sweep(): Promise<number> {
    let count = 0;
    for (const store of storesOf(this.core)) count += await this.sweepStore(store);
    return count;
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    await this.running;
  }

  private schedule(): void {
    if (this.core.closed) return;
    const { sweepInterval } = this.core.settings;
    const delay = sweepInterval * (0.9 + Math.random() * 0.2);
    this.timer = setTimeout(() => {
      this.running = this.run().finally(() => this.schedule());
    }, delay).unref();
  }

  private async run(): Promise<void> {
    const { core } = this;
    const hadFailed = this.failed;
    this.failed = true;
    await inBackground(core, 'sweeping', async () => {
      await this.sweep();
      // The store answers, so what it could not take before can be brought now.
      await core.lifecycle.finishDetaches();
      this.failed = false;
    });
    // It is back: messages of other nodes were lost with it.
    if (hadFailed && !this.failed) core.activity.checkAll();
  }

  private async sweepStore(store: SessionStore): Promise<number> {
    const { core } = this;
    let count = 0;
    for (;;) {
      const { records, more } = await store.sweep(stepSize);
      core.counters.sweeps++;
      for (const record of records) core.lifecycle.expired(store, record);
      count += records.length;
      if (!more || core.closed) return count;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
