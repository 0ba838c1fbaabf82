import { describe, expect, onTestFinished, test } from 'vitest';
import {
  createServer,
  LwsError,
  type Server,
  type ServerOptions,
  type ServerStats,
} from '../../lib/index.js';
import { turns } from '../helpers/lifecycle.js';
import { type Queue, queue } from '../helpers/queue.js';
import { type Client, frame, join, TEXT } from './fixtures/wire.mjs';
import { startWorker } from './workers.js';

let made = 0;
/** A group that no other test knows. */
const fresh = () => `group ${process.pid} ${made++}`;

interface Thread {
  readonly port: number;
  readonly answers: Queue<unknown>;
  ask<T>(word: string, more?: object): Promise<T>;
  terminate(): Promise<number>;
}

async function startThread(group: string, name = 'worker'): Promise<Thread> {
  const { worker } = await startWorker('topics-worker.mjs', { group, name });
  const answers = queue<unknown>();
  worker.on('message', ({ answer }: { answer: unknown }) => answers.push(answer));
  const port = (await answers.next()) as number;
  return {
    port,
    answers,
    async ask<T>(word: string, more: object = {}) {
      worker.postMessage({ word, ...more });
      return (await answers.next()) as T;
    },
    terminate: () => worker.terminate(),
  };
}

async function startMain(options: ServerOptions): Promise<{ server: Server; port: number }> {
  const server = createServer({
    host: '127.0.0.1',
    open: (connection) => void connection.subscribe('news'),
    message() {},
    ...options,
  });
  onTestFinished(async () => void (await server.close({ timeout: 0 })));
  return { server, port: (await server.listen()).port };
}

async function listener(port: number, parts?: Parameters<typeof join>[1]): Promise<Client> {
  const client = await join(port, parts);
  onTestFinished(() => void client.socket.destroy());
  return client;
}

const heard = async (client: Client) => (await client.next())?.payload.toString();

async function subscribed(server: Server, count: number): Promise<void> {
  while (server.subscribers('news') < count) await turns(1);
}

describe('a group of topics in several threads', () => {
  test('what one publishes reaches the subscribers of all, each thread counting its own', async () => {
    const group = fresh();
    const main = await startMain({ topicGroup: group });
    const threads = await Promise.all([startThread(group, 'a'), startThread(group, 'b')]);
    const clients = [await listener(main.port), await listener(main.port)];
    for (const { port } of threads) clients.push(await listener(port));
    await subscribed(main.server, 2);
    for (const thread of threads) while ((await thread.ask<ServerStats>('stats')).subscriptions === 0);
    expect(main.server.publish('news', 'from main')).toBe(2);
    for (const client of clients) expect(await heard(client)).toBe('from main');
    expect(await threads[0]!.ask('publish', { from: 0, to: 2 })).toEqual([1, 1]);
    for (const client of clients)
      expect([await heard(client), await heard(client)]).toEqual(['a 0 ', 'a 1 ']);
    /* a connection publishes to all but itself */
    clients[3]!.write(frame(TEXT, 'from a peer'));
    for (const client of clients.slice(0, 3)) expect(await heard(client)).toBe('from a peer');
  });

  test('the order of each publisher is kept, at every size', async () => {
    const group = fresh();
    const main = await startMain({ topicGroup: group, maxBackpressure: 2 ** 30 });
    const threads = await Promise.all([startThread(group, 'a'), startThread(group, 'b')]);
    const client = await listener(main.port);
    await subscribed(main.server, 1);
    const count = 400;
    const asked = threads.map(async (thread) => {
      for (let i = 0; i < count; i += 40)
        await thread.ask('publish', { from: i, to: i + 40, size: [10, 2000, 70_000][(i / 40) % 3] });
    });
    const next: Record<string, number> = { a: 0, b: 0 };
    for (let i = 0; i < 2 * count; i++) {
      const [name, number] = (await heard(client))!.split(' ');
      expect(Number(number)).toBe(next[name!]!++);
    }
    await Promise.all(asked);
    expect(next).toEqual({ a: count, b: count });
  });

  test('a thread that stands still costs nobody anything: what exceeds its box is lost for it, and counted', async () => {
    const group = fresh();
    const main = await startMain({ topicGroup: group, maxBackpressure: 2 ** 30 });
    const thread = await startThread(group);
    const near = await listener(main.port);
    const far = await listener(thread.port);
    await subscribed(main.server, 1);
    while ((await thread.ask<ServerStats>('stats')).subscriptions === 0);
    const until = new SharedArrayBuffer(4);
    expect(await thread.ask('stand', { until })).toBe('standing');
    const most = 16 * 1024;
    const total = most + 1000;
    for (let i = 0; i < total; i++) main.server.publish('news', `${i}`);
    for (let i = 0; i < total; i++) expect(await heard(near)).toBe(`${i}`);
    Atomics.store(new Int32Array(until), 0, 1);
    Atomics.notify(new Int32Array(until), 0);
    for (let i = 0; i < most; i++) expect(await heard(far)).toBe(`${i}`);
    expect((await thread.ask<ServerStats>('stats')).publicationsLost).toBe(1000);
    expect(main.server.stats().publicationsLost).toBe(0);
    main.server.publish('news', 'again');
    expect(await heard(far)).toBe('again');
  });

  test('the box is bounded in bytes too, and takes one of any size when it is empty', async () => {
    const group = fresh();
    const main = await startMain({ topicGroup: group });
    const thread = await startThread(group);
    const far = await listener(thread.port);
    while ((await thread.ask<ServerStats>('stats')).subscriptions === 0);
    const until = new SharedArrayBuffer(4);
    await thread.ask('stand', { until });
    main.server.publish('news', Buffer.alloc(20 * 2 ** 20));
    for (let i = 0; i < 3; i++) main.server.publish('news', 'lost');
    Atomics.store(new Int32Array(until), 0, 1);
    Atomics.notify(new Int32Array(until), 0);
    expect((await far.next())?.payload.length).toBe(20 * 2 ** 20);
    expect((await thread.ask<ServerStats>('stats')).publicationsLost).toBe(3);
  });

  test('worker.terminate() in the middle of traffic harms nobody', async () => {
    const group = fresh();
    const main = await startMain({ topicGroup: group, onBackpressure: 'drop' });
    const client = await listener(main.port);
    await subscribed(main.server, 1);
    const steady = await startThread(group, 'steady');
    const far = await listener(steady.port);
    while ((await steady.ask<ServerStats>('stats')).subscriptions === 0);
    client.socket.removeAllListeners('data').on('data', () => {});
    const flood = setInterval(() => {
      for (let i = 0; i < 20; i++) main.server.publish('news', Buffer.alloc(1000));
    });
    for (let round = 0; round < 12; round++) {
      const thread = await startThread(group, 'doomed');
      await listener(thread.port);
      await thread.ask('flood');
      for (let i = 0; i < round; i++) await turns(2);
      expect(await thread.terminate()).toBe(1);
    }
    clearInterval(flood);
    expect(await steady.ask('publish', { from: 0, to: 1 })).toEqual([1]);
    for (let text = ''; text !== 'steady 0 '; text = (await heard(far))!);
    expect(main.server.publish('news', 'well')).toBe(1);
  });

  test('a server that closed is out of the group, and the others go on', async () => {
    const group = fresh();
    const main = await startMain({ topicGroup: group });
    const [leaving, staying] = await Promise.all([startThread(group, 'a'), startThread(group, 'b')]);
    const client = await listener(main.port);
    await subscribed(main.server, 1);
    await leaving!.ask('publish', { from: 0, to: 1 });
    expect(await heard(client)).toBe('a 0 ');
    await leaving!.ask('close');
    expect(await leaving!.ask('publish', { from: 1, to: 2 })).toEqual([0]);
    await staying!.ask('publish', { from: 0, to: 1 });
    expect(await heard(client)).toBe('b 0 ');
  });
});

describe('servers of one thread', () => {
  test('in one group share what is published at once, and count together', async () => {
    const group = fresh();
    const one = await startMain({ topicGroup: group });
    const two = await startMain({ topicGroup: group });
    const clients = [await listener(one.port), await listener(two.port), await listener(two.port)];
    await subscribed(one.server, 1);
    await subscribed(two.server, 2);
    expect([one.server.publish('news', 'a'), two.server.publish('news', 'b')]).toEqual([3, 3]);
    const [connection] = one.server.connections;
    expect(connection!.publish('news', 'c')).toBe(2);
    expect([await heard(clients[0]!), await heard(clients[0]!)]).toEqual(['a', 'b']);
    for (const client of clients.slice(1))
      expect([await heard(client), await heard(client), await heard(client)]).toEqual(['a', 'b', 'c']);
    await one.server.close({ timeout: 0 });
    expect([one.server.publish('news', 'd'), two.server.publish('news', 'd')]).toEqual([0, 2]);
  });

  test('of different groups, or of none, do not meet', async () => {
    const servers = [
      await startMain({ topicGroup: fresh() }),
      await startMain({ topicGroup: fresh() }),
      await startMain({}),
    ];
    for (const { port, server } of servers) {
      await listener(port);
      await subscribed(server, 1);
    }
    expect(servers.map(({ server }) => server.publish('news', 'x'))).toEqual([1, 1, 1]);
  });
});

test.each([[''], ['x'.repeat(256)], [7], [null], [true]])('topicGroup %j is refused', (topicGroup) => {
  const create = () => createServer({ topicGroup: topicGroup as string });
  expect(create).toThrow(LwsError);
  expect(create).toThrow('Expected a string of 1 to 255 characters for the option "topicGroup"');
});
