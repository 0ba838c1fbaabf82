import { expect, test } from 'vitest';
import { SessionManager } from '../../lib/sessions/index.js';
import { sleep } from './helpers/managers.js';
import { threadTime } from './helpers/thread-time.js';

/* in a file, and so a process, of its own: what the collector does for other tests is no pause of this store */
test('100,000 sessions expire without a pause above 10 ms', async () => {
  const manager = new SessionManager({ ttl: 2000, sweepInterval: 60_000 });
  const { store } = manager;
  const attributes = new Uint8Array(40);
  let told = 0;
  manager.on('expire', () => told++);
  for (let n = 0; n < 100_000; n++) await store.create({ ttl: 500, userId: `u${n % 5000}`, attributes });
  await sleep(600);
  // What making them left behind is not what is measured.
  globalThis.gc?.();
  // One turn of the loop after the other, with all that happens in it: events, and what the collector takes.
  let longest = 0;
  let turns = 0;
  let from = threadTime();
  const turn = () => {
    const now = threadTime();
    longest = Math.max(longest, now - from);
    from = now;
    turns++;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  expect(await manager.sweep()).toBe(100_000);
  clearImmediate(next);
  console.log(`100,000 expiries in ${turns} turns of the loop, the longest of ${longest.toFixed(1)} ms`);
  expect(told).toBe(100_000);
  expect(await store.count()).toBe(0);
  expect(turns).toBeGreaterThan(300);
  expect(longest).toBeLessThan(10);
  await manager.stop();
});
