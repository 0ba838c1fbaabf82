import { describe, expect, test } from 'vitest';
import { type Connection, LwsError } from '../../lib/index.js';
import { survivors, turns, type Watched, watch } from '../helpers/lifecycle.js';
import { type Client, closeFrame, frame, join, TEXT } from './fixtures/wire.mjs';

interface Joined {
  readonly client: Client;
  readonly connection: Connection;
}

/** Brings a subscriber to its end, one way or another; the subscription must be over at once or with `close`. */
const deaths: Record<string, (joined: Joined, w: Watched) => Promise<void> | void> = {
  'a close of ours': ({ connection }) => connection.close(),
  'terminate()': ({ connection }) => connection.terminate(),
  'a close of the peer': async ({ client, connection }, w) => {
    client.write(closeFrame(1000));
    while (connection.isOpen) await turns(1);
    client.shut();
    await w.until('close', 1, connection);
  },
  'a reset': async ({ client, connection }, w) => {
    client.reset();
    await w.until('close', 1, connection);
  },
  'FIN without a close frame': async ({ client, connection }, w) => {
    client.shut();
    await w.until('close', 1, connection);
  },
  'bad input': async ({ client, connection }) => {
    client.write(Buffer.of(0xff, 0x80, 1, 2, 3, 4));
    while (connection.isOpen) await turns(1);
  },
  'a handler that throws': async ({ client, connection }) => {
    client.write(frame(TEXT, 'throw'));
    while (connection.isOpen) await turns(1);
  },
};

const options = {
  message(_: Connection, data: string | Buffer) {
    if (data === 'throw') throw new Error('as asked');
  },
  error() {},
};

describe('a subscription ends with', () => {
  test.each(Object.entries(deaths))('%s', async (_, die) => {
    const w = await watch(options);
    const dying = await w.join();
    const staying = await w.join();
    for (const { connection } of [dying, staying]) connection.subscribe('news');
    dying.connection.subscribe('only here');
    await die(dying, w);
    expect([w.server.subscribers('news'), w.server.subscribers('only here')]).toEqual([1, 0]);
    expect(w.server.publish('news', 'to who stays')).toBe(1);
    expect((await staying.client.next())?.payload.toString()).toBe('to who stays');
    expect(w.server.stats()).toMatchObject({ topics: 1, subscriptions: 1 });
    expect(dying.connection.subscribe('news')).toBe(false);
    dying.client.reset();
    await w.until('close', 1, dying.connection);
    expect(w.server.stats()).toMatchObject({ topics: 1, subscriptions: 1 });
  });

  test.each(Object.entries(deaths))('%s, also with publications on their way', async (_, die) => {
    const w = await watch(options);
    const all = [await w.join(), await w.join(), await w.join()];
    for (const { connection } of all) connection.subscribe('news');
    for (let i = 0; i < 50; i++) w.server.publish('news', i % 2 ? 'x' : Buffer.alloc(100_000));
    const dying = die(all[1]!, w);
    for (let i = 0; i < 50; i++) w.server.publish('news', `behind ${i}`);
    await dying;
    for (const { client } of [all[0]!, all[2]!])
      for (let i = 0; i < 100; i++) expect(await client.next()).toBeDefined();
    expect(w.server.subscribers('news')).toBe(2);
    all[1]!.client.reset();
    await w.until('close', 1, all[1]!.connection);
  });

  test('a peer whose socket is full', async () => {
    const w = await watch({ ...options, maxBackpressure: 2 ** 30 });
    const { client, connection } = await w.join();
    connection.subscribe('news');
    client.socket.pause();
    while (connection.bufferedAmount < 2 ** 22) {
      w.server.publish('news', Buffer.alloc(2 ** 20));
      await turns(1);
    }
    client.reset();
    await w.until('close', 1, connection);
    expect(w.server.stats()).toMatchObject({ topics: 0, subscriptions: 0 });
  });

  test('server.close()', async () => {
    const w = await watch(options);
    for (let i = 0; i < 5; i++) {
      const { client, connection } = await w.join();
      connection.subscribe('news');
      void client.next().then(() => client.shut());
    }
    const closing = w.server.close({ timeout: 100 });
    expect(w.server.publish('news', 'too late')).toBe(0);
    await closing;
    expect(w.server.stats()).toMatchObject({ topics: 0, subscriptions: 0, connections: 0 });
  });
});

test('inside close the topics are still to be read, and others can be told', async () => {
  const left: string[][] = [];
  const counts: number[] = [];
  const w = await watch({
    message() {},
    close(connection) {
      left.push([...connection.topics]);
      for (const topic of connection.topics) counts.push(connection.publish(topic, 'somebody left'));
      counts.push(connection.subscribe('late') ? 1 : 0);
      connection.unsubscribe('b');
      left.push([...connection.topics]);
    },
  });
  const leaving = await w.join();
  const staying = await w.join();
  for (const topic of ['a', 'b']) leaving.connection.subscribe(topic);
  staying.connection.subscribe('a');
  leaving.client.reset();
  await w.until('close');
  expect([left, counts]).toEqual([
    [['a', 'b'], ['a']],
    [1, 0, 0],
  ]);
  expect((await staying.client.next())?.payload.toString()).toBe('somebody left');
  expect(w.server.stats()).toMatchObject({ topics: 1, subscriptions: 1 });
});

test('a dead connection publishes nothing and has no topics', async () => {
  const w = await watch({ message() {} });
  const dying = await w.join();
  const staying = await w.join();
  for (const { connection } of [dying, staying]) connection.subscribe('a');
  dying.client.reset();
  await w.until('close');
  await turns();
  const { connection } = dying;
  expect([connection.publish('a', 'x'), connection.subscribe('b'), connection.unsubscribe('a')]).toEqual([
    0,
    false,
    false,
  ]);
  expect(connection.topics).toEqual([]);
  expect(w.server.stats()).toMatchObject({ topics: 1, subscriptions: 1, messagesSent: 0 });
});

test('with strictLifetime every use of topics on a dead connection throws', async () => {
  const w = await watch({ message() {}, strictLifetime: true });
  const { client, connection } = await w.join();
  connection.subscribe('a');
  client.reset();
  await w.until('close');
  await turns();
  for (const use of [
    () => connection.publish('a', 'x'),
    () => connection.subscribe('a'),
    () => connection.unsubscribe('a'),
    () => connection.topics,
  ]) {
    expect(use).toThrow(LwsError);
    expect(use).toThrow(connection.id);
  }
});

test('a subscription never reaches a later connection in the same slot', async () => {
  const w = await watch({ message() {} });
  for (let i = 0; i < 50; i++) {
    const { client, connection } = await w.join();
    expect(w.server.subscribers('news')).toBe(0);
    connection.subscribe('news');
    client.reset();
    await w.until('close', 1, connection);
  }
  const { client, connection } = await w.join();
  expect(w.server.publish('news', 'for the dead')).toBe(0);
  connection.send('end');
  expect((await client.next())?.payload.toString()).toBe('end');
});

test('iterating the connections while they subscribe, publish and close is well defined', async () => {
  const w = await watch({ message() {} });
  const all: Joined[] = [];
  for (let i = 0; i < 12; i++) all.push(await w.join());
  let sum = 0;
  for (const connection of w.server.connections) {
    connection.subscribe('news');
    sum += connection.publish('news', 'x');
    if (sum % 2 === 0) connection.close();
  }
  const open = all.filter(({ connection }) => connection.isOpen).length;
  expect(w.server.subscribers('news')).toBe(open);
  expect(w.server.publish('news', 'end')).toBe(open);
});

test('100,000 subscriptions and their ends leave nothing behind', async () => {
  const w = await watch({ message() {}, maxSubscriptions: 200_000 });
  const { client, connection } = await w.join();
  const round = () => {
    for (let i = 0; i < 100_000; i++) connection.subscribe(`topic ${i}`);
    expect(w.server.stats()).toMatchObject({ topics: 100_000, subscriptions: 100_000 });
    for (let i = 0; i < 100_000; i++) connection.unsubscribe(`topic ${i}`);
    expect(w.server.stats()).toMatchObject({ topics: 0, subscriptions: 0 });
  };
  const settledMemory = async () => {
    await survivors([new WeakRef({})]);
    return process.memoryUsage.rss();
  };
  for (let i = 0; i < 3; i++) round();
  /* V8's heap grows now and then, a leak with every round: less than the smallest struct for each */
  let least = Number.POSITIVE_INFINITY;
  for (let window = 0; window < 6 && least >= 500_000 * 24; window++) {
    const before = await settledMemory();
    for (let i = 0; i < 5; i++) round();
    least = Math.min(least, (await settledMemory()) - before);
  }
  expect(least).toBeLessThan(500_000 * 24);
  for (let i = 0; i < 100_000; i++) connection.subscribe(`topic ${i}`);
  client.reset();
  await w.until('close');
  expect(w.server.stats()).toMatchObject({ topics: 0, subscriptions: 0 });
});

test('a connection that had subscriptions can be collected', async () => {
  const w = await watch({ message() {} });
  const refs: WeakRef<object>[] = [];
  const live = async () => {
    const client = await join(w.port);
    const connection = [...w.server.connections][0]!;
    refs.push(new WeakRef(connection));
    connection.subscribe('a');
    connection.publish('a', 'x');
    client.reset();
    while (w.server.connections.size > 0) await turns(1);
  };
  for (let i = 0; i < 10; i++) await live();
  w.calls.length = 0;
  expect(await survivors(refs, 1)).toBeLessThanOrEqual(1);
});
