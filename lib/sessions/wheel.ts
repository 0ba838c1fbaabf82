const bits = 6;
const slots = 1 << bits;
const mask = slots - 1;
const levels = 6;

/** An entry of a {@link Wheel}: made once, then scheduled any number of times. */
export interface WheelEntry {
  /** The tick it is due at; only meaningful while scheduled. */
  due: number;
  next: WheelEntry | undefined;
  previous: WheelEntry | undefined;
}

/**
 * A hierarchical timer wheel: schedule and cancel are O(1), and time passes without looking at entries that are
 * not due. The work of one {@link advance} is bounded: a slot of an upper level is not emptied into the lower ones
 * at once but entry by entry, so that 100,000 entries of the same time to live cause no pause.
 *
 * Time is counted in ticks from 0; six levels of 64 slots reach 2^36 ticks, later ones wait in the last slot.
 */
export class Wheel<T extends WheelEntry> {
  /** Sentinels of circular lists, level by level. */
  private readonly lists: WheelEntry[] = Array.from({ length: levels * slots }, sentinel);
  /** Entries taken from a slot whose time came; the tick stands still until it is empty. */
  private readonly arrived = sentinel();
  private tick = 0;
  private count = 0;

  /** How many entries are scheduled. */
  get size(): number {
    return this.count;
  }

  /** (Re)schedules an entry. One in the past is due at the next {@link advance}. */
  schedule(entry: T, due: number): void {
    this.cancel(entry);
    entry.due = due;
    this.place(entry);
    this.count++;
  }

  /** Does nothing if the entry is not scheduled. */
  cancel(entry: T): void {
    if (entry.next === undefined) return;
    unlink(entry);
    this.count--;
  }

  /**
   * Lets time pass until `now` and hands each due entry, no longer scheduled, to `onDue`, until that returns
   * `false` or `work` steps are used up.
   *
   * @returns whether it got to `now`; if not, call again
   */
  advance(now: number, work: number, onDue: (entry: T) => boolean): boolean {
    let left = work;
    for (;;) {
      for (let entry = this.arrived.next; entry !== this.arrived; entry = this.arrived.next) {
        if (left-- <= 0) return false;
        unlink(entry as WheelEntry);
        if ((entry as T).due > this.tick) {
          this.place(entry as T);
          continue;
        }
        this.count--;
        if (!onDue(entry as T)) return false;
      }
      if (this.tick >= now) return true;
      if (this.count === 0) {
        this.tick = now;
        return true;
      }
      // A tick without entries costs next to nothing: 64 of them count as one step.
      if (++this.tick % slots === 0 && left-- <= 0) {
        this.turn();
        return false;
      }
      this.turn();
    }
  }

  /** Moves the slots that the new tick reaches into `arrived`: level 0 always, an upper one when those below wrap. */
  private turn(): void {
    for (let level = 0; level < levels; level++) {
      const index = Math.floor(this.tick / 2 ** (level * bits)) & mask;
      splice(this.list(level, index), this.arrived);
      if (index !== 0) return;
    }
  }

  private place(entry: T): void {
    const distance = entry.due - this.tick;
    if (distance <= 0) {
      link(this.arrived, entry);
      return;
    }
    let level = 0;
    while (level < levels - 1 && distance >= 2 ** ((level + 1) * bits)) level++;
    const reach = Math.min(entry.due, this.tick + 2 ** (levels * bits) - 1);
    link(this.list(level, Math.floor(reach / 2 ** (level * bits)) & mask), entry);
  }

  private list(level: number, index: number): WheelEntry {
    return this.lists[level * slots + index] as WheelEntry;
  }
}

function sentinel(): WheelEntry {
  const list: WheelEntry = { due: 0, next: undefined, previous: undefined };
  list.next = list;
  list.previous = list;
  return list;
}

function link(list: WheelEntry, entry: WheelEntry): void {
  const last = list.previous as WheelEntry;
  entry.previous = last;
  entry.next = list;
  last.next = entry;
  list.previous = entry;
}

function unlink(entry: WheelEntry): void {
  (entry.previous as WheelEntry).next = entry.next;
  (entry.next as WheelEntry).previous = entry.previous;
  entry.next = undefined;
  entry.previous = undefined;
}

/** Appends all of `from` to `to` in one step. */
function splice(from: WheelEntry, to: WheelEntry): void {
  const first = from.next as WheelEntry;
  if (first === from) return;
  const last = from.previous as WheelEntry;
  const end = to.previous as WheelEntry;
  end.next = first;
  first.previous = end;
  last.next = to;
  to.previous = last;
  from.next = from;
  from.previous = from;
}
