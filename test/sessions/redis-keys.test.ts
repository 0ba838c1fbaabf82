import { createConnection } from 'node:net';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { conformance } from '../../lib/sessions/conformance/index.js';
import { MovingStore, migrateSessions } from '../../lib/sessions/index.js';
import { audit } from './helpers/audit.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

const timeout = 30_000;

describe('the keys that a call declares', () => {
  let server: RedisServer;

  beforeAll(async () => {
    // Whoever watches may be slower than what it sees.
    server = await startRedis('--client-output-buffer-limit', 'replica', '0', '0', '0');
  });
  afterAll(() => server.stop());

  async function connect() {
    const client = createClient({ url: server.url });
    client.on('error', () => undefined);
    onTestFinished(() => client.destroy());
    return client.connect();
  }

  /** Every command that the server runs until it is told to stop, as lines of MONITOR. */
  async function watch(): Promise<{ stop(): Promise<string[]> }> {
    const socket = createConnection(server.port, '127.0.0.1').setEncoding('latin1');
    const parts: string[] = [];
    const mark = `end-${Math.random()}`;
    let last = '';
    socket.on('data', (part) => {
      parts.push(String(part));
      last = last.slice(-100) + part;
    });
    socket.write('MONITOR\r\n');
    await until('it watches', () => last.startsWith('+OK'));
    return {
      async stop() {
        const admin = await connect();
        await admin.sendCommand(['ECHO', mark]);
        await until('all was seen', () => last.includes(mark), { timeout });
        socket.destroy();
        return parts.join('').split('\r\n');
      },
    };
  }

  /** What a script did on keys that its call had not named. */
  function undeclared(lines: readonly string[]): { seen: number; wrong: string[] } {
    let declared = new Set<string>();
    let seen = 0;
    const wrong: string[] = [];
    for (const line of lines) {
      const [, source = '', rest = ''] = /^\+[\d.]+ \[\d+ ([^\]]+)\] (.*)$/.exec(line) ?? [];
      const words = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word);
      const command = words[0]?.toUpperCase();
      if (source !== 'lua') {
        const isCall = command === 'FCALL' || command === 'EVALSHA' || command === 'EVAL';
        if (isCall) declared = new Set(words.slice(3, 3 + Number(words[2])));
      } else if (command !== 'TIME') {
        seen++;
        if (!declared.has(words[1] ?? '')) wrong.push(`${command} ${words[1]}`);
      }
    }
    return { seen, wrong };
  }

  test('are all that its commands touch, as MONITOR shows it', async () => {
    const [client, other] = [await connect(), new Redis(server.port)];
    onTestFinished(() => other.disconnect());
    let cases = 0;
    const open = async () => {
      const prefix = `monitor${++cases}:`;
      return {
        store: new RedisStore({ client, prefix, partitions: 4, timeout }),
        peer: new RedisStore({ client: other, prefix, partitions: 4, timeout }),
      };
    };
    const watching = await watch();
    // What comes of the cases is the affair of other tests, where nobody slows the server down.
    await Promise.allSettled(conformance({ open }).map(({ run }) => run()));
    const { seen, wrong } = undeclared(await watching.stop());
    expect(seen).toBeGreaterThan(5000);
    expect(wrong).toEqual([]);
  }, 120_000);

  test('are all that moving sessions touches, as MONITOR shows it', async () => {
    const client = await connect();
    const make = (prefix: string, partitions: number) =>
      new RedisStore({ client, prefix, partitions, timeout, formerPartitions: [4] });
    const [from, to] = [make('leaving:', 4), make('arriving:', 16)];
    for (let n = 0; n < 40; n++) {
      const owner = n % 2 === 0 ? { nodeId: 'node', connection: `c${n}` } : undefined;
      await from.create({ ttl: 60_000, userId: `u${n % 9}`, loginId: `l${n % 5}`, group: 'g', owner });
    }
    const watching = await watch();
    const store = new MovingStore({ from, to });
    const [first] = await store.byUser('u0');
    await store.set(first?.id ?? '', { version: 0, ttl: 70_000 });
    const luggage = await from.transfer.depart((await from.byUser('u1')).map(({ id }) => id));
    await from.transfer.restore(luggage.filter((each) => each !== undefined));
    expect(await migrateSessions(from, to)).toMatchObject({ moved: 39, isComplete: true });
    const { seen, wrong } = undeclared(await watching.stop());
    expect(seen).toBeGreaterThan(500);
    expect(wrong).toEqual([]);
  });

  test('the guard of the tests fails a command on another one, and runs as functions', async () => {
    guardKeys();
    const client = await connect();
    const store = new RedisStore({ client, prefix: 'guard:', partitions: 1, timeout });
    await store.create({ ttl: 60_000, userId: 'ann' });
    const { program, functionOf } = await import('../../lib/redis/program.js');
    const names = String(JSON.stringify(await client.sendCommand(['FUNCTION', 'LIST'])));
    expect(names).toContain(program.libraryName);
    const call = (...keys: string[]) =>
      client.sendCommand(['FCALL', functionOf('count'), `${keys.length}`, ...keys, 'count']);
    expect(await call('guard:{1/0}:exp')).toBe(1);
    await expect(call('guard:{1/0}:rep')).rejects.toThrow('UNDECLARED ZCARD guard:{1/0}:exp');
  });

  test('that are no longer right are named by the call, which changes nothing, and asked for again', async () => {
    const client = await connect();
    const store = new RedisStore({ client, prefix: 'moved:', partitions: 1, timeout });
    const made = await store.create({ ttl: 60_000, userId: 'ann', loginId: 'l' });
    const id = made.status === 'created' ? made.record.id : '';
    const watching = await watch();
    expect(await store.destroy(id)).toMatchObject({ id });
    const calls = (await watching.stop()).filter((line) => line.includes('"destroy"'));
    expect(calls).toHaveLength(2);
    expect((await audit(server.url, 'moved:')).keys).toEqual([]);
  });

  test('an error of a key inside a call fails the call, and is no session that is gone', async () => {
    const client = await connect();
    const store = new RedisStore({ client, prefix: 'acl:', partitions: 1, timeout });
    const made = await store.create({ ttl: 60_000, userId: 'ann' });
    const id = made.status === 'created' ? made.record.id : '';
    await client.sendCommand(['ACL', 'SETUSER', 'half', 'on', '>pw', '~*', '&*', '+@all', '-hmget']);
    const limited = createClient({ url: server.url, username: 'half', password: 'pw' });
    limited.on('error', () => undefined);
    await limited.connect();
    onTestFinished(() => limited.destroy());
    const blind = new RedisStore({ client: limited, prefix: 'acl:', partitions: 1, timeout });
    const failed = { code: 'ERR_STORE' };
    await expect(blind.get(id)).rejects.toMatchObject(failed);
    await expect(blind.byUser('ann')).rejects.toMatchObject(failed);
    await expect(blind.touch([{ id }], true)).rejects.toMatchObject(failed);
    await expect(blind.endUser('ann')).rejects.toMatchObject(failed);
    expect(await store.get(id)).toMatchObject({ id });
  });
});

describe('a limit of three', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  async function stores(prefix: string): Promise<RedisStore[]> {
    return Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = await createClient({ url: server.url }).connect();
        onTestFinished(() => client.destroy());
        return new RedisStore({ client, prefix, timeout });
      }),
    );
  }

  test.each(['reject', 'closeOldest'] as const)(
    'and 200 creates at once leave exactly three, in a few rounds (%s)',
    async (onExcess) => {
      const all = await stores(`${onExcess}:`);
      const [store] = all as [RedisStore];
      const admin = await createClient({ url: server.url }).connect();
      onTestFinished(() => admin.destroy());
      await store.count();
      await admin.sendCommand(['CONFIG', 'RESETSTAT']);
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, n) => {
          const owner = { nodeId: `node${n % 4}`, connection: `c${n}` };
          const session = { ttl: 60_000, userId: 'ann', loginId: `l${n % 7}`, owner };
          return (all[n % 4] as RedisStore).create(session, { max: 3, onExcess });
        }),
      );
      const calls = /cmdstat_fcall:calls=(\d+)/.exec(String(await admin.info('commandstats')))?.[1];
      expect(Number(calls)).toBeLessThanOrEqual(200 * 6);
      const created = results.flatMap((result) => (result.status === 'created' ? [result] : []));
      const left = await store.byUser('ann');
      expect(left).toHaveLength(3);
      const evicted = created.flatMap((result) => result.evicted.map(({ id }) => id));
      expect(new Set([...evicted, ...left.map(({ id }) => id)]).size).toBe(created.length);
      expect(evicted).toHaveLength(created.length - 3);
      expect(created).toHaveLength(onExcess === 'reject' ? 3 : 200);
      expect((await audit(server.url, `${onExcess}:`)).contradictions).toEqual([]);
    },
  );

  test('that a process dies of in the middle of is made good by the sweep', async () => {
    const [store] = (await stores('half:')) as [RedisStore];
    const client = await createClient({ url: server.url }).connect();
    onTestFinished(() => client.destroy());
    const dying = new Proxy(client, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== 'sendCommand') return typeof value === 'function' ? value.bind(target) : value;
        return (args: string[], options: object) =>
          args.includes('bury') ? new Promise(() => undefined) : target.sendCommand(args, options);
      },
    });
    const short = new RedisStore({ client: dying, prefix: 'half:', timeout: 100 });
    const owner = { nodeId: 'n', connection: 'c' };
    const first = await store.create({ ttl: 60_000, userId: 'ann', loginId: 'l', owner });
    const next = await short.create({ ttl: 60_000, userId: 'ann' }, { max: 1, onExcess: 'closeOldest' });
    expect(next.status).toBe('created');
    expect(await store.byUser('ann')).toHaveLength(1);
    expect(await store.byLogin('l')).toEqual([]);
    if (first.status !== 'created') throw new Error(first.status);
    const { id } = first.record;
    for (const exact of [false, true]) {
      await sleep(2);
      expect(await store.touch([{ id, idle: 0 }], exact), `exact: ${exact}`).toEqual(['gone']);
    }
    expect((await audit(server.url, 'half:')).contradictions).toEqual([]);
    await sleep(450);
    await store.sweep(100);
    const { keys, contradictions } = await audit(server.url, 'half:');
    expect(contradictions).toEqual([]);
    expect(keys.filter((key) => key.includes(':s:'))).toHaveLength(1);
    expect(keys.filter((key) => /:(l|n|c):/.test(key))).toEqual([]);
  });
});
