import expressSession from 'express-session';
import { Cluster } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idsNow } from '../../lib/redis/former.js';
import { RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { slotOf } from '../../lib/redis/slots.js';
import { makeId } from '../../lib/sessions/ids.js';
import {
  encode,
  httpSessionStore,
  MemoryStore,
  MigrationQueue,
  type MovableStore,
  type MoveResult,
  MovingStore,
  migrateSessions,
  type SessionRecord,
  type SessionStore,
} from '../../lib/sessions/index.js';
import { audit } from './helpers/audit.js';
import { sleep } from './helpers/managers.js';
import { type RedisServer, startCluster, startRedis } from './helpers/redis-server.js';

// A command on a key that its call did not declare fails here.
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

const redis = (partitions: number, prefix = `move${++prefixes}:`) =>
  new RedisStore({ client: client as never, prefix, partitions, timeout: 20_000 });

/** Sessions of every kind: of users and anonymous, attached and not, with logins, groups, an end and values. */
async function fill(store: MovableStore, count: number): Promise<SessionRecord[]> {
  const made = await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const userId = n % 3 === 0 ? undefined : `user${n % 7}`;
      const result = await store.create({
        ttl: 60_000 + n,
        userId,
        loginId: n % 2 === 0 ? `login${n % 5}` : undefined,
        group: n % 4 === 0 ? `group${n % 3}` : undefined,
        maxAge: n % 5 === 0 ? 600_000 : undefined,
        owner: n % 2 === 1 ? { nodeId: `node${n % 3}`, connection: `connection${n}` } : undefined,
        attributes: encode({ n, text: 'x'.repeat(n % 50) }),
        extensions: encode({ by: n }),
      });
      if (result.status !== 'created') throw new Error(result.status);
      await store.set(result.record.id, { version: 0, attributes: encode({ n, again: true }) });
      return (await store.get(result.record.id)) as SessionRecord;
    }),
  );
  return made;
}

async function all(store: MovableStore): Promise<SessionRecord[]> {
  const found: SessionRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list(cursor, 100);
    found.push(...page.records);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return found;
}

const tailOf = (id: string) => id.slice(id.indexOf('.') + 1);

/** A record without what tells in which partition it is. */
function moved(record: SessionRecord) {
  const { id, owner, ...rest } = record;
  return { ...rest, id: tailOf(id), owner: owner && { ...owner, connectionId: tailOf(owner.connectionId) } };
}

const byTail = (a: SessionRecord, b: SessionRecord) => (tailOf(a.id) < tailOf(b.id) ? -1 : 1);

const ways: [string, () => MovableStore, () => MovableStore][] = [
  ['from memory to Redis', () => new MemoryStore(), () => redis(16)],
  ['from memory to a Redis of one partition', () => new MemoryStore(), () => redis(1)],
  ['from Redis to Redis under another prefix', () => redis(16), () => redis(16)],
  ['to more partitions', () => redis(4), () => redis(16)],
  ['to fewer, and another number', () => redis(16), () => redis(7)],
  ['from Redis to memory', () => redis(16), () => new MemoryStore()],
  ['from memory to memory', () => new MemoryStore(), () => new MemoryStore()],
];

describe.each(ways)('sessions that are moved %s', (_, source, target) => {
  test('are in the target as they were, and nowhere else', async () => {
    const [from, to] = [source(), target()];
    const before = await fill(from, 300);
    const results: MoveResult[] = [];
    const report = await migrateSessions(from, to, { onResult: (result) => results.push(result) });
    expect(report).toMatchObject({ moved: 300, gone: 0, ended: 0, failed: 0, resumed: 0, isComplete: true });
    expect([await from.count(), await from.transfer.underWay(1000)]).toEqual([0, []]);
    const after = await all(to);
    expect(after.sort(byTail).map(moved)).toEqual(before.sort(byTail).map(moved));
    expect(results.map(({ id, newId }) => [id, newId]).sort()).toEqual(
      before.map(({ id, userId }) => [id, to.newId(userId, tailOf(id))]).sort(),
    );
  });

  test('are found there by user, login, group, connection and node', async () => {
    const [from, to] = [source(), target()];
    const before = await fill(from, 60);
    const order = (await from.byUser('user1')).map(({ id }) => tailOf(id));
    await migrateSessions(from, to);
    expect((await to.byUser('user1')).map(({ id }) => tailOf(id))).toEqual(order);
    const ids = (records: readonly SessionRecord[]) => records.map(({ id }) => tailOf(id)).sort();
    expect(ids(await to.byLogin('login2'))).toEqual(
      ids(before.filter(({ loginId }) => loginId === 'login2')),
    );
    expect(ids(await to.byGroup('group1'))).toEqual(ids(before.filter(({ group }) => group === 'group1')));
    for (const { owner } of await all(to))
      if (owner !== undefined) expect((await to.byConnection(owner.connectionId))?.owner).toEqual(owner);
    const { records } = await to.orphans('node1', 60_000, 1000);
    expect(ids(records)).toEqual(ids(before.filter(({ owner }) => owner?.nodeId === 'node1')));
  });

  test('are written by the fence that their owners had', async () => {
    const [from, to] = [source(), target()];
    await fill(from, 4);
    await migrateSessions(from, to);
    const [owned] = (await all(to)).filter(({ owner }) => owner !== undefined);
    const { id, owner, generation, version } = owned as SessionRecord;
    const fence = { generation, connectionId: owner?.connectionId ?? '' };
    expect(await to.touch([{ id, fence }], true)).toEqual([expect.any(Number)]);
    expect(await to.set(id, { version, fence, attributes: encode({}) })).toMatchObject({ status: 'set' });
    expect(await to.touch([{ id, fence: { ...fence, generation: generation - 1 } }], true)).toEqual([
      'fenced',
    ]);
  });

  test('expire in the target, once', async () => {
    const [from, to] = [source(), target()];
    await Promise.all(Array.from({ length: 50 }, () => from.create({ ttl: 300 })));
    await migrateSessions(from, to);
    await sleep(400);
    const told: string[] = [];
    for (let more = true; more; ) {
      const swept = await to.sweep(20);
      told.push(...swept.records.map(({ id }) => id));
      ({ more } = swept);
    }
    expect([told.length, new Set(told).size, (await from.sweep(100)).records]).toEqual([50, 50, []]);
  });

  test('are gone from the source for whoever only knows that', async () => {
    const [from, to] = [source(), target()];
    const [record] = await fill(from, 1);
    const { id } = record as SessionRecord;
    await from.transfer.depart([id]);
    // Under way: nothing finds it, nothing changes it.
    expect(await from.get(id)).toBeUndefined();
    expect(await from.attach(id, { nodeId: 'n', connection: 'c' })).toEqual({ status: 'gone' });
    expect(await from.touch([{ id }], true)).toEqual(['gone']);
    expect(await from.set(id, { version: 1 })).toEqual({ status: 'gone' });
    expect(await from.destroy(id)).toBeUndefined();
    expect(await from.byLogin('login0')).toEqual([]);
    expect((await from.list()).records).toEqual([]);
    expect((await from.sweep(10)).records).toEqual([]);
    // The next run takes it up.
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 1, resumed: 1, isComplete: true });
    expect(await to.get(to.newId(undefined, tailOf(id)))).toBeDefined();
  });

  test('arrive once, whoever brings them how often', async () => {
    const [from, to] = [source(), target()];
    const [record] = await fill(from, 1);
    const { id } = record as SessionRecord;
    const [luggage] = await from.transfer.depart([id]);
    const [same] = await from.transfer.depart([id]);
    if (luggage === undefined || same === undefined) throw new Error('it is not under way');
    expect(same.token).toBe(luggage.token);
    expect(await to.transfer.arrive([luggage])).toEqual([{ status: 'arrived' }]);
    const there = to.transfer.idOf(luggage.record);
    // It ends there before the other one brings it again: it stays ended.
    await to.destroy(there);
    expect(await to.transfer.arrive([same])).toEqual([{ status: 'arrived' }]);
    expect(await to.get(there)).toBeUndefined();
    await from.transfer.forget([luggage]);
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 0, isComplete: true });
  });

  test('come back by a second migration, and go again', async () => {
    const [from, to] = [source(), target()];
    const before = await fill(from, 20);
    for (const [a, b] of [
      [from, to],
      [to, from],
      [from, to],
    ] as const)
      expect(await migrateSessions(a, b)).toMatchObject({ moved: 20, isComplete: true });
    expect((await all(to)).sort(byTail).map(moved)).toEqual(before.sort(byTail).map(moved));
  });

  test('stay in the source where the target refuses them, and both say so', async () => {
    const [from, to] = [source(), target()];
    const [record] = await fill(from, 3);
    const { id, userId } = record as SessionRecord;
    await to.create({ id: to.newId(userId, tailOf(id)), userId, ttl: 60_000 });
    const report = await migrateSessions(from, to);
    expect(report).toMatchObject({ moved: 2, failed: 1, isComplete: false });
    expect(report.failures).toMatchObject([
      {
        id,
        status: 'failed',
        where: 'source',
        error: { message: expect.stringContaining('another session') },
      },
    ]);
    expect(await from.get(id)).toEqual(record);
  });

  test('that were refused do not arrive later, whoever still brings them', async () => {
    const [from, to] = [source(), target()];
    const [record] = await fill(from, 1);
    const { id, userId } = record as SessionRecord;
    const there = to.newId(userId, tailOf(id));
    await to.create({ id: there, userId, ttl: 60_000 });
    const [luggage] = await from.transfer.depart([id]);
    if (luggage === undefined) throw new Error('it is not under way');
    expect(await to.transfer.arrive([luggage])).toMatchObject([{ status: 'refused' }]);
    await from.transfer.restore([luggage]);
    await to.destroy(there);
    expect(await to.transfer.arrive([luggage])).toMatchObject([{ status: 'refused' }]);
    expect([await from.get(id), await to.get(there)]).toEqual([record, undefined]);
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 1, isComplete: true });
  });

  test('end with a login that ends while they are under way', async () => {
    const [from, to] = [source(), target()];
    await from.create({ ttl: 60_000, loginId: 'left' });
    await from.transfer.depart((await all(from)).map(({ id }) => id));
    await to.endLogin('left', { block: 5000 });
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 0, ended: 1, isComplete: true });
    expect([await from.transfer.underWay(10), await to.count()]).toEqual([[], 0]);
  });
});

describe('the keys of both stores', () => {
  test('tell the truth before, while and after sessions move', async () => {
    const [a, b] = [`keys${++prefixes}:`, `keys${++prefixes}:`];
    const [from, to] = [redis(16, a), redis(5, b)];
    const before = await fill(from, 100);
    const luggage = await from.transfer.depart(before.slice(0, 50).map(({ id }) => id));
    await to.transfer.arrive(luggage.slice(0, 25) as never);
    for (const prefix of [a, b]) expect((await audit(server.url, prefix)).contradictions).toEqual([]);
    await migrateSessions(from, to);
    expect((await audit(server.url, a)).keys).toEqual([]);
    expect((await audit(server.url, b)).contradictions).toEqual([]);
    await from.close();
  });
});

describe('a MemoryStore that is full', () => {
  test('refuses what has no room, and that stays where it is', async () => {
    const [from, to] = [redis(4), new MemoryStore({ maxSessions: 10 })];
    await fill(from, 30);
    const report = await migrateSessions(from, to);
    expect(report).toMatchObject({ moved: 10, failed: 20, isComplete: false });
    expect(report.failures[0]).toMatchObject({ where: 'source', error: { message: /is full/ } });
    expect([await from.count(), await to.count()]).toEqual([20, 10]);
  });
});

describe('a Redis that is full', () => {
  test('refuses what has no room, which stays where it is, and takes it when there is', async () => {
    const full = await startRedis('--maxmemory-policy', 'noeviction');
    const admin = await createClient({ url: full.url }).connect();
    const to = new RedisStore({ client: admin as never, timeout: 5000 });
    const from = new MemoryStore();
    await fill(from, 40);
    await to.count();
    await admin.configSet('maxmemory', '1mb');
    const report = await migrateSessions(from, to);
    expect(report).toMatchObject({ moved: 0, failed: 40, isComplete: false });
    expect(report.failures[0]).toMatchObject({
      where: 'source',
      error: { message: /refused the session: OOM/ },
    });
    expect([await from.count(), await from.transfer.underWay(10), await to.count()]).toEqual([40, [], 0]);
    await admin.configSet('maxmemory', '0');
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 40, isComplete: true });
    admin.destroy();
    await full.stop();
  });
});

describe('a cluster', () => {
  test('takes sessions in, and gives them back', async () => {
    const cluster = await startCluster();
    const nodes = new Cluster([...cluster.nodes], { shardedSubscribers: true });
    nodes.on('error', () => undefined);
    const rootNodes = cluster.nodes.map(({ url }) => ({ url }));
    const other = createCluster({ rootNodes });
    other.on('error', () => undefined);
    await other.connect();
    const to = new RedisStore({ client: nodes, prefix: 'one:', partitions: 64, timeout: 20_000 });
    const on = new RedisStore({ client: other as never, prefix: 'two:', partitions: 48, timeout: 20_000 });
    const from = redis(4);
    const before = await fill(from, 200);
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 200, isComplete: true });
    expect(await migrateSessions(to, on)).toMatchObject({ moved: 200, isComplete: true });
    expect(await migrateSessions(on, from)).toMatchObject({ moved: 200, isComplete: true });
    expect((await all(from)).sort(byTail).map(moved)).toEqual(before.sort(byTail).map(moved));
    for (const key of ['a', '{b}c', 'd{}e', 'lws:{16/3}:exp', 'ü'])
      expect(slotOf(key)).toBe(await nodes.cluster('KEYSLOT', key));
    nodes.disconnect();
    other.destroy();
    await cluster.stop();
  }, 60_000);
});

describe('a store that fails while sessions move', () => {
  const failing = (store: MovableStore, step: 'depart' | 'arrive' | 'forget', times: number) => {
    const run = store.transfer[step].bind(store.transfer) as (...args: unknown[]) => Promise<never>;
    let calls = 0;
    Object.assign(store.transfer, {
      async [step](...args: unknown[]) {
        if (++calls <= times) throw new Error('it is away');
        return run(...args);
      },
    });
  };

  test.each(['depart', 'arrive', 'forget'] as const)('is asked again: %s', async (step) => {
    const [from, to] = [new MemoryStore(), redis(4)];
    await fill(from, 10);
    failing(step === 'arrive' ? to : from, step, 2);
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 10, isComplete: true });
  });

  test.each([
    ['depart', 'source', 10],
    ['arrive', 'under way', 0],
    ['forget', 'target', 0],
  ] as const)(
    'for long at %s leaves them in the %s, says so, and the next run goes on',
    async (step, where, count) => {
      const [from, to] = [new MemoryStore(), redis(4)];
      await fill(from, 10);
      failing(step === 'arrive' ? to : from, step, 3);
      const { failures, isComplete } = await migrateSessions(from, to);
      expect(isComplete).toBe(false);
      expect(failures.map((result) => result.where)).toEqual(Array(10).fill(where));
      expect(failures[0]?.error).toMatchObject({
        code: 'ERR_STORE',
        message: 'the store failed: it is away',
      });
      expect([await from.count(), (await from.transfer.underWay(100)).length]).toEqual([count, 10 - count]);
      expect(await migrateSessions(from, to)).toMatchObject({
        moved: 10,
        resumed: 10 - count,
        isComplete: true,
      });
      expect([await from.count(), await to.count()]).toEqual([0, 10]);
    },
  );
});

describe('logins of express-session', () => {
  test('move with their store, and are found by the cookie that the browser has', async () => {
    const [from, to] = [redis(4), redis(16)];
    const open = (store: SessionStore) => httpSessionStore({ Store: expressSession.Store, store });
    const ask = <T>(run: (done: (error?: unknown, result?: T) => void) => unknown) =>
      new Promise<T | undefined>((resolve, reject) => {
        run((error, result) => (error ? reject(error) : resolve(result)));
      });
    const [before, moving, after] = [open(from), open(new MovingStore({ from, to })), open(to)];
    const session = { cookie: { originalMaxAge: 60_000 }, user: 'ann' } as never;
    for (const sid of ['one', 'two', 'three']) await ask((done) => before.set(sid, session, done));
    // While both are there, whoever comes takes the login along.
    expect(await ask((done) => moving.get('one', done as never))).toMatchObject({ user: 'ann' });
    await ask((done) => moving.destroy('two', done));
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 1, isComplete: true });
    for (const [sid, user] of [
      ['one', 'ann'],
      ['two', undefined],
      ['three', 'ann'],
    ])
      expect(
        ((await ask((done) => after.get(sid as string, done as never))) as { user?: string } | undefined)
          ?.user,
      ).toBe(user);
    for (const each of [before, moving, after]) await each.close();
  });
});

describe('ids of former partitions', () => {
  test('lead to those that the user, or what is behind the dot, has now', () => {
    for (const [before, now] of [
      [1, 16],
      [16, 128],
      [16, 7],
      [128, 16],
      [12, 18],
      [1024, 1000],
    ] as const)
      for (let n = 0; n < 50; n++) {
        const userId = n % 2 === 0 ? `user${n}` : undefined;
        const old = makeId(before, userId, `tail${n}`);
        const current = makeId(now, userId, `tail${n}`);
        const found = [old, ...idsNow(old, now, [before])];
        expect(found).toContain(current);
        expect(new Set(found).size).toBe(found.length);
      }
    expect(idsNow('16.tail', 32, [16])).toEqual([]);
    expect(idsNow('3.tail', 32, [16])).toEqual(['19.tail']);
    expect(idsNow('nonsense', 32, [16])).toEqual([]);
  });
});

describe('a queue of migrations', () => {
  test('has a task for each session, with its target, state and result', async () => {
    const [from, to] = [redis(4), new MemoryStore()];
    const [record] = await fill(from, 1);
    const queue = new MigrationQueue({ from, to });
    const { id } = record as SessionRecord;
    const task = queue.add(id);
    expect(queue.add(id)).toBe(task);
    expect([task.id, task.target, task.state, queue.progress.waiting]).toEqual([id, to, 'waiting', 1]);
    expect(await task.result).toEqual({ id, status: 'moved', newId: `0.${tailOf(id)}` });
    expect([task.state, queue.progress.moved, queue.progress.moving]).toEqual(['done', 1, 0]);
    expect(await queue.add('7.nobody').result).toEqual({ id: '7.nobody', status: 'gone' });
    expect(await queue.add('no id').result).toMatchObject({ status: 'gone' });
  });

  test('is bounded in what waits and in what moves', async () => {
    const [from, to] = [new MemoryStore(), new MemoryStore()];
    const records = await fill(from, 40);
    let most = 0;
    const arrive = to.transfer.arrive.bind(to.transfer);
    const queue = new MigrationQueue({ from, to, concurrency: 4, maxQueued: 30 });
    to.transfer.arrive = async (luggage) => {
      most = Math.max(most, queue.progress.moving);
      return arrive(luggage);
    };
    for (const { id } of records.slice(0, 30)) queue.add(id);
    expect(() => queue.add(records[30]?.id ?? '')).toThrow(expect.objectContaining({ code: 'ERR_LIMIT' }));
    await queue.room();
    queue.add(records[30]?.id ?? '');
    await queue.idle();
    expect([queue.progress.moved, most]).toEqual([31, 4]);
  });

  test('that is cleared answers what waits, and finishes what moves', async () => {
    const [from, to] = [new MemoryStore(), new MemoryStore()];
    const [record] = await fill(from, 1);
    const queue = new MigrationQueue({ from, to });
    const { result } = queue.add(record?.id ?? '');
    queue.clear();
    expect(await result).toMatchObject({ status: 'failed', where: 'source', error: { code: 'ERR_ABORTED' } });
    expect([await from.count(), await to.count()]).toEqual([1, 0]);
  });

  test('refuses what cannot be moved by name', async () => {
    const store = new MemoryStore();
    expect(() => new MigrationQueue({ from: store, to: store })).toThrow(
      'Expected another store for the option "to"',
    );
    const foreign = Object.create(store, { transfer: { value: undefined } });
    await expect(migrateSessions(store, foreign)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('a store whose sessions can be moved'),
    });
    await expect(migrateSessions(store, new MemoryStore(), { onresult: 1 } as never)).rejects.toThrow(
      'did you mean "onResult"?',
    );
  });
});

describe('a migration', () => {
  test('that is aborted lets what moves arrive, and says that it is not complete', async () => {
    const [from, to] = [redis(16), redis(16)];
    await fill(from, 2000);
    const stop = new AbortController();
    const { isComplete, moved, failed } = await migrateSessions(from, to, {
      signal: stop.signal,
      onProgress: ({ moved: so, total }) => {
        expect(total).toBe(2000);
        if (so > 0) stop.abort();
      },
    });
    expect([isComplete, failed]).toEqual([false, 0]);
    expect(moved).toBeGreaterThan(0);
    expect([await from.count(), await to.count()]).toEqual([2000 - moved, moved]);
    expect(await from.transfer.underWay(1000)).toEqual([]);
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 2000 - moved, isComplete: true });
  });

  test('whose listener throws ends, rejects with that, and has nothing under way', async () => {
    const [from, to] = [new MemoryStore(), new MemoryStore()];
    await fill(from, 600);
    const onResult = () => {
      throw new Error('mine');
    };
    await expect(migrateSessions(from, to, { onResult })).rejects.toThrow('mine');
    expect(await from.transfer.underWay(1000)).toEqual([]);
    expect((await from.count()) + (await to.count())).toBe(600);
  });

  test('of which several run at a time moves each session once', async () => {
    const [a, b] = [`both${++prefixes}:`, `both${++prefixes}:`];
    const pairs = Array.from({ length: 3 }, () => [redis(8, a), redis(5, b)] as const);
    const before = await fill(pairs[0]?.[0] as MovableStore, 1000);
    await Promise.all(pairs.map(([from, to]) => migrateSessions(from, to)));
    const [from, to] = pairs[0] as (typeof pairs)[0];
    expect([await from.count(), await from.transfer.underWay(1000)]).toEqual([0, []]);
    expect((await all(to)).sort(byTail).map(moved)).toEqual(before.sort(byTail).map(moved));
    expect((await audit(server.url, b)).contradictions).toEqual([]);
  });

  test('carries times over by the difference of two clocks that are not the same', async () => {
    const [from, to] = [redis(4), redis(4)];
    const [record] = await fill(from, 1);
    const [luggage] = await from.transfer.depart([record?.id ?? '']);
    if (luggage === undefined) throw new Error('it is not under way');
    const hour = 3_600_000;
    // As if the source were an hour behind: its times are too small by as much.
    await to.transfer.arrive([{ ...luggage, asOf: luggage.asOf - hour }]);
    const after = await to.get(record?.id ?? '');
    const lag = (after?.expiresAt ?? 0) - hour - (record?.expiresAt ?? 0);
    expect(Math.abs(lag)).toBeLessThan(200);
    expect((after?.createdAt ?? 0) - hour - (record?.createdAt ?? 0)).toBe(lag);
  });
});
