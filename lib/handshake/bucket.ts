/** How fast, and how many at once. */
export interface Rate {
  /** Per second. */
  readonly rate: number;
  /** How many may come at once after a quiet time. */
  readonly burst: number;
}

/** A token bucket: full in the beginning, a token for each that passes, refilled evenly. Time is milliseconds. */
export class Bucket {
  #tokens: number;
  #at: number;

  constructor({ burst }: Rate, now: number) {
    this.#tokens = burst;
    this.#at = now;
  }

  #refill({ rate, burst }: Rate, now: number): void {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * rate) / 1000);
    this.#at = now;
  }

  /** Takes a token; false: there is none. */
  take(rate: Rate, now: number): boolean {
    this.#refill(rate, now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until there is one. */
  wait(rate: Rate, now: number): number {
    this.#refill(rate, now);
    return Math.max(0, ((1 - this.#tokens) / rate.rate) * 1000);
  }

  /** Nothing is to be remembered of it: a new one would be the same. */
  isFull(rate: Rate, now: number): boolean {
    this.#refill(rate, now);
    return this.#tokens === rate.burst;
  }
}

/** Most names that are remembered: some 15 MB. */
const NAMES_MAX = 100_000;

/** How many of the oldest are looked at for each that is new, so that nothing has to be swept at once. */
const LOOKED_AT = 2;

/** A bucket for each name. Full ones are forgotten, and the oldest where there are too many. */
export class Buckets {
  readonly #rate: Rate;
  readonly #max: number;
  readonly #named = new Map<string, Bucket>();

  constructor(rate: Rate, max = NAMES_MAX) {
    this.#rate = rate;
    this.#max = max;
  }

  get size(): number {
    return this.#named.size;
  }

  /** Takes a token of a name; undefined: it passes, else the milliseconds until there is one. */
  take(name: string, now: number): number | undefined {
    let bucket = this.#named.get(name);
    if (bucket === undefined) {
      this.#forget(now);
      bucket = new Bucket(this.#rate, now);
      this.#named.set(name, bucket);
    }
    return bucket.take(this.#rate, now) ? undefined : bucket.wait(this.#rate, now);
  }

  #forget(now: number): void {
    let looked = 0;
    for (const [name, bucket] of this.#named) {
      if (looked++ === LOOKED_AT) return;
      if (bucket.isFull(this.#rate, now) || this.#named.size >= this.#max) this.#named.delete(name);
      else {
        /* it comes last: the next time others are looked at */
        this.#named.delete(name);
        this.#named.set(name, bucket);
      }
    }
  }
}
