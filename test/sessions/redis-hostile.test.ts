import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCaller } from '../../lib/redis/caller.js';
import { RedisStore } from '../../lib/redis/index.js';
import type { RedisLink } from '../../lib/redis/link.js';
import { type Session, SessionManager, type SessionRecord } from '../../lib/sessions/index.js';
import { audit } from './helpers/audit.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

const timeout = 400;

let server: RedisServer;
const closing: (() => unknown)[] = [];
let prefixes = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  server.thaw();
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => server.stop());

async function connect() {
  const client = createClient({ url: server.url });
  client.on('error', () => undefined);
  closing.push(() => client.destroy());
  return client.connect();
}

type Client = Awaited<ReturnType<typeof connect>>;

/** A client whose commands for the partitions in `broken` fail before they are sent. */
function failingIn(client: Client, broken: Set<string>): Client {
  return new Proxy(client, {
    get(target, name) {
      if (name === 'sendCommand')
        return async (args: string[], options: object) => {
          const partition = /\{\d+\/(\d+)\}/.exec(String(args[3]))?.[1];
          if (partition !== undefined && broken.has(partition)) throw new Error('CLUSTERDOWN');
          return target.sendCommand(args, options);
        };
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function make(store: RedisStore, count: number, ttl: number): Promise<string[]> {
  const made = await Promise.all(
    Array.from({ length: count }, (_, n) => store.create({ ttl, userId: `u${n}`, loginId: `l${n}` })),
  );
  return made.map((result) => (result.status === 'created' ? result.record.id : ''));
}

describe('a sweep that fails in part', () => {
  test('tells what the other partitions gave, and the rest when they answer again', async () => {
    const broken = new Set<string>();
    const prefix = `part${++prefixes}:`;
    const store = new RedisStore({ client: failingIn(await connect(), broken), prefix, timeout });
    const manager = new SessionManager({ store, sweepInterval: 60_000 });
    closing.push(() => manager.stop());
    const told: string[] = [];
    manager.on('expire', ({ id }: Session) => told.push(id));
    const ids = await make(store, 400, 40);
    await sleep(80);
    for (const partition of ['0', '3', '15']) broken.add(partition);
    await expect(manager.sweep()).rejects.toMatchObject({ code: 'ERR_STORE' });
    const reachable = ids.filter((id) => !broken.has(id.slice(0, id.indexOf('.'))));
    expect(reachable.length).toBeLessThan(ids.length);
    expect(told.toSorted()).toEqual(reachable.toSorted());
    broken.clear();
    await manager.sweep();
    expect(told.toSorted()).toEqual(ids.toSorted());
    expect((await audit(server.url, prefix)).keys).toEqual([]);
  });

  test.each(['sweep', 'orphans'] as const)(
    'what a %s took that was given up is returned by the next one, each session once',
    async (operation) => {
      const store = new RedisStore({ client: await connect(), prefix: `late${++prefixes}:`, timeout });
      const ttl = operation === 'sweep' ? 40 : 60_000;
      const made = await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          store.create({ ttl, owner: { nodeId: 'n', connection: `c${n}` } }),
        ),
      );
      const ids = made.map((result) => (result.status === 'created' ? result.record.id : ''));
      await sleep(80);
      const take = () => (operation === 'sweep' ? store.sweep(1000) : store.orphans('n', 60_000, 1000));
      server.freeze();
      await expect(take()).rejects.toMatchObject({ code: 'ERR_STORE' });
      server.thaw();
      const taken: SessionRecord[] = [];
      await until('all taken', async () => {
        taken.push(...(await take()).records);
        return taken.length >= ids.length;
      });
      expect(taken.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      expect((await take()).records).toEqual([]);
    },
  );
});

describe('a Redis in which somebody else wrote', () => {
  type Breaking = (client: Client, key: string) => Promise<unknown>;
  const breakings: [string, Breaking][] = [
    ['a key of another type', async (client, key) => (await client.del(key)) && client.set(key, 'mine')],
    ['a field that is missing', (client, key) => client.hDel(key, 'uid')],
    ['an expiry that is no number', (client, key) => client.hSet(key, 'exp', 'soon')],
    ['a generation that is no number', (client, key) => client.hSet(key, 'gen', '1e3')],
    ['a time to live that is negative', (client, key) => client.hSet(key, 'ttl', '-5')],
    ['a version beyond all integers', (client, key) => client.hSet(key, 'ver', '9'.repeat(30))],
    ['nothing', (client, key) => client.del(key)],
  ];

  test.each(breakings)('%s in the place of one session costs no other one', async (_, breakIt) => {
    const client = await connect();
    const prefix = `broken${++prefixes}:`;
    const store = new RedisStore({ client, prefix, partitions: 1, timeout });
    const create = async (n: number) => {
      const owner = { nodeId: 'n', connection: `c${n}` };
      const result = await store.create({ ttl: 1500, userId: 'ann', loginId: 'l', owner });
      if (result.status !== 'created') throw new Error(result.status);
      return result.record;
    };
    const records = [await create(0), await create(1), await create(2)];
    const [bad, ...good] = records as [SessionRecord, SessionRecord, SessionRecord];
    await breakIt(client, `${prefix}{1/0}:s:${bad.id}`);
    const fence = ({ owner, generation }: SessionRecord) => ({
      connectionId: owner!.connectionId,
      generation,
    });
    const touched = await store.touch(
      records.map((record) => ({ id: record.id, fence: fence(record) })),
      true,
    );
    expect(touched.slice(1).every((result) => typeof result === 'number')).toBe(true);
    const ids = good.map(({ id }) => id).toSorted();
    /* what can still be read of the broken one may be in a list or not */
    const others = (list: readonly SessionRecord[]) =>
      list
        .map(({ id }) => id)
        .filter((id) => id !== bad.id)
        .toSorted();
    for (const list of [await store.byUser('ann'), await store.byLogin('l'), (await store.list()).records])
      expect(others(list)).toEqual(ids);
    expect((await store.create({ ttl: 1500, userId: 'ann' }, { max: 9, onExcess: 'reject' })).status).toBe(
      'created',
    );
    await sleep(1600);
    const swept = [];
    for (let more = true; more; ) {
      const part = await store.sweep(2);
      swept.push(...part.records);
      ({ more } = part);
    }
    expect(others(swept)).toEqual(expect.arrayContaining(ids));
    expect((await store.sweep(100)).records).toEqual([]);
  });

  test('an index of another type is an error that says so, and a session that is half made is swept', async () => {
    const client = await connect();
    const prefix = `index${++prefixes}:`;
    const store = new RedisStore({ client, prefix, partitions: 1, timeout });
    await client.set(`${prefix}{1/0}:u:ann`, 'mine');
    await expect(store.create({ ttl: 50, userId: 'ann' })).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringContaining('WRONGTYPE'),
    });
    await sleep(80);
    await store.sweep(10);
    expect(await store.count()).toBe(0);
    expect((await store.create({ ttl: 50, userId: 'bob' })).status).toBe('created');
  });

  test('values that cannot be read fail where they are asked for, with the place', async () => {
    const client = await connect();
    const prefix = `values${++prefixes}:`;
    const manager = new SessionManager({ store: new RedisStore({ client, prefix, partitions: 1, timeout }) });
    closing.push(() => manager.stop());
    const first = new FakeSocket();
    const { id } = await manager.attach(first, { attributes: { n: 1 } });
    await client.hSet(`${prefix}{1/0}:s:${id}`, 'attr', 'not ours');
    const session = await manager.attach(new FakeSocket(), { sessionId: id });
    expect(first.code).toBe(4409);
    expect(() => session.attributes).toThrow(expect.objectContaining({ code: 'ERR_STORE' }));
    await expect(session.update((draft) => void Object.assign(draft, { n: 2 }))).rejects.toMatchObject({
      code: 'ERR_STORE',
    });
    expect(await session.update(() => ({ n: 2 }))).toEqual({ n: 2 });
    await session.end();
    expect(await manager.get(id)).toBeUndefined();
  });
});

describe('what a user has many of', () => {
  test('ends completely, past those that expired and wait for the sweep', async () => {
    const store = new RedisStore({ client: await connect(), prefix: `many${++prefixes}:`, timeout: 5000 });
    const create = (ttl: number) => store.create({ ttl, userId: 'ann', loginId: 'l' });
    await Promise.all(Array.from({ length: 600 }, (_, n) => create(n % 2 ? 40 : 60_000)));
    await sleep(80);
    expect(await store.endUser('ann')).toHaveLength(300);
    expect(await store.byUser('ann')).toEqual([]);
    const { records } = await store.sweep(10_000);
    expect(records.length).toBeGreaterThan(0);
  });
});

describe('a cluster with a master that never answers', () => {
  test('does not keep the calls to the others waiting for the functions', async () => {
    const commands: string[] = [];
    const link = {
      isReady: () => true,
      sendToMasters: () => new Promise(() => undefined),
      async send(_key: string, [command = '']: string[]) {
        commands.push(command);
        if (command === 'FCALL') throw new Error('ERR Function not found');
        return 7;
      },
    } as unknown as RedisLink;
    const caller = createCaller(link, 1000);
    const calls = Array.from({ length: 3 }, () =>
      caller.call({ base: '{1/0}:', operation: 'count', keys: ['exp'], args: () => [] }),
    );
    expect(await Promise.all(calls)).toEqual([7, 7, 7]);
    expect(commands).toContain('EVALSHA');
  });
});
