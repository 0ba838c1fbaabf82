import { Wheel, type WheelEntry } from './wheel.js';

interface Timed<V> extends WheelEntry {
  readonly name: string;
  readonly value: V;
}

/** Values by name, each until a tick of its own. */
export class Expiring<V> {
  private readonly entries = new Map<string, Timed<V>>();
  private readonly wheel = new Wheel<Timed<V>>();

  set(name: string, value: V, due: number): void {
    const before = this.entries.get(name);
    if (before !== undefined) this.wheel.cancel(before);
    const entry = { name, value, due: 0, next: undefined, previous: undefined };
    this.entries.set(name, entry);
    this.wheel.schedule(entry, due);
  }

  get(name: string, tick: number): V | undefined {
    const entry = this.entries.get(name);
    return entry !== undefined && entry.due > tick ? entry.value : undefined;
  }

  /** Forgets what has had its time, in at most `work` steps. */
  advance(tick: number, work: number): void {
    this.wheel.advance(tick, work, ({ name }) => this.entries.delete(name));
  }
}
