import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Cluster } from 'ioredis';
import { createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createServer } from '../../lib/index.js';
import { type RedisClient, RedisStore } from '../../lib/redis/index.js';
import { guardKeys } from '../../lib/redis/program.js';
import { type Session, SessionManager, type SessionRecord } from '../../lib/sessions/index.js';
import { audit } from './helpers/audit.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisCluster, startCluster } from './helpers/redis-server.js';

guardKeys();

const run = promisify(execFile);
const failed = { code: 'ERR_STORE' };

let cluster: RedisCluster;
let prefixes = 0;

beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);
afterAll(() => cluster.stop());

const clients: readonly [string, () => Promise<RedisClient>][] = [
  [
    'redis',
    async () => {
      const client = createCluster({ rootNodes: cluster.nodes.map(({ url }) => ({ url })) });
      client.on('error', () => undefined);
      onTestFinished(() => client.destroy());
      await client.connect();
      return client as unknown as RedisClient;
    },
  ],
  ['ioredis', async () => ioredis(false)],
  ['ioredis with enableAutoPipelining', async () => ioredis(true)],
];

function ioredis(enableAutoPipelining: boolean): RedisClient {
  const client = new Cluster([...cluster.nodes], { shardedSubscribers: true, enableAutoPipelining });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

async function ask(port: number, ...command: string[]): Promise<string> {
  return (await run('redis-cli', ['-p', `${port}`, ...command])).stdout.trim();
}

const masters = () => cluster.servers.slice(0, 3).map(({ port }) => port);

/** One slot on its way from the master that has it to another one, step by step as an administrator does it. */
async function startMove(key: string) {
  const slot = await ask(cluster.nodes[0]?.port ?? 0, 'cluster', 'keyslot', key);
  const counts = await Promise.all(masters().map((port) => ask(port, 'cluster', 'countkeysinslot', slot)));
  const source = masters()[counts.findIndex((count) => Number(count) > 0)] ?? 0;
  const target = masters().find((port) => port !== source) ?? 0;
  const idOf = (port: number) => ask(port, 'cluster', 'myid');
  const [sourceId, targetId] = await Promise.all([idOf(source), idOf(target)]);
  await ask(target, 'cluster', 'setslot', slot, 'importing', sourceId);
  await ask(source, 'cluster', 'setslot', slot, 'migrating', targetId);
  return {
    async migrate(keys: readonly string[]) {
      if (keys.length === 0) return;
      await ask(source, 'migrate', '127.0.0.1', `${target}`, '', '0', '5000', 'keys', ...keys);
    },
    /** All keys that the source still has. */
    async left() {
      return (await ask(source, 'cluster', 'getkeysinslot', slot, '10000')).split('\n').filter(Boolean);
    },
    async finish() {
      await this.migrate(await this.left());
      for (const port of [target, source, ...masters()]) {
        await ask(port, 'cluster', 'setslot', slot, 'node', targetId);
      }
    },
  };
}

describe.each(clients)('a slot that moves to another master, with %s', { timeout: 60_000 }, (_, connect) => {
  async function fill(timeout: number, expiring = 0) {
    const prefix = `slot${++prefixes}:`;
    const client = await connect();
    const [store, patient] = [timeout, 20_000].map(
      (each) => new RedisStore({ client, prefix, partitions: 1, timeout: each }),
    ) as [RedisStore, RedisStore];
    await until('connected', () => patient.count().then(() => true));
    const records: SessionRecord[] = [];
    for (let n = 0; n < 30; n++) {
      const owner = { nodeId: 'n', connection: `c${n}` };
      const made = await patient.create({ ttl: 60_000, userId: `u${n}`, loginId: `l${n}`, owner });
      if (made.status === 'created') records.push(made.record);
    }
    for (let n = 0; n < expiring; n++) await patient.create({ ttl: 1 });
    return { store, patient, prefix, records, move: await startMove(`${prefix}{1/0}:exp`) };
  }

  const fenceOf = ({ owner, generation }: SessionRecord) => ({
    generation,
    connectionId: owner?.connectionId ?? '',
  });

  /** Every answer about a session that lives: its own, or that the store failed. */
  async function answersOf(store: RedisStore, record: SessionRecord, n: number) {
    const fence = fenceOf(record);
    const calls = [
      store.get(record.id).then((found) => found?.id === record.id),
      store.touch([{ id: record.id, fence }], true).then(([result]) => typeof result === 'number'),
      store.byUser(`u${n}`).then((found) => found.length === 1),
      store.byLogin(`l${n}`).then((found) => found.length === 1),
      store.byConnection(fence.connectionId).then((found) => found?.id === record.id),
      store.set(record.id, { version: 99, fence }).then(({ status }) => status === 'conflict'),
    ];
    return Promise.allSettled(calls);
  }

  test('gives right answers or ERR_STORE while its keys are on both, and loses nothing', async () => {
    const { store, patient, prefix, records, move } = await fill(3000);
    const some = (await move.left()).filter((_, n) => n % 2 === 0);
    await move.migrate(some);
    const tally = { right: 0, failed: 0 };
    await Promise.all(
      records.map(async (record, n) => {
        for (const outcome of await answersOf(store, record, n)) {
          if (outcome.status === 'fulfilled') {
            expect(outcome.value).toBe(true);
            tally.right++;
          } else {
            expect(outcome.reason).toMatchObject(failed);
            tally.failed++;
          }
        }
      }),
    );
    expect(tally.failed).toBeGreaterThan(0);
    expect((await store.sweep(100)).records).toEqual([]);
    await expect(store.create({ ttl: 60_000, userId: 'new' })).rejects.toMatchObject(failed);
    await move.finish();
    for (const [n, record] of records.entries()) {
      for (const outcome of await answersOf(patient, record, n))
        expect(outcome).toMatchObject({ status: 'fulfilled', value: true });
    }
    expect(await patient.count()).toBe(30);
    for (const port of masters()) {
      expect((await audit(`redis://127.0.0.1:${port}`, prefix)).contradictions).toEqual([]);
    }
  });

  test('makes what needs it wait for the end of the move: nothing fails, no logout is lost', async () => {
    const { store, records, move } = await fill(20_000);
    const keys = await move.left();
    await move.migrate(keys.filter((_, n) => n % 3 === 0));
    const [first, second] = records as [SessionRecord, SessionRecord];
    const touches = records.map((record) => ({ id: record.id, fence: fenceOf(record), idle: 7000 }));
    const began = performance.now();
    const waiting = Promise.all([
      store.touch(touches, false),
      store.create({ ttl: 60_000, userId: 'new' }),
      store.attach(first.id, { nodeId: 'm', connection: 'd' }, { userId: 'u0' }),
      store.endLogin('l1', { block: 60_000 }),
      store.get(`0.${'x'.repeat(24)}`),
    ]);
    await sleep(400);
    await move.finish();
    const [touched, created, attached, ended, unknown] = await waiting;
    expect(performance.now() - began).toBeGreaterThan(400);
    expect(touched.filter((result) => result === 'gone')).toHaveLength(touched[1] === 'gone' ? 1 : 0);
    expect(created.status).toBe('created');
    expect(attached).toMatchObject({ status: 'attached', previous: { nodeId: 'n' } });
    expect(ended.map(({ id }) => id)).toEqual([second.id]);
    expect(unknown).toBeUndefined();
    const late = await store.create({ ttl: 60_000, userId: 'u1', loginId: 'l1' });
    expect(late.status).toBe('ended');
    // It happened seven seconds ago, and the wait made it no later.
    const now = (await store.create({ ttl: 60_000 })) as { record: SessionRecord };
    const { lastActive = 0 } = (await store.get(records[9]?.id ?? '')) ?? {};
    expect(now.record.createdAt - lastActive).toBeGreaterThan(0);
  });

  test('is left alone by the sweep, which takes what expired once it has moved', async () => {
    const { store, patient, move } = await fill(3000, 5);
    await move.migrate((await move.left()).filter((key) => key.includes(':s:')));
    await expect(store.byUser('u1')).rejects.toMatchObject(failed);
    expect(await store.sweep(100)).toEqual({ records: [], more: false });
    await move.finish();
    const swept: SessionRecord[] = [];
    await until('it sweeps again', async () => {
      swept.push(...(await patient.sweep(100)).records);
      return swept.length === 5;
    });
    expect(await patient.count()).toBe(30);
  });
});

/** A client of another package, the session that it has at one of the servers, and what was seen of both. */
interface Attached {
  readonly n: number;
  readonly manager: SessionManager;
  readonly session: Session;
  readonly client: WebSocket;
  updates: number;
  messages: number;
  code: number;
}

const joining = new Map<number, WebSocket>();

function join(url: string): void {
  const client = new WebSocket(url);
  client.on('error', () => undefined);
  joining.set(Number(new URL(url).pathname.slice(1)), client);
  onTestFinished(() => client.terminate());
}

/** A server whose clients say by their path who they are; each that has its session is added to `attached`. */
async function serve(manager: SessionManager, attached: Attached[]): Promise<string> {
  const known = new Map<string, Attached>();
  const server = createServer(
    manager.serve({
      host: '127.0.0.1',
      identify: ({ request }) => {
        const n = Number(request.path.slice(1));
        return { userId: `u${n}`, loginId: `l${n}`, attributes: { n: 0 } };
      },
      open(connection, session) {
        const n = Number(connection.request.path.slice(1));
        const client = joining.get(n) as WebSocket;
        const one: Attached = { n, manager, session, client, updates: 0, messages: 0, code: 0 };
        client.once('close', (code) => {
          one.code = code;
        });
        known.set(connection.id, one);
        attached.push(one);
      },
      message(connection) {
        (known.get(connection.id) as Attached).messages++;
      },
    }),
  );
  onTestFinished(async () => {
    await server.close({ timeout: 0 });
  });
  return `ws://127.0.0.1:${(await server.listen()).port}`;
}

describe('800 sockets while every slot of one master moves to another', () => {
  test('stay open, keep their sessions and get no wrong answer', async () => {
    const prefix = `reshard${++prefixes}:`;
    const errors: unknown[] = [];
    const managers = await Promise.all(
      clients.slice(0, 2).map(async ([, connect]) => {
        const store = new RedisStore({ client: await connect(), prefix });
        const manager = new SessionManager({ store, ttl: 60_000 });
        manager.on('error', (error) => errors.push(error));
        await manager.ready;
        return manager;
      }),
    );
    const attached: Attached[] = [];
    const urls = await Promise.all(managers.map((manager) => serve(manager, attached)));
    while (attached.length < 800) {
      const from = attached.length;
      for (let n = from; n < from + 40; n++) join(`${urls[n % 2]}/${n}`);
      await until('they are attached', () => attached.length === from + 40);
    }
    attached.sort((a, b) => a.n - b.n);
    const wrong: string[] = [];
    let moving = true;
    const storeFailures = { count: 0 };
    const check = async (what: string, question: () => Promise<boolean>) => {
      try {
        if (!(await question())) wrong.push(what);
        return true;
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_STORE') wrong.push(`${what}: ${error}`);
        storeFailures.count++;
        return false;
      }
    };
    const load = async (lane: number) => {
      for (let at = lane; moving; at = (at + 4) % attached.length) {
        const it = attached[at] as (typeof attached)[number];
        const other = managers.find((manager) => manager !== it.manager) as SessionManager;
        it.client.send('a message is activity');
        await check(`get ${it.n}`, async () => (await other.get(it.session.id))?.id === it.session.id);
        await check(`byUser ${it.n}`, async () => (await other.byUser(`u${it.n}`)).length === 1);
        await check(`touch ${it.n}`, () => it.session.touch().then(() => true));
        await check(`update ${it.n}`, async () => {
          await it.session.update((draft) => void Object.assign(draft, { n: it.updates + 1 }));
          it.updates++;
          return true;
        });
        await sleep(2);
      }
    };
    const lanes = Array.from({ length: 4 }, (_, lane) => load(lane));
    const [from = 0, to = 0] = masters();
    const [fromId, toId] = await Promise.all([ask(from, 'cluster', 'myid'), ask(to, 'cluster', 'myid')]);
    const flow = ['--cluster-from', fromId, '--cluster-to', toId];
    flow.push('--cluster-slots', `${await slotsOf(from, fromId)}`);
    const options = [...flow, '--cluster-pipeline', '100', '--cluster-yes'];
    await run('redis-cli', ['--cluster', 'reshard', `127.0.0.1:${from}`, ...options], { maxBuffer: 1 << 28 });
    expect(await slotsOf(from, fromId)).toBe(0);
    moving = false;
    await Promise.all(lanes);
    expect(wrong).toEqual([]);
    expect(attached.filter(({ client }) => client.readyState !== WebSocket.OPEN)).toEqual([]);
    expect(attached.filter(({ messages }) => messages === 0)).toEqual([]);
    for (const { n, session, manager, updates } of attached) {
      const other = managers.find((each) => each !== manager) as SessionManager;
      const found = await other.get(session.id);
      expect(found).toMatchObject({ id: session.id, status: 'active' });
      expect(Number((found?.attributes as { n?: number } | undefined)?.n), `u${n}`).toBeGreaterThanOrEqual(
        updates,
      );
    }
    // A logout reaches whoever it concerns, wherever its slot is now.
    expect(await managers[0]?.endLogin('l1')).toBe(1);
    await until('it was told', () => attached[1]?.code === 1008);
    await Promise.all(managers.map((manager) => manager.stop()));
    // The first one has no slot left, and follows another one now.
    for (const port of masters().slice(1)) {
      expect((await audit(`redis://127.0.0.1:${port}`, prefix)).contradictions).toEqual([]);
    }
  }, 400_000);
});

async function slotsOf(port: number, id: string): Promise<number> {
  const line = (await ask(port, 'cluster', 'nodes')).split('\n').find((text) => text.startsWith(id)) ?? '';
  const ranges = line
    .split(' ')
    .slice(8)
    .filter((range) => /^\d+(-\d+)?$/.test(range));
  return ranges.reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return sum + (last ?? first) - first + 1;
  }, 0);
}
