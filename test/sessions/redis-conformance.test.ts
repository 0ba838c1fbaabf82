import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type CommandClient, type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { conformance } from '../../lib/sessions/conformance/index.js';
import { type RedisCluster, type RedisServer, startCluster, startRedis } from './helpers/redis-server.js';

// A command on a key that its call did not declare fails here.
guardKeys();

let server: RedisServer;
let cluster: RedisCluster;
let cases = 0;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster()]);
}, 30_000);

afterAll(async () => {
  for (const close of closing) await close();
  await Promise.all([server.stop(), cluster.stop()]);
});

/** Runs the suite with two stores, each on a client of its own kind, and a keyspace of its own for each case. */
function suite(name: string, partitions: number, connect: () => Promise<[RedisClient, RedisClient]>): void {
  describe.concurrent(`[G12] ${name}`, () => {
    let clients: [RedisClient, RedisClient];
    beforeAll(async () => {
      clients = await connect();
    });
    const open = async () => {
      const prefix = `${name}-${++cases}:`;
      const make = (client: RedisClient) => new RedisStore({ client, prefix, partitions, timeout: 10_000 });
      return { store: make(clients[0]), peer: make(clients[1]) };
    };
    for (const { name: promise, run } of conformance({ open })) test(promise, run);
  });
}

async function nodeRedis(options: object = {}): Promise<RedisClient> {
  const client = createClient({ url: server.url, ...options });
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.destroy());
  return client;
}

async function ioredis(): Promise<RedisClient> {
  const client = new Redis({ port: server.port });
  closing.push(() => client.disconnect());
  return client;
}

async function nodeRedisCluster(): Promise<RedisClient> {
  const client = createCluster({ rootNodes: cluster.nodes.map(({ url }) => ({ url })) });
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.destroy());
  return client;
}

async function ioredisCluster(): Promise<RedisClient> {
  const client = new Cluster([...cluster.nodes], { shardedSubscribers: true });
  closing.push(() => client.disconnect());
  return client;
}

/** A client without the right to functions, as Redis before 7 has none. */
async function withoutFunctions(): Promise<RedisClient> {
  const admin = createClient({ url: server.url });
  await admin.connect();
  await admin.sendCommand([
    'ACL',
    'SETUSER',
    'scripts',
    'on',
    '>s',
    '~*',
    '&*',
    '+@all',
    '-fcall',
    '-function',
  ]);
  admin.destroy();
  return nodeRedis({ username: 'scripts', password: 's', RESP: 2 });
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
suite('redis, and ioredis', 16, () => Promise.all([nodeRedis(), ioredis()]));
suite('scripts with RESP2, and functions, in one partition', 1, () =>
  Promise.all([withoutFunctions(), nodeRedis()]),
);
suite('redis cluster, and ioredis cluster', 16, () => Promise.all([nodeRedisCluster(), ioredisCluster()]));
