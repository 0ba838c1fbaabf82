import { inspect } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type CommandClient, type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { conformance } from '../../lib/sessions/conformance/index.js';
import { SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { until } from './helpers/managers.js';
import { type RedisCluster, type RedisServer, startCluster, startRedis } from './helpers/redis-server.js';

let server: RedisServer;
let cluster: RedisCluster;
const closing: (() => unknown)[] = [];
let cases = 0;

beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster()]);
}, 30_000);
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => Promise.all([server.stop(), cluster.stop()]));

type User = { username?: string; password?: string };
type Connect = (user?: User) => Promise<RedisClient>;

const clients: readonly [string, 'single' | 'cluster', Connect][] = [
  [
    'redis',
    'single',
    async (user = {}) => {
      const client = createClient({ url: server.url, ...user });
      client.on('error', () => undefined);
      closing.push(() => client.destroy());
      return client.connect() as unknown as RedisClient;
    },
  ],
  [
    'ioredis',
    'single',
    async (user = {}) => {
      const client = new Redis({ port: server.port, enableAutoPipelining: true, ...user });
      client.on('error', () => undefined);
      closing.push(() => client.disconnect());
      return client;
    },
  ],
  [
    'redis cluster',
    'cluster',
    async (user = {}) => {
      const rootNodes = cluster.nodes.map(({ url }) => ({ url }));
      const client = createCluster({ rootNodes, defaults: user });
      client.on('error', () => undefined);
      closing.push(() => client.destroy());
      await client.connect();
      return client as unknown as RedisClient;
    },
  ],
  [
    'ioredis cluster',
    'cluster',
    async (user = {}) => {
      const options = { shardedSubscribers: true, enableAutoPipelining: true, redisOptions: user };
      const client = new Cluster([...cluster.nodes], options);
      client.on('error', () => undefined);
      closing.push(() => client.disconnect());
      return client;
    },
  ],
];

/** Sets a user in every node that the clients may ask. */
async function setUser(kind: 'single' | 'cluster', ...rules: string[]): Promise<void> {
  const urls = kind === 'single' ? [server.url] : cluster.nodes.map(({ url }) => url);
  for (const url of urls) {
    const admin = await createClient({ url }).connect();
    await admin.sendCommand(['ACL', 'SETUSER', 'limited', ...rules]);
    admin.destroy();
  }
}

describe('ioredis with enableAutoPipelining', () => {
  for (const [name, , connect] of clients.filter(([name]) => name.startsWith('ioredis'))) {
    const open = async () => {
      const prefix = `auto${++cases}:`;
      const make = async () => new RedisStore({ client: await connect(), prefix, timeout: 10_000 });
      return { store: await make(), peer: await make() };
    };
    for (const { name: promise, run } of conformance({ open }).slice(3)) test(`${name}: ${promise}`, run);
  }
});

describe.each(clients)('a user without the right to channels, with %s', (_, kind, connect) => {
  test('is an error event, tried again, and heard once it has the right', async () => {
    await setUser(kind, 'reset', 'on', '>pw', '~*', '+@all');
    const client = await connect({ username: 'limited', password: 'pw' });
    const prefix = `acl${++cases}:`;
    const manager = new SessionManager({ store: new RedisStore({ client, prefix }) });
    closing.push(() => manager.stop());
    const errors: { message: string; code: string }[] = [];
    manager.on('error', (error) => errors.push(error));
    await until('two failures were told', () => errors.length >= 2);
    expect(errors).toMatchObject(
      errors.map(() => ({ code: 'ERR_STORE', message: expect.stringContaining('NOPERM') })),
    );
    await setUser(kind, '&*');
    await manager.ready;
    const other = new SessionManager({ store: new RedisStore({ client: await connect(), prefix }) });
    closing.push(() => other.stop());
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    expect(await other.send({ session: id }, 'hello')).toMatchObject([{ result: 'forwarded' }]);
    await until('the message arrived', () => socket.sent.length === 1);
  });
});

describe.each(clients)('an error of %s', (_, kind, connect) => {
  test('carries no id, no value and no key, wherever it is shown', async () => {
    await setUser(kind, 'reset', 'on', '>pw', '~*', '&*', '+@all');
    const client = await connect({ username: 'limited', password: 'pw' });
    const store = new RedisStore({ client, prefix: `secret${++cases}:` });
    const manager = new SessionManager({ store });
    closing.push(() => manager.stop());
    const told: unknown[] = [];
    manager.on('error', (error) => told.push(error));
    const session = await manager.attach(new FakeSocket(), {
      userId: 'ann',
      loginId: 'login-of-ann',
      attributes: { password: 'hunter2hunter2' },
    });
    const there = { nodeId: 'elsewhere', connection: 'c1' };
    const other = await store.create({ ttl: 60_000, owner: there });
    const otherId = other.status === 'created' ? other.record.id : '';
    await setUser(kind, '-fcall', '-fcall_ro', '-evalsha', '-eval', '-publish', '-spublish');
    for (const run of [
      () => session.update(() => ({ password: 'hunter3hunter3' })),
      () => session.touch(),
      () => manager.get(session.id),
      () => manager.byLogin('login-of-ann'),
      () => manager.create({ attributes: { password: 'hunter4hunter4' } }),
      () => store.bus.publish('elsewhere', Buffer.from(`${otherId} hunter5hunter5`)),
    ]) {
      const error = await run().then(
        () => expect.fail('it has no right'),
        (thrown: unknown) => thrown,
      );
      told.push(error);
    }
    for (const error of told) {
      const shown = inspect(error, { depth: null, showHidden: true }) + JSON.stringify(error);
      for (const secret of [session.id, otherId, 'hunter', 'login-of-ann'])
        expect(shown).not.toContain(secret);
      expect(error).toMatchObject({ code: 'ERR_STORE', cause: { message: expect.stringMatching(/NOPERM/) } });
    }
  });
});

describe('clients that the store does not know', () => {
  const function_ = () => undefined;
  test.each<[string, object, string]>([
    ['redis 3', { send_command: 0, sendCommand: 0, duplicate: 0, subscribe: 0 }, "'redis' 3 or 4"],
    ['redis 4', { sendCommand: function_, duplicate: function_, subscribe: function_ }, "'redis' 3 or 4"],
    [
      'a cluster of redis 4',
      { sendCommand: function_, duplicate: function_, masters: [], sSubscribe: function_ },
      "'redis' 3 or 4",
    ],
    ['a pool', { sendCommand: function_, execute: function_, withTypeMapping: function_ }, 'client'],
    ['a sendCommand that is none', { sendCommand: 'PING' }, 'client'],
    ['an object', { get: function_ }, 'but got an object of Object'],
  ])('%s is refused by name', (_, client, message) => {
    expect(() => new RedisStore({ client: client as RedisClient })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });
});

describe('a client that the store only knows to send commands', () => {
  const over = (client: Redis): CommandClient => ({
    sendCommand: ([command = '', ...args]) => client.callBuffer(String(command), args),
  });

  function connect(): Redis {
    const client = new Redis({ port: server.port });
    closing.push(() => client.disconnect());
    return client;
  }

  test('is refused at its first call where it makes texts of bytes', async () => {
    const client = connect();
    const texts: CommandClient = {
      sendCommand: ([command = '', ...args]) => client.call(String(command), args),
    };
    const store = new RedisStore({ client: texts, prefix: `texts${++cases}:` });
    await expect(store.create({ ttl: 1000 })).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringContaining('client has to answer bulk strings as bytes'),
    });
    expect(await client.keys(`texts${cases}:*`)).toEqual([]);
  });

  test('is asked once whether it does, and by scripts only', async () => {
    const client = connect();
    const commands: string[] = [];
    const listed: CommandClient = {
      sendCommand(args, options) {
        commands.push(`${args[0]} ${options.key?.replace(/^.*:/, '')}`);
        return over(client).sendCommand(args, options);
      },
    };
    const store = new RedisStore({ client: listed, partitions: 1, prefix: `asked${++cases}:` });
    await store.count();
    await Promise.all([store.count(), store.count()]);
    expect(commands.filter((command) => command.startsWith('ECHO'))).toEqual(['ECHO exp']);
    expect(commands.filter((command) => command.startsWith('EVALSHA'))).toEqual(Array(3).fill('EVALSHA exp'));
    expect(commands.join()).not.toContain('FCALL');
  });

  test('without subscribe finds what other nodes ended at its next contact', async () => {
    const make = () => new RedisStore({ client: over(connect()), prefix: `quiet${cases}:` });
    cases++;
    const [manager, other] = [make(), make()].map((store) => new SessionManager({ store, ttl: 60_000 })) as [
      SessionManager,
      SessionManager,
    ];
    closing.push(
      () => manager.stop(),
      () => other.stop(),
    );
    await manager.ready;
    const socket = new FakeSocket();
    const session = await manager.attach(socket);
    await other.end(session.id);
    expect(socket.isOpen).toBe(true);
    await session.touch().catch(() => undefined);
    await until('closed', () => !socket.isOpen);
    expect(socket.code).toBe(1008);
  });
});
