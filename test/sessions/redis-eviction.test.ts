import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { until } from './helpers/managers.js';
import { startRedis } from './helpers/redis-server.js';

const clients: readonly [string, (port: number) => Promise<RedisClient>][] = [
  [
    'redis',
    async (port) => {
      const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
      onTestFinished(() => client.destroy());
      return client as unknown as RedisClient;
    },
  ],
  [
    'ioredis',
    async (port) => {
      const client = new Redis({ port });
      onTestFinished(() => client.disconnect());
      return client;
    },
  ],
];

/** What is warned of when two calls were made, and one answered after whatever was asked beside. */
async function warningsOf(settings: string[], connect: (port: number) => Promise<RedisClient>) {
  const server = await startRedis(...settings);
  onTestFinished(() => server.stop());
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on('warning', warn);
  onTestFinished(() => void process.off('warning', warn));
  const client = await connect(server.port);
  const store = new RedisStore({ client });
  for (let n = 0; n < 3; n++) await store.create({ ttl: 1000 });
  const admin = await createClient({ url: server.url }).connect();
  await until('asked', async () => String(await admin.info('commandstats')).includes('cmdstat_info:calls'));
  admin.destroy();
  await store.count();
  await new Promise((resolve) => setImmediate(resolve));
  return warnings.filter((warning) => 'code' in warning && warning.code === 'LWS_REDIS_EVICTS');
}

describe.each(clients)('a Redis that makes room by itself, with %s', (_, connect) => {
  test('is warned about, once', async () => {
    const settings = ['--maxmemory', '100mb', '--maxmemory-policy', 'volatile-lru'];
    const [warning, ...more] = await warningsOf(settings, connect);
    expect(warning?.message).toContain('maxmemory-policy volatile-lru');
    expect(more).toEqual([]);
  });

  test.each([[['--maxmemory', '100mb']], [['--maxmemory-policy', 'allkeys-lru']]])(
    'is not where it cannot: %j',
    async (settings) => {
      expect(await warningsOf(settings, connect)).toEqual([]);
    },
  );
});
