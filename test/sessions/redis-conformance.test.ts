import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { Redis as Iovalkey } from 'iovalkey';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import * as redis5 from 'redis5';
import { afterAll, beforeAll, describe, test, vi } from 'vitest';
import { type CommandClient, type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { conformance } from '../../lib/sessions/conformance/index.js';
import { type SentinelSystem, startSentinel } from './helpers/redis-sentinel.js';
import {
  type RedisCluster,
  type RedisServer,
  startCluster,
  startEngine,
  startRedis,
} from './helpers/redis-server.js';

// Most cases wait for expiries.
vi.setConfig({ maxConcurrency: 16 });

// A command on a key that its call did not declare fails here.
guardKeys();

let server: RedisServer;
let cluster: RedisCluster;
let sentinel: SentinelSystem;
let cases = 0;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  [server, cluster, sentinel] = await Promise.all([startRedis(), startCluster(), startSentinel()]);
}, 30_000);

afterAll(async () => {
  for (const close of closing) await close();
  await Promise.all([server.stop(), cluster.stop(), sentinel.stop()]);
});

/** Runs the suite with two stores, each on a client of its own kind, and a keyspace of its own for each case. */
function suite(
  name: string,
  partitions: number,
  connect: () => Promise<[RedisClient, RedisClient]>,
  durability: 'none' | 'replica' = 'none',
): void {
  describe.concurrent(`[G12] ${name}`, () => {
    let clients: [RedisClient, RedisClient];
    beforeAll(async () => {
      clients = await connect();
    });
    const open = async () => {
      const prefix = `${name}-${++cases}:`;
      const make = (client: RedisClient) =>
        new RedisStore({ client, prefix, partitions, durability, timeout: 10_000 });
      const [store, peer] = [make(clients[0]), make(clients[1])];
      if (durability === 'replica')
        closing.push(
          () => store.close(),
          () => peer.close(),
        );
      return { store, peer };
    };
    for (const { name: promise, run } of conformance({ open })) test(promise, run);
  });
}

/** The same calls of both versions, whose types differ. */
const nodeRedis6 = { createClient, createClientPool, createCluster, createSentinel };
const nodeRedis5 = redis5 as unknown as typeof nodeRedis6;
const ioredis6 = { Cluster, Redis };
const ioredis5 = { Cluster: Cluster5, Redis: Redis5 } as unknown as typeof ioredis6;

interface Connectable {
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
}

async function connected(client: Connectable): Promise<RedisClient> {
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.destroy());
  return client as unknown as RedisClient;
}

function kept<T extends { disconnect(): void; on(event: 'error', listener: () => void): unknown }>(
  client: T,
): T {
  client.on('error', () => undefined);
  closing.push(() => client.disconnect());
  return client;
}

const nodeRedis = (options: object = {}, from = nodeRedis6) =>
  connected(from.createClient({ url: server.url, ...options }) as unknown as Connectable);
const nodeRedisPool = (from = nodeRedis6) =>
  connected(from.createClientPool({ url: server.url }) as unknown as Connectable);
const nodeRedisCluster = (defaults: object = {}, from = nodeRedis6) =>
  connected(
    from.createCluster({
      rootNodes: cluster.nodes.map(({ url }) => ({ url })),
      defaults,
    }) as unknown as Connectable,
  );
const nodeRedisSentinel = (nodeClientOptions: object = {}, from = nodeRedis6) =>
  connected(
    from.createSentinel({
      name: sentinel.name,
      sentinelRootNodes: [sentinel.sentinel],
      nodeClientOptions,
    }) as unknown as Connectable,
  );

const ioredis = async (options: object = {}, from = ioredis6): Promise<RedisClient> =>
  kept(new from.Redis({ port: server.port, ...options }));
const ioredisSentinel = async (options: object = {}, from = ioredis6): Promise<RedisClient> =>
  kept(new from.Redis({ sentinels: [sentinel.sentinel], name: sentinel.name, ...options }));
const ioredisCluster = async (redisOptions: object = {}, from = ioredis6): Promise<RedisClient> =>
  kept(new from.Cluster([...cluster.nodes], { shardedSubscribers: true, redisOptions }));

const scripting = { username: 'scripts', password: 's' };

/** A user without the right to functions, as Redis before 7 has none. */
async function forbidFunctions(...urls: string[]): Promise<void> {
  const rules = ['on', '>s', '~*', '&*', '+@all', '-fcall', '-function'];
  for (const url of urls) {
    const admin = await createClient({ url }).connect();
    await admin.sendCommand(['ACL', 'SETUSER', scripting.username, ...rules]);
    admin.destroy();
  }
}

/** What is known of it is that it sends commands. */
async function commandClient(): Promise<CommandClient> {
  const client = new Redis({ port: server.port });
  const subscriber = new Redis({ port: server.port });
  closing.push(
    () => client.disconnect(),
    () => subscriber.disconnect(),
  );
  return {
    sendCommand: ([command = '', ...args]) => client.callBuffer(String(command), args),
    async subscribe(channel, receive) {
      subscriber.on('messageBuffer', (from: Buffer, message: Buffer) => {
        if (from.toString() === channel) receive(message);
      });
      await subscriber.subscribe(channel);
      return () => subscriber.unsubscribe(channel);
    },
  };
}

suite('whatever sends commands, and redis', 16, () => Promise.all([commandClient(), nodeRedis()]));
suite('redis, and ioredis with RESP3', 16, () => Promise.all([nodeRedis(), ioredis({ protocol: 3 })]));
suite('scripts with RESP2, and functions, in one partition', 1, async () => {
  await forbidFunctions(server.url);
  return Promise.all([nodeRedis({ ...scripting, RESP: 2 }), nodeRedis()]);
});
suite('redis cluster, and ioredis cluster', 16, () => Promise.all([nodeRedisCluster(), ioredisCluster()]));
suite('scripts in a cluster', 16, async () => {
  await forbidFunctions(...cluster.nodes.map(({ url }) => url));
  return Promise.all([nodeRedisCluster(scripting), ioredisCluster(scripting)]);
});
suite('redis by Sentinel, and ioredis by Sentinel', 16, () =>
  Promise.all([nodeRedisSentinel(), ioredisSentinel()]),
);
suite(
  "durability 'replica' by Sentinel",
  16,
  () => Promise.all([nodeRedisSentinel(), ioredisSentinel()]),
  'replica',
);
suite(
  "durability 'replica' in a cluster",
  16,
  () => Promise.all([nodeRedisCluster(), ioredisCluster()]),
  'replica',
);
suite('scripts by Sentinel', 16, async () => {
  await forbidFunctions(...sentinel.servers.map(({ url }) => url));
  return Promise.all([nodeRedisSentinel({ ...scripting, RESP: 2 }), ioredisSentinel(scripting)]);
});
suite('pools of redis 6 and 5', 16, () => Promise.all([nodeRedisPool(), nodeRedisPool(nodeRedis5)]));
suite('redis 5, and ioredis 5', 16, () => Promise.all([nodeRedis({}, nodeRedis5), ioredis({}, ioredis5)]));
suite('redis 5 with RESP3, and ioredis 5 with enableAutoPipelining', 4, () =>
  Promise.all([nodeRedis({ RESP: 3 }, nodeRedis5), ioredis({ enableAutoPipelining: true }, ioredis5)]),
);
suite('redis 5 cluster, and ioredis 5 cluster', 16, () =>
  Promise.all([nodeRedisCluster({}, nodeRedis5), ioredisCluster({}, ioredis5)]),
);
suite('redis 5 by Sentinel, and ioredis 5 by Sentinel', 16, () =>
  Promise.all([nodeRedisSentinel({}, nodeRedis5), ioredisSentinel({}, ioredis5)]),
);
suite('iovalkey, and redis with RESP2', 16, async () => [
  kept(new Iovalkey({ port: server.port }) as unknown as Redis),
  await nodeRedis({ RESP: 2 }),
]);

/** Programs of other engines on this machine, as Valkey or Dragonfly. */
const { LWS_REDIS_ENGINES = '' } = process.env;
const engines = LWS_REDIS_ENGINES.split(',').filter((program) => program !== '');
for (const program of engines)
  suite(`redis and ioredis on ${program}`, 16, async () => {
    const engine = await startEngine(program);
    closing.unshift(() => engine.stop());
    return Promise.all([nodeRedis({ url: engine.url }), kept(new Redis(engine.url))]);
  });
test.skipIf(engines.length > 0)('other engines: skipped, LWS_REDIS_ENGINES names no programs', (context) =>
  context.skip(),
);
