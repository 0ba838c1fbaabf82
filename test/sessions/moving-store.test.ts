import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { conformance } from '../../lib/sessions/conformance/index.js';
import {
  MemoryStore,
  type MovableStore,
  MovingStore,
  migrateSessions,
  type Session,
  SessionManager,
  type SessionManagerOptions,
} from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

guardKeys();

let server: RedisServer;
let client: ReturnType<typeof createClient>;
let prefixes = 0;

beforeAll(async () => {
  server = await startRedis();
  client = createClient({ url: server.url });
  await client.connect();
});
afterAll(async () => {
  client.destroy();
  await server.stop();
});

const redis = (partitions: number, prefix: string, formerPartitions: number[] = []) =>
  new RedisStore({ client: client as never, prefix, partitions, formerPartitions, timeout: 20_000 });

describe.concurrent.each([
  ['that moves', 'move'],
  ['that prepares', 'prepare'],
] as const)('[G12] a MovingStore %s', (name, phase) => {
  const open = async () => {
    const prefix = `${name}${++prefixes}:`;
    const make = () =>
      new MovingStore({ from: redis(4, `${prefix}from:`), to: redis(16, `${prefix}to:`, [4]), phase });
    return { store: make(), peer: make() };
  };
  for (const { name: promise, run } of conformance({ open })) test(promise, run);
});

describe.concurrent('[G12] a MovingStore of two in memory', () => {
  const open = async () => {
    const store = new MovingStore({ from: new MemoryStore(), to: new MemoryStore() });
    return { store, peer: store };
  };
  for (const { name: promise, run } of conformance({ open })) test(promise, run);
});

/** Both stores of a migration, as each node has them. */
const pairs: [string, () => { from: MovableStore; to: MovableStore }][] = [
  [
    'another number of partitions',
    () => {
      const prefix = `pair${++prefixes}:`;
      return { from: redis(4, `${prefix}from:`), to: redis(16, `${prefix}to:`, [4]) };
    },
  ],
  [
    'another prefix',
    () => {
      const prefix = `pair${++prefixes}:`;
      return { from: redis(8, `${prefix}from:`), to: redis(8, `${prefix}to:`) };
    },
  ],
  ['memory', () => ({ from: new MemoryStore(), to: redis(16, `pair${++prefixes}:`, [1]) })],
];

describe.each(pairs)('sessions that move from %s', (_, open) => {
  function manager(options: SessionManagerOptions): SessionManager {
    const made = new SessionManager({ ttl: 60_000, ...options });
    made.on('error', () => undefined);
    onTestFinished(() => made.stop());
    return made;
  }

  const tail = (id: string) => id.slice(id.indexOf('.') + 1);

  test('stay attached, write where they went, and are found by the id that their client has', async () => {
    const { from, to } = open();
    // They began before anybody knew of the move.
    const old = manager({ store: from });
    const first = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        old.create({ userId: n % 2 ? `user${n}` : undefined, loginId: `login${n}`, attributes: { n } }),
      ),
    );
    const nodes = Array.from({ length: 2 }, () =>
      manager({ store: new MovingStore({ from, to, phase: 'prepare' }) }),
    );
    await Promise.all(nodes.map(({ ready }) => ready));
    const attached = await Promise.all(
      first.map(async ({ id, userId }, n) => {
        const socket = new FakeSocket();
        const session = await (nodes[n % 2] as SessionManager).attach(socket, { sessionId: id, userId });
        expect([session.resumed, session.id]).toEqual([true, id]);
        return { socket, session, id };
      }),
    );
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 40, isComplete: true });
    expect(attached.filter(({ socket }) => !socket.isOpen)).toEqual([]);
    for (const { session, id } of attached) {
      await session.update((draft) => {
        (draft as { after?: boolean }).after = true;
      });
      await session.touch();
      const there = await to.get(id);
      expect(there).toMatchObject({ status: 'active', generation: session.generation });
      expect(session.id).toBe(there?.id);
      expect(tail(session.id)).toBe(tail(id));
    }
    expect(attached.filter(({ socket }) => !socket.isOpen)).toEqual([]);
    // A client comes back with the id that it was given at first.
    const [known] = attached;
    const again = await (nodes[1] as SessionManager).attach(new FakeSocket(), { sessionId: known?.id });
    expect([again.resumed, again.attributes]).toEqual([true, { n: 0, after: true }]);
    await until('the other connection was told', () => known?.socket.code === 4409);
    // And so for who only knows the target.
    const target = manager({ store: to });
    const other = await target.attach(new FakeSocket(), { sessionId: attached[1]?.id, userId: 'user1' });
    expect(other.resumed).toBe(true);
    expect((await target.get(attached[2]?.id ?? ''))?.attributes).toMatchObject({ n: 2 });
    expect(await from.count()).toBe(0);
  });

  test('may be asked for at any moment: nothing is lost, and no connection is closed', async () => {
    const { from, to } = open();
    const node = () => manager({ store: new MovingStore({ from, to }), ttl: 2000 });
    const old = manager({ store: from, ttl: 60_000 });
    const ids = await Promise.all(
      Array.from(
        { length: 300 },
        async (_, n) => (await old.create({ userId: `user${n}`, attributes: { n: 0 } })).id,
      ),
    );
    const nodes = [node(), node()];
    const sockets: FakeSocket[] = [];
    let stop = false;
    let updates = 0;
    const attach = async (n: number): Promise<Session> => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return (await nodes[n % 2]?.attach(socket, { sessionId: ids[n], userId: `user${n}` })) as Session;
    };
    const sessions = await Promise.all(ids.slice(0, 100).map((_, n) => attach(n)));
    expect(sessions.every(({ resumed }) => resumed)).toBe(true);
    const load = sessions.map(async (session) => {
      let mine = 0;
      while (!stop) {
        await session.update((draft) => {
          (draft as { n: number }).n++;
        });
        updates++;
        mine++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(session.attributes).toEqual({ n: mine });
    });
    expect(await migrateSessions(from, to, { concurrency: 16 })).toMatchObject({
      failed: 0,
      isComplete: true,
    });
    const late = await Promise.all(ids.slice(100, 200).map((_, n) => attach(100 + n)));
    stop = true;
    await Promise.all(load);
    expect(late.every(({ resumed }) => resumed)).toBe(true);
    expect(updates).toBeGreaterThan(100);
    expect(sockets.filter(({ isOpen }) => !isOpen)).toEqual([]);
    expect([await from.count(), await to.count()]).toEqual([0, 300]);
  });

  test('do not expire by activity that their owner reports under the id of before', async () => {
    const { from, to } = open();
    const store = new MovingStore({ from, to });
    const made = await from.create({ ttl: 60_000, owner: { nodeId: 'node', connection: 'c' } });
    if (made.status !== 'created' || made.record.owner === undefined) throw new Error(made.status);
    const { id, generation, owner, expiresAt } = made.record;
    await migrateSessions(from, to);
    await sleep(20);
    const fence = { generation, connectionId: owner.connectionId };
    const [result] = await store.touch([{ id, fence }], true);
    const there = await to.get(id);
    expect(result).toBe(there?.id === id ? there.expiresAt : 'gone');
    expect(there?.expiresAt).toBeGreaterThan(expiresAt);
  });

  test('that got a new id elsewhere and moved before their owner heard of it stay attached', async () => {
    const { from, to } = open();
    const node = manager({ store: new MovingStore({ from, to, phase: 'prepare' }) });
    const socket = new FakeSocket();
    const session = await node.attach(socket, { loginId: 'login' });
    // Somebody else, whose message to the owner is lost.
    for (let id = session.id, n = 0; n < 2; n++) {
      const renewed = await from.regenerate(id, undefined, { userId: `ann${n}`, loginId: 'login' });
      if (renewed.status !== 'created') throw new Error(renewed.status);
      ({ id } = renewed.record);
    }
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 1, isComplete: true });
    await session.update(() => ({ mine: true }));
    expect([session.userId, socket.isOpen]).toEqual(['ann1', true]);
    expect((await to.byUser('ann1')).map(({ id }) => id)).toEqual([session.id]);
  });

  test('that a mover left under way are found, and end with their user and login', async () => {
    const { from, to } = open();
    const made = await Promise.all(
      ['ann', 'ann', 'bob'].map(async (userId, n) => {
        const result = await from.create({ ttl: 60_000, userId, loginId: `login${n}` });
        return result.status === 'created' ? result.record.id : '';
      }),
    );
    await from.transfer.depart(made);
    const store = new MovingStore({ from, to });
    expect(await store.byUser('ann')).toHaveLength(2);
    await from.transfer.depart(made);
    expect(await store.endUser('ann')).toHaveLength(2);
    const x = await from.create({ ttl: 60_000, loginId: 'x' });
    const [again] = await from.transfer.depart([x.status === 'created' ? x.record.id : '']);
    expect(again?.record.loginId).toBe('x');
    expect(await store.endLogin('x')).toHaveLength(1);
    expect(await store.count()).toBe(1);
  });

  test('are counted together by a limit', async () => {
    const { from, to } = open();
    for (let n = 0; n < 3; n++) await from.create({ ttl: 60_000, userId: 'ann' });
    const store = new MovingStore({ from, to });
    const create = (onExcess: 'reject' | 'closeOldest') =>
      store.create({ ttl: 60_000, userId: 'ann' }, { max: 3, onExcess });
    expect(await create('reject')).toEqual({ status: 'limit', count: 3 });
    expect(await create('closeOldest')).toMatchObject({ status: 'created', evicted: [{ userId: 'ann' }] });
    expect([await from.count(), (await store.byUser('ann')).length]).toEqual([0, 3]);
  });
});

describe('live WebSockets', () => {
  test('notice nothing of a migration to more partitions', async () => {
    const prefix = `live${++prefixes}:`;
    const [from, to] = [redis(2, `${prefix}from:`), redis(32, `${prefix}to:`, [2])];
    const echo = await live(
      {
        identify: ({ request }) => ({ sessionId: request.query.get('session') ?? undefined, userId: 'ann' }),
        open: (connection, session) => void connection.send(session.id),
        async message(connection, data, session) {
          await session.update((draft) => {
            draft.last = String(data);
          });
          connection.send(`${data}`);
        },
      },
      { store: new MovingStore({ from, to, phase: 'prepare' }), ttl: 4000 },
    );
    const clients = await Promise.all(Array.from({ length: 50 }, () => echo.join()));
    await until('all have a session', () => clients.every(({ messages }) => messages.length === 1));
    expect(await from.count()).toBe(50);
    let sent = 0;
    const beat = setInterval(() => {
      for (const { socket } of clients) socket.send(`${++sent}`);
    }, 20);
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 50, isComplete: true });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    clearInterval(beat);
    await until('all was answered', () => clients.every(({ messages }) => messages.length === 1 + sent / 50));
    expect(echo.errors).toEqual([]);
    expect(clients.filter(({ socket }) => socket.readyState !== 1)).toEqual([]);
    expect([await from.count(), await to.count()]).toEqual([0, 50]);
    const back = await echo.join(`?session=${clients[0]?.messages[0]}`);
    await until('it came back', () => back.messages.length === 1);
    expect(tailOf(back.messages[0] ?? '')).toBe(tailOf(clients[0]?.messages[0] ?? ''));
    expect((await clients[0]?.closed)?.code).toBe(4409);
  });
});

const tailOf = (id: string) => id.slice(id.indexOf('.') + 1);
