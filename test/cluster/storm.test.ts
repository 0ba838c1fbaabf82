import { expect, test } from 'vitest';
import { connect } from '../../lib/index.js';
import { start } from '../lifecycle/children.js';
import { size } from './helpers/size.js';

const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url);
const STORM = size(5000, 800);
const SECONDS = size(15, 3);
const PER_SECOND = size(100, 50);
/** Milliseconds; among other suites on two cores a process may have to wait for its turn. */
const AT_MOST = size(250, 1000);

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.ceil(sorted.length * share) - 1]!;

test(`with ${STORM} new clients a second against a full bucket, those who come back are attached at once`, async () => {
  const node = await start(fixture('admitting-node.mjs'), ['a secret of sixteen bytes'], {
    descriptors: 20_000,
  });
  const port = Number(await node.line());
  node.say(`ids ${PER_SECOND * SECONDS}`);
  const signed = JSON.parse((await node.line())!) as string[];
  const storm = await start(fixture('storm.mjs'), [String(port), String(STORM)], { descriptors: 20_000 });
  await storm.line();

  const took: number[] = [];
  const came = signed.map(async (id, place) => {
    await new Promise((resolve) => setTimeout(resolve, (place * 1000) / PER_SECOND));
    const began = performance.now();
    const connection = await connect(`ws://127.0.0.1:${port}/?session=${encodeURIComponent(id)}`);
    for await (const own of connection) {
      took.push(performance.now() - began);
      expect(own).toBe(id.slice(0, id.lastIndexOf('.')));
      break;
    }
  });
  const seconds: Record<string, number>[] = [];
  for (let i = 0; i < SECONDS; i++) seconds.push(JSON.parse((await storm.line())!));
  await Promise.all(came);
  storm.kill('SIGKILL');
  node.say('stats');
  const stats = JSON.parse((await node.line())!);
  node.kill('SIGKILL');

  took.sort((a, b) => a - b);
  const refused = seconds.map((one) => one['503'] ?? 0);
  const mean = refused.reduce((a, b) => a + b, 0) / SECONDS;
  console.log(
    `${Math.round(mean)} refused a second; ${took.length} came back: p50 ${percentile(took, 0.5).toFixed(1)} ms, ` +
      `p99 ${percentile(took, 0.99).toFixed(1)} ms`,
  );
  expect(took).toHaveLength(signed.length);
  expect(mean).toBeGreaterThan(STORM * 0.6);
  expect(stats.upgradesRefused).toBeGreaterThan(STORM * 0.6 * SECONDS);
  expect(percentile(took, 0.99)).toBeLessThan(AT_MOST);
}, 3_600_000);
