/** What happened, in order, and the wait for what will. */
export interface Queue<T> {
  /** Everything so far, taken or not. */
  readonly all: readonly T[];
  push(value: T): void;
  /** The next one that was not taken yet. */
  next(): Promise<T>;
}

export function queue<T>(): Queue<T> {
  const all: T[] = [];
  const waiting: ((value: T) => void)[] = [];
  let taken = 0;
  return {
    all,
    push(value) {
      all.push(value);
      const wake = waiting.shift();
      if (wake === undefined) return;
      taken++;
      wake(value);
    },
    next() {
      if (taken < all.length) return Promise.resolve(all[taken++]!);
      return new Promise((resolve) => {
        waiting.push(resolve);
      });
    },
  };
}
