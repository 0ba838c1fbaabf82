import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../sessions/helpers/redis-server.js';
import { endCleanly, serve, start } from './helpers/program.js';

const program = 'redis-sessions/server.mjs';
const client = 'redis-sessions/client.mjs';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const sessionOf = (output: string) => /session (\S+)/.exec(output)![1]!;

it.each(['SIGINT', 'SIGKILL'] as const)('a session survives a server that ended by %s', async (signal) => {
  const before = await serve(program, { REDIS_URL: redis.url });
  const notes = start(client, [before.url]);
  await notes.says('a new session');
  notes.type('milk');
  await notes.says('1. milk');
  notes.type('bread');
  await notes.says('2. bread');
  await before.end(signal);
  await notes.says('trying again');
  const after = await serve(program, { REDIS_URL: redis.url, PORT: new URL(before.url).port });
  await notes.says('again in session');
  notes.type('tea');
  await notes.says('1. milk\n2. bread\n3. tea');
  notes.process.stdin!.end();
  expect(await notes.end('none')).toBe(0);
  await endCleanly(after);
});

it('a second server takes the session over, and the first client is told', async () => {
  const [one, two] = await Promise.all([
    serve(program, { REDIS_URL: redis.url }),
    serve(program, { REDIS_URL: redis.url }),
  ]);
  const first = start(client, [one.url]);
  await first.says('a new session');
  first.type('here');
  await first.says('1. here');
  const second = start(client, [two.url, sessionOf(first.output())]);
  await second.says('again in session');
  await second.says('1. here');
  expect(await first.end('none')).toBe(0);
  expect(first.output()).toContain('closed with 4409');
  await endCleanly(one);
  await endCleanly(two);
});
