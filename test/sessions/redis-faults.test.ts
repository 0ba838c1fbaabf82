import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import { SessionManager, type SessionManagerOptions } from '../../lib/sessions/index.js';
import { audit } from './helpers/audit.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

const timeout = 400;
const storeFailed = { code: 'ERR_STORE' };

describe('Redis that fails', () => {
  let server: RedisServer;
  let unhandled: unknown[];
  let closing: (() => unknown)[];
  const note = (reason: unknown) => unhandled.push(reason);

  beforeEach(async () => {
    server = await startRedis();
    closing = [];
    unhandled = [];
    process.on('unhandledRejection', note);
  });
  afterEach(async () => {
    server.thaw();
    for (const close of closing.reverse()) await close();
    await server.stop();
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  async function connect() {
    const client = createClient({ url: server.url, socket: { reconnectStrategy: 50 } });
    client.on('error', () => undefined);
    closing.push(() => client.isOpen && client.destroy());
    await client.connect();
    return client;
  }

  async function newStore(): Promise<RedisStore> {
    return new RedisStore({ client: await connect(), timeout });
  }

  async function newManager(options: SessionManagerOptions = {}) {
    const errors: string[] = [];
    const manager = new SessionManager({ store: await newStore(), ...options });
    manager.on('error', ({ code, message }) => errors.push(`${code} ${message}`));
    closing.push(() => manager.stop());
    return { manager, errors };
  }

  test('functions and scripts that are gone are loaded again by the call that misses them', async () => {
    const store = await newStore();
    const admin = await connect();
    const { status } = await store.create({ ttl: 5000 });
    await admin.sendCommand(['FUNCTION', 'FLUSH']);
    const [again, more] = await Promise.all([store.create({ ttl: 5000 }), store.create({ ttl: 5000 })]);
    expect([status, again.status, more.status]).toEqual(['created', 'created', 'created']);
    const functions = (await admin.sendCommand(['FUNCTION', 'LIST'])) as unknown[];
    expect(functions).toHaveLength(1);
  });

  test('scripts that are gone are sent again', async () => {
    const admin = await connect();
    await admin.sendCommand([
      'ACL',
      'SETUSER',
      'plain',
      'on',
      '>p',
      '~*',
      '&*',
      '+@all',
      '-fcall',
      '-function',
    ]);
    await admin.sendCommand(['AUTH', 'plain', 'p']);
    const store = new RedisStore({ client: admin, timeout });
    await store.create({ ttl: 5000 });
    await admin.sendCommand(['SCRIPT', 'FLUSH']);
    expect((await store.create({ ttl: 5000 })).status).toBe('created');
    const calls = String(await admin.info('commandstats'));
    expect(calls).toMatch(/cmdstat_evalsha:calls=[1-9]/);
    expect(calls).toMatch(/cmdstat_fcall:calls=0,/);
  });

  test('[D-G10] while it is away every operation fails with ERR_STORE in time, and works again afterwards', async () => {
    const store = await newStore();
    const created = await store.create({ ttl: 5000 });
    const id = created.status === 'created' ? created.record.id : '';
    await server.kill();
    const started = performance.now();
    const outcomes = await Promise.allSettled([
      store.create({ ttl: 5000 }),
      store.get(id),
      store.attach(id, { nodeId: 'n', connection: 'c' }),
      store.touch([{ id }], false),
      store.destroy(id),
      store.sweep(10),
      store.byLogin('l'),
      store.count(),
    ]);
    expect(performance.now() - started).toBeLessThan(timeout + 1000);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: storeFailed });
    await server.restart();
    await until('works again', async () => (await store.count().catch(() => -1)) === 0);
    expect((await store.create({ ttl: 5000 })).status).toBe('created');
  });

  test('what was given up but happens later is taken back', async () => {
    const store = await newStore();
    const made = [await store.create({ ttl: 60_000 }), await store.create({ ttl: 60_000, userId: 'eve' })];
    const [kept, moved] = made.map((result) => (result.status === 'created' ? result.record.id : ''));
    server.freeze();
    const outcomes = await Promise.allSettled([
      store.create({ ttl: 60_000, userId: 'ann', owner: { nodeId: 'n', connection: 'c1' } }),
      store.attach(kept ?? '', { nodeId: 'n', connection: 'c2' }),
      store.regenerate(moved ?? '', undefined, { userId: 'eve' }),
    ]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: storeFailed });
    server.thaw();
    await until('taken back', async () => {
      const record = await store.get(kept ?? '').catch(() => undefined);
      return record?.generation === 1 && record.status === 'detached';
    });
    expect(await store.byUser('ann')).toEqual([]);
    await until('no session nobody knows', async () => (await store.byUser('eve')).length === 0);
    expect((await audit(server.url, 'lws:')).contradictions).toEqual([]);
  });

  test('live connections go on; new ones are refused; an error event says so; it recovers by itself', async () => {
    const { manager, errors } = await newManager({ ttl: 8000, sweepInterval: 100 });
    const [socket, leaver] = [new FakeSocket(), new FakeSocket()];
    const session = await manager.attach(socket, { attributes: { n: 1 } });
    const left = await manager.attach(leaver, { userId: 'ann' });
    server.freeze();
    await expect(manager.attach(new FakeSocket())).rejects.toMatchObject(storeFailed);
    await expect(session.update(() => ({ n: 2 }))).rejects.toMatchObject(storeFailed);
    leaver.drop();
    for (let n = 0; n < 10; n++) {
      manager.noteActivity(socket);
      await sleep(100);
    }
    expect(socket.isOpen).toBe(true);
    expect(session.attributes).toEqual({ n: 1 });
    expect(errors.length).toBeGreaterThan(0);
    expect(new Set(errors.map((error) => error.slice(0, 9)))).toEqual(new Set(['ERR_STORE']));
    expect(manager.stats().storeErrors).toBeGreaterThan(0);
    server.thaw();
    await until('the one that left is detached', async () => {
      const status = await manager
        .get(left.id)
        .then((found) => found?.status)
        .catch(() => undefined);
      return status === 'detached';
    });
    await session.update(() => ({ n: 3 }));
    expect(await manager.attach(new FakeSocket())).toMatchObject({ status: 'active' });
    expect(manager.stats().attached).toBe(2);
  });

  test('without a listener for errors there is a warning and no exception', async () => {
    const warnings: string[] = [];
    const warn = (warning: Error) => warnings.push(warning.message);
    process.on('warning', warn);
    const { manager } = await newManager({ sweepInterval: 50 });
    manager.removeAllListeners('error');
    await server.kill();
    await until('warned', () => warnings.some((text) => text.includes("listen to 'error'")));
    process.off('warning', warn);
    await server.restart();
  });

  test("with whenStoreFails 'local' new connections get a session of this process, which stays there", async () => {
    const { manager } = await newManager({ whenStoreFails: 'local', maxPerUser: 2 });
    await server.kill();
    const socket = new FakeSocket();
    const session = await manager.attach(socket, {
      userId: 'ann',
      sessionId: '3.presented',
      attributes: { n: 1 },
    });
    expect(session).toMatchObject({ isLocal: true, resumed: false, status: 'active' });
    await session.update(() => ({ n: 2 }));
    await server.restart();
    await until('back', async () => (await manager.store.count().catch(() => -1)) === 0);
    const second = new FakeSocket();
    const again = await manager.attach(second, { userId: 'ann', sessionId: session.id });
    expect(again).toMatchObject({ id: session.id, isLocal: true, resumed: true, attributes: { n: 2 } });
    expect(socket.code).toBe(4409);
    expect(await manager.attach(new FakeSocket(), { userId: 'ann' })).toMatchObject({ isLocal: false });
    expect(await manager.byUser('ann')).toHaveLength(2);
    expect(await manager.endUser('ann')).toBe(2);
    expect(second.code).toBe(1008);
  });

  test('a Redis that lost its data ends the sessions that it lost, each at its next contact', async () => {
    const { manager } = await newManager({ ttl: 6000 });
    const socket = new FakeSocket();
    await manager.attach(socket);
    await server.restart();
    await sleep(1600);
    manager.noteActivity(socket);
    await until('closed', () => !socket.isOpen);
    expect([socket.code, socket.reason]).toEqual([1008, 'session ended']);
  });

  test('messages between nodes flow again after a restart', async () => {
    const [{ manager }, { manager: other }] = [await newManager(), await newManager()];
    await Promise.all([manager.ready, other.ready]);
    await server.restart();
    const socket = new FakeSocket();
    let session = await other.attach(socket).catch(() => undefined);
    while (session === undefined) session = await other.attach(socket).catch(() => undefined);
    const { id } = session;
    await until('received', async () => {
      await manager.send({ session: id }, 'x').catch(() => undefined);
      return socket.sent.length > 0;
    });
  });

  test.each(['redis', 'ioredis'])(
    'an end whose message was lost is found as soon as the subscription is back (%s)',
    async (kind) => {
      const other = await newStore();
      const client = kind === 'redis' ? await connect() : new Redis(server.port);
      if (client instanceof Redis) closing.push(() => client.disconnect());
      const manager = new SessionManager({ store: new RedisStore({ client, timeout }) });
      closing.push(() => manager.stop());
      await manager.ready;
      const admin = await connect();
      const socket = new FakeSocket();
      const { id } = await manager.attach(socket);
      // As if the message about it had been lost together with the subscription.
      await other.destroy(id);
      await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      await until('closed', () => !socket.isOpen);
      expect(socket.code).toBe(1008);
    },
  );

  test('ends and takeovers during an outage are found when Redis is back', async () => {
    const { manager } = await newManager({ sweepInterval: 50 });
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    server.freeze();
    await until('noticed', () => manager.stats().storeErrors > 0);
    server.thaw();
    const store = await newStore();
    await store.destroy(id);
    await until('closed', () => !socket.isOpen);
    expect(socket.code).toBe(1008);
  });

  test('a manager starts while Redis is away, and works when it comes', async () => {
    const client = await connect();
    await server.kill();
    const manager = new SessionManager({ store: new RedisStore({ client, timeout }), sweepInterval: 50 });
    manager.on('error', () => undefined);
    closing.push(() => manager.stop());
    await expect(manager.attach(new FakeSocket())).rejects.toMatchObject(storeFailed);
    await server.restart();
    await manager.ready;
    await until('works', async () => (await manager.store.count().catch(() => -1)) === 0);
    expect(await manager.attach(new FakeSocket())).toMatchObject({ status: 'active' });
  });

  test('out of memory: nothing new is stored, but sessions are touched, detached, ended and swept', async () => {
    const { manager } = await newManager({ ttl: 60_000 });
    const admin = await connect();
    const socket = new FakeSocket();
    const session = await manager.attach(socket, { userId: 'ann' });
    const short = await manager.create({ ttl: 50 });
    await admin.configSet('maxmemory', '1mb');
    await expect(manager.attach(new FakeSocket())).rejects.toMatchObject(storeFailed);
    await session.touch();
    await sleep(60);
    expect(await manager.sweep()).toBe(1);
    expect(await manager.get(short.id)).toBeUndefined();
    await manager.detach(socket);
    expect((await manager.get(session.id))?.status).toBe('detached');
    expect(await manager.endUser('ann')).toBe(1);
    await admin.configSet('maxmemory', '0');
  });

  test('[G13] with no process left Redis removes everything by itself: every key has an end after the last expiry', async () => {
    const { manager } = await newManager({ ttl: 60_000, maxPerUser: 5 });
    const admin = await connect();
    for (let n = 0; n < 30; n++) {
      const session = await manager.attach(new FakeSocket(), { userId: `u${n % 9}`, loginId: `l${n % 7}` });
      if (n % 3 === 0) await session.regenerate({ userId: `v${n % 5}` });
      if (n % 4 === 0) await session.touch();
    }
    await manager.endLogin('l1');
    const { keys, contradictions } = await audit(server.url, 'lws:');
    expect(contradictions).toEqual([]);
    expect(keys.length).toBeGreaterThan(60);
    const grace = 3_600_000;
    for (const key of keys) expect(await admin.pTTL(key), key).toBeLessThanOrEqual(60_000 + 2 * grace);
    for (const key of keys.filter((key) => !key.includes(':t:'))) {
      expect(await admin.pTTL(key), key).toBeGreaterThan(grace - 5000);
    }
  });

  test('[D-G8] [D-G11] an operation is one command where it knows its keys, else few, and none searches the keys', async () => {
    const store = await newStore();
    const admin = await connect();
    const owner = { nodeId: 'n', connection: 'c' };
    const [first] = await Promise.all([
      store.create({ ttl: 5000, userId: 'ann', loginId: 'l1', owner }),
      store.count(),
    ]);
    if (first.status !== 'created') throw new Error(first.status);
    const { id, generation } = first.record;
    const fence = { generation, connectionId: first.record.owner?.connectionId ?? '' };
    const identity = { userId: 'ann', loginId: 'l1' };
    for (let n = 0; n < 30; n++) await store.create({ ttl: 5000, userId: 'ann' });
    const operations: [string, number, () => Promise<unknown>][] = [
      ['create', 1, () => store.create({ ttl: 5000, userId: 'ann' }, { max: 50, onExcess: 'closeOldest' })],
      [
        'a create that is refused',
        1,
        () => store.create({ ttl: 5000, userId: 'ann' }, { max: 5, onExcess: 'reject' }),
      ],
      ['get', 1, () => store.get(id)],
      [
        'touch',
        1,
        () =>
          store.touch(
            Array.from({ length: 50 }, () => ({ id })),
            true,
          ),
      ],
      ['set', 1, () => store.set(id, { version: 0, attributes: new Uint8Array(9) })],
      ['detach', 2, () => store.detach(id, fence, 5000)],
      ['attach of a detached session by its user', 1, () => store.attach(id, owner, identity)],
      ['attach by whoever it is', 2, () => store.attach(id, { ...owner, connection: 'd' })],
      ['byUser: which, and those', 2, () => store.byUser('ann')],
      ['byLogin: which in each partition, and those', 17, () => store.byLogin('l1')],
      ['regenerate', 2, () => store.regenerate(id, undefined, { userId: 'ann' })],
      [
        'a create that evicts',
        5,
        () => store.create({ ttl: 5000, userId: 'ann' }, { max: 9, onExcess: 'closeOldest' }),
      ],
      ['count', 16, () => store.count()],
      ['sweep of nothing', 16, () => store.sweep(100)],
      ['endUser: which, what they need, those', 3, () => store.endUser('ann')],
      ['orphans of nobody', 16, () => store.orphans('n', 0, 100)],
    ];
    for (const [name, expected, run] of operations) {
      await admin.sendCommand(['CONFIG', 'RESETSTAT']);
      await run();
      const stats = String(await admin.info('commandstats'));
      const calls = Number(/cmdstat_fcall:calls=(\d+)/.exec(stats)?.[1]);
      expect(calls, name).toBe(expected);
      expect(stats, name).not.toMatch(/cmdstat_(scan|keys|eval|evalsha|multi|watch):/);
    }
  });

  test('prefix and partitions are separate worlds', async () => {
    const client = await connect();
    const stores = [
      new RedisStore({ client, prefix: 'a:' }),
      new RedisStore({ client, prefix: 'b:' }),
      new RedisStore({ client, prefix: 'a:', partitions: 4 }),
    ];
    await stores[0]?.create({ ttl: 5000, userId: 'ann' });
    expect(await Promise.all(stores.map((store) => store.count()))).toEqual([1, 0, 0]);
    expect(
      await Promise.all(stores.map((store) => store.byUser('ann').then(({ length }) => length))),
    ).toEqual([1, 0, 0]);
  });

  test.each([
    [{ prefix: 'a{b}' }, '1 to 64 characters without braces for the option "prefix"'],
    [{ prefix: '' }, '1 to 64 characters without braces for the option "prefix"'],
    [{ partitions: 0 }, 'an integer from 1 to 1024 for the option "partitions"'],
    [{ timeout: 5 }, 'an integer from 10 to 60000 for the option "timeout"'],
    [{ durability: 'all' }, `'none' or 'replica' for the option "durability"`],
    [{ formerPartitions: 16 }, 'a list of at most 8 numbers for the option "formerPartitions"'],
    [{ formerPartitions: [0] }, 'an integer from 1 to 1024 for the option "formerPartitions"'],
    [{ prefixx: 'a' }, 'Unknown option "prefixx"; did you mean "prefix"?'],
    [{ client: {} }, 'a client, cluster, sentinel or pool of'],
    [{ client: null }, 'a client, cluster, sentinel or pool of'],
    [{ client: { callBuffer: 1, status: 'ready', isCluster: true } }, 'shardedSubscribers: true'],
  ])('the options %j are refused', async (options, message) => {
    const client = await connect();
    const wrong = { client, ...options } as ConstructorParameters<typeof RedisStore>[0];
    expect(() => new RedisStore(wrong)).toThrow(message);
    expect(() => new RedisStore(wrong)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });
});
