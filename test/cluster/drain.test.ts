import { describe, expect, test } from 'vitest';
import { start } from '../lifecycle/children.js';
import { size } from './helpers/size.js';

const CLIENTS = size(15_000, 900);
const OVER = size(10_000, 3_000);
const HOUR = 3_600_000;

const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url);
const limit = { descriptors: 20_000 };

/** Clients in two processes on one node, which then ends as it is told; when each of them came to the next. */
async function returns(order: string): Promise<{ times: number[]; took: number; told: unknown }> {
  const [from, to] = await Promise.all([
    start(fixture('node.mjs'), [], limit),
    start(fixture('node.mjs'), [], limit),
  ]);
  const ports = [await from.line(), await to.line()] as string[];
  const clients = await Promise.all(
    [0, 1].map(() => start(fixture('returning-clients.mjs'), [...ports, String(CLIENTS / 2)], limit)),
  );
  for (const one of clients) expect(await one.line()).toBe('open');
  const began = performance.now();
  from.say(order);
  const told = JSON.parse((await from.line())!);
  const took = performance.now() - began;
  const lists = await Promise.all(clients.map(async (one) => JSON.parse((await one.line())!) as number[]));
  to.kill('SIGKILL');
  return { times: lists.flat().sort((a, b) => a - b), took, told };
}

/** The most that came in any one second. */
function peak(times: readonly number[]): number {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while (times[last]! - times[first]! >= 1000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const mean = CLIENTS / (OVER / 1000);

describe(`${CLIENTS} clients of a node that ends in ${OVER / 1000} s`, () => {
  test(
    'come back at an even rate from one that drains',
    async () => {
      const { times, took, told } = await returns(`drain ${JSON.stringify({ over: OVER })}`);
      console.log(`drained in ${Math.round(took)} ms; peak ${peak(times)} a second, mean ${mean}`);
      expect(told).toEqual({ closed: CLIENTS, forced: 0 });
      expect(times).toHaveLength(CLIENTS);
      expect(peak(times)).toBeLessThan(1.5 * mean);
    },
    HOUR,
  );

  test(
    'come back at the rate that the others can take, however fast it ends',
    async () => {
      const rate = mean;
      const { times, told } = await returns(`drain ${JSON.stringify({ over: OVER / 10, rate })}`);
      console.log(`with rate: peak ${peak(times)} a second, mean ${mean}`);
      expect(told).toEqual({ closed: CLIENTS, forced: 0 });
      expect(peak(times)).toBeLessThan(1.5 * mean);
    },
    HOUR,
  );

  test(
    'come back all at once from one that only closes',
    async () => {
      const { times } = await returns('close {"code":1012}');
      console.log(`closed at once: peak ${peak(times)} a second, mean ${mean}`);
      expect(peak(times)).toBeGreaterThan(1.5 * mean);
    },
    HOUR,
  );

  test(
    'come back too fast from one that sends them away as fast without a time',
    async () => {
      const { times } = await returns(`drain ${JSON.stringify({ over: OVER / 10 })}`);
      console.log(`without a time to come back: peak ${peak(times)} a second, mean ${mean}`);
      expect(peak(times)).toBeGreaterThan(1.5 * mean);
    },
    HOUR,
  );
});
