import { Cluster } from 'ioredis';
import { createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { SessionManager } from '../../lib/sessions/index.js';
import { audit } from './helpers/audit.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisCluster, startCluster } from './helpers/redis-server.js';

describe('a cluster that loses a master', () => {
  let cluster: RedisCluster;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    cluster = await startCluster();
  }, 30_000);
  afterAll(async () => {
    for (const close of closing) await close();
    await cluster.stop();
  });

  async function nodeRedis(): Promise<RedisClient> {
    const rootNodes = cluster.nodes.map(({ url }) => ({ url }));
    const client = createCluster({ rootNodes, defaults: { socket: { reconnectStrategy: 100 } } });
    client.on('error', () => undefined);
    await client.connect();
    closing.push(() => client.destroy());
    return client;
  }

  async function ioredis(): Promise<RedisClient> {
    const client = new Cluster([...cluster.nodes], { shardedSubscribers: true });
    client.on('error', () => undefined);
    closing.push(() => client.disconnect());
    return client;
  }

  test('sessions survive with their indexes, connections stay open, and both clients go on by themselves', async () => {
    const clients = await Promise.all([nodeRedis(), ioredis()]);
    const managers = clients.map((client) => {
      const manager = new SessionManager({ store: new RedisStore({ client, timeout: 1000 }), ttl: 60_000 });
      manager.on('error', () => undefined);
      return manager;
    });
    await Promise.all(managers.map(({ ready }) => ready));
    const attached = await Promise.all(
      Array.from({ length: 96 }, async (_, n) => {
        const manager = managers[n % 2] as SessionManager;
        const socket = new FakeSocket();
        const session = await manager.attach(socket, {
          userId: `u${n}`,
          loginId: `l${n}`,
          attributes: { n: 0 },
        });
        return { manager, socket, session };
      }),
    );
    // Replication is asynchronous; what it had no time for would be lost.
    await sleep(300);
    await cluster.servers[1]?.kill();

    const works = async (userId: string) => {
      const made = await managers[0]?.create({ userId }).catch(() => undefined);
      return made !== undefined;
    };
    await until(
      'the replica took over',
      async () => {
        const all = await Promise.all(Array.from({ length: 32 }, (_, n) => works(`probe${n}`)));
        return all.every(Boolean);
      },
      { timeout: 15_000, pause: 100 },
    );

    expect(attached.filter(({ socket }) => !socket.isOpen)).toEqual([]);
    for (const { manager, session, socket } of attached) {
      await until(
        'updated',
        () =>
          session
            .update(() => ({ n: 1 }))
            .then(
              () => true,
              () => false,
            ),
        { timeout: 10_000 },
      );
      expect(manager.of(socket)).toBe(session);
    }
    for (const [n, { session, manager }] of attached.entries()) {
      const other = managers.find((each) => each !== manager) as SessionManager;
      expect(await other.byUser(`u${n}`)).toMatchObject([
        { id: session.id, status: 'active', attributes: { n: 1 } },
      ]);
      expect(await other.byLogin(`l${n}`, `u${n}`)).toHaveLength(1);
    }
    const [first] = attached;
    await managers[1]?.attach(new FakeSocket(), { sessionId: first?.session.id, userId: 'u0' });
    await until('told about the takeover', () => first?.socket.code === 4409, { timeout: 15_000 });
    for (const { port } of [cluster.servers[0], cluster.servers[2]] as { port: number }[]) {
      expect((await audit(`redis://127.0.0.1:${port}`, 'lws:')).contradictions).toEqual([]);
    }
    await Promise.all(managers.map((manager) => manager.stop()));
  }, 60_000);
});
