import { Cluster, Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { afterAll, describe, expect, test } from 'vitest';
import { type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { encode, MemoryStore, migrateSessions, SessionManager } from '../../lib/sessions/index.js';
import type { LwsError } from '../../lib/shared/errors.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { sleep, until } from './helpers/managers.js';
import { type SentinelSystem, startSentinel } from './helpers/redis-sentinel.js';
import { startCluster, startRedis } from './helpers/redis-server.js';

guardKeys();

const closing: (() => unknown)[] = [];
// The cases mostly wait, so they run beside each other.
afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function connected<T extends { connect(): Promise<unknown>; destroy(): unknown }>(
  client: T & { on(event: 'error', listener: () => void): unknown },
): Promise<RedisClient> {
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.destroy());
  return client as unknown as RedisClient;
}

function kept(client: Redis | Cluster): RedisClient {
  client.on('error', () => undefined);
  closing.push(() => client.disconnect());
  return client;
}

function storeOf(client: RedisClient, durability: 'none' | 'replica', timeout = 6000): RedisStore {
  const store = new RedisStore({ client, durability, timeout });
  closing.push(() => store.close());
  return store;
}

/** Creates and changes sessions until it is stopped; keeps what was answered. */
function load(store: RedisStore, workers: number) {
  const acknowledged = new Map<string, number>();
  const errors: LwsError[] = [];
  let isStopped = false;
  const work = async (worker: number) => {
    for (let n = 0; !isStopped; n++) {
      try {
        const made = await store.create({ ttl: 600_000, userId: `u${worker}-${n}` });
        if (made.status !== 'created') throw new Error(made.status);
        const { id } = made.record;
        acknowledged.set(id, 0);
        const changed = await store.set(id, { version: 0, attributes: encode({ n }) });
        if (changed.status === 'set') acknowledged.set(id, changed.version);
      } catch (error) {
        errors.push(error as LwsError);
        await sleep(20);
      }
    }
  };
  const working = Array.from({ length: workers }, (_, worker) => work(worker));
  return {
    acknowledged,
    errors,
    async stop() {
      isStopped = true;
      await Promise.all(working);
    },
  };
}

/** What was answered and is not there. */
async function lostOf(store: RedisStore, acknowledged: ReadonlyMap<string, number>): Promise<string[]> {
  const lost: string[] = [];
  for (const [id, version] of acknowledged) {
    const record = await store.get(id);
    if (record === undefined || record.version < version) lost.push(id);
  }
  return lost;
}

const works = (store: RedisStore) => async () =>
  store.create({ ttl: 1000 }).then(
    () => true,
    () => false,
  );

const bySentinel: [string, (system: SentinelSystem) => Promise<RedisClient>][] = [
  [
    'redis',
    ({ name, sentinel }) =>
      connected(createSentinel({ name, sentinelRootNodes: [sentinel], scanInterval: 200 }) as never),
  ],
  ['ioredis', async ({ name, sentinel }) => kept(new Redis({ name, sentinels: [sentinel] }))],
];

describe.each(bySentinel)('a failover by Sentinel under load, with %s', (_, connect) => {
  /** The master loses its replica for a while, so that it answers what nobody else has. */
  async function part(system: SentinelSystem): Promise<void> {
    const master = await createClient({ url: system.servers[0]?.url ?? '' }).connect();
    await master.sendCommand(['ACL', 'SETUSER', 'default', '-psync', '-sync']);
    await master.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica']);
    master.destroy();
  }

  /** The replica has all that the master has. */
  async function copied({ servers }: SentinelSystem): Promise<void> {
    const both = await Promise.all(servers.slice(0, 2).map(({ url }) => createClient({ url }).connect()));
    const sizes = () => Promise.all(both.map((one) => one.dbSize()));
    await until('the replica has it', async () => {
      const [there = 0, copy] = await sizes();
      return there > 0 && there === copy;
    });
    for (const one of both) one.destroy();
  }

  async function failOver(system: SentinelSystem): Promise<void> {
    const [master, replica] = system.servers;
    await master?.kill();
    await until('the replica is the master', async () => (await system.master()) === replica?.port, {
      timeout: 20_000,
      pause: 100,
    });
  }

  /** Master and replica after that: who waits for replicas needs another one. */
  async function addReplica(system: SentinelSystem): Promise<void> {
    const replica = await startRedis('--replicaof', `127.0.0.1 ${system.servers[1]?.port}`);
    closing.push(() => replica.stop());
  }

  test("durability 'replica' loses nothing that was answered", async () => {
    const system = await startSentinel();
    closing.push(() => system.stop());
    const store = storeOf(await connect(system), 'replica', 4000);
    const { acknowledged, errors, stop } = load(store, 8);
    await until('some are answered', () => acknowledged.size > 40, { timeout: 20_000 });
    await part(system);
    await until('it is refused', () => errors.length > 0, { timeout: 20_000 });
    await failOver(system);
    const before = acknowledged.size;
    await addReplica(system);
    await until('sessions are made again', works(store), { timeout: 20_000, pause: 100 });
    await until('and more of them', () => acknowledged.size > before + 20, { timeout: 20_000 });
    await stop();
    expect(before).toBeGreaterThan(20);
    expect(await lostOf(store, acknowledged)).toEqual([]);
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_STORE']));
    expect(errors.map(({ message }) => message).join()).toContain('no replica confirmed it within 2000 ms');
  }, 60_000);

  test('without, what the replica lacked is gone, and whoever had it is told', async () => {
    const system = await startSentinel();
    closing.push(() => system.stop());
    const client = await connect(system);
    const store = storeOf(client, 'none');
    const manager = new SessionManager({ store, ttl: 60_000 });
    manager.on('error', () => undefined);
    closing.push(() => manager.stop());
    const kept = await manager.attach(new FakeSocket(), { userId: 'kept' });
    await copied(system);
    await part(system);
    const socket = new FakeSocket();
    const lost = await manager.attach(socket, { userId: 'lost' });
    const { acknowledged, errors, stop } = load(store, 8);
    await until('some are answered', () => acknowledged.size > 40, { timeout: 20_000 });
    await failOver(system);
    await until('sessions are made again', works(store), { timeout: 20_000, pause: 100 });
    await stop();
    const gone = await lostOf(store, acknowledged);
    expect(gone.length).toBeGreaterThan(0);
    // Nothing is guessed: gone is gone, for each operation and for its connection.
    expect(await store.set(gone[0] ?? '', { version: 1, attributes: encode({}) })).toEqual({
      status: 'gone',
    });
    expect(await store.byUser('lost')).toEqual([]);
    await expect(lost.update(() => ({ changed: true }))).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' });
    expect([socket.isOpen, socket.code]).toEqual([false, 1008]);
    await kept.update(() => ({ still: true }));
    expect(new Set(errors.map(({ code }) => code)).size).toBeLessThanOrEqual(1);
  }, 60_000);
});

describe('a failover of a cluster under load', () => {
  test.each<[string, (urls: { url: string; host: string; port: number }[]) => Promise<RedisClient>]>([
    ['redis', (nodes) => connected(createCluster({ rootNodes: nodes.map(({ url }) => ({ url })) }) as never)],
    ['ioredis', async (nodes) => kept(new Cluster(nodes, { shardedSubscribers: true }))],
  ])(
    "with %s and durability 'replica' loses nothing that was answered",
    async (_, connect) => {
      const cluster = await startCluster();
      closing.push(() => cluster.stop());
      const store = storeOf(await connect([...cluster.nodes]), 'replica', 4000);
      await until('sessions are made', works(store), { timeout: 10_000 });
      const { acknowledged, errors, stop } = load(store, 8);
      await until('some are answered', () => acknowledged.size > 40, { timeout: 20_000 });
      await cluster.servers[1]?.kill();
      await sleep(3000);
      const before = acknowledged.size;
      await until('those of the other masters go on', () => acknowledged.size > before, { timeout: 20_000 });
      await stop();
      // The replica that took over has none of its own, and nothing new is answered there; reading goes on.
      await until('all can be read', async () => (await store.count().catch(() => -1)) >= 0, {
        timeout: 20_000,
      });
      expect(before).toBeGreaterThan(20);
      expect(await lostOf(store, acknowledged)).toEqual([]);
      expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_STORE']));
    },
    60_000,
  );
});

describe.concurrent("durability 'replica'", () => {
  const clients: [string, (port: number) => Promise<RedisClient>][] = [
    ['redis', (port) => connected(createClient({ socket: { port, host: '127.0.0.1' } }) as never)],
    ['a pool of redis', (port) => connected(createClientPool({ url: `redis://127.0.0.1:${port}` }) as never)],
    ['ioredis', async (port) => kept(new Redis({ port }))],
  ];

  test.each(clients)(
    'with %s refuses what no replica confirms, takes it back, and reads go on',
    async (_, connect) => {
      const server = await startRedis();
      closing.push(() => server.stop());
      const client = await connect(server.port);
      // The connection of its own is made meanwhile, which takes its time on a busy machine.
      const store = storeOf(client, 'replica');
      await expect(store.create({ ttl: 60_000, userId: 'ann' })).rejects.toMatchObject({
        code: 'ERR_STORE',
        message: expect.stringContaining(
          'no replica confirmed it within 3000 ms, so that a failover may lose it',
        ),
      });
      await until('it was taken back', async () => (await store.byUser('ann')).length === 0);
      const replica = await startRedis('--replicaof', `127.0.0.1 ${server.port}`);
      closing.push(() => replica.stop());
      await until('with a replica it is made', works(store), { timeout: 20_000, pause: 100 });
      // What moves is confirmed there before it is forgotten here.
      const memory = new MemoryStore();
      await memory.create({ ttl: 60_000, userId: 'bob' });
      expect(await migrateSessions(memory, store)).toMatchObject({ moved: 1, isComplete: true });
    },
  );

  test('does not hold up what waits for nobody', async () => {
    const server = await startRedis();
    closing.push(() => server.stop());
    const client = kept(new Redis({ port: server.port }));
    const [durable, plain] = [storeOf(client, 'replica', 4000), storeOf(client, 'none')];
    const waiting = durable.create({ ttl: 60_000 }).catch(() => undefined);
    const began = performance.now();
    for (let n = 0; n < 20; n++) {
      await plain.create({ ttl: 60_000 });
      await durable.count();
    }
    expect(performance.now() - began).toBeLessThan(1500);
    await waiting;
  });

  test('is refused by name with a client that makes no connection of its own', () => {
    const client = { sendCommand: async () => null };
    expect(() => new RedisStore({ client, durability: 'replica' })).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_OPTION',
        message: `Expected 'none' with a client that only sends commands for the option "durability" but got the string "replica"`,
      }),
    );
  });

  test('names a server that has no WAIT, before anything is written', async () => {
    const server = await startRedis('--rename-command', 'WAIT', '');
    closing.push(() => server.stop());
    const store = storeOf(kept(new Redis({ port: server.port })), 'replica');
    await expect(store.create({ ttl: 1000 })).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringContaining("the server has no WAIT, which durability: 'replica' needs"),
    });
    expect(await store.count()).toBe(0);
  });
});
