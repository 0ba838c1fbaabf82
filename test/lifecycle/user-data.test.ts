import { expect, test } from 'vitest';
import { type Connection, protocol } from '../../lib/index.js';
import { watch } from '../helpers/lifecycle.js';
import { frame, TEXT, upgradeRequest } from './fixtures/wire.mjs';

test('data is what upgrade returned, in every event, and can be replaced at any time', async () => {
  const seen: [string, unknown][] = [];
  const w = await watch({
    upgrade: () => ({ data: 'from upgrade' }),
    open(c) {
      seen.push(['open', c.data]);
      c.data = 'from open';
    },
    message(c, text) {
      seen.push(['message', c.data]);
      c.data = `from ${text}`;
      if (text === 'two') c.requestWritable();
    },
    writable: (c) => void seen.push(['writable', c.data]),
    pong: (c) => void seen.push(['pong', c.data]),
    close: (c) => void seen.push(['close', c.data]),
  });
  const { client, connection } = await w.join();
  client.write(frame(TEXT, 'one'), frame(TEXT, 'two'), frame(10, ''));
  await w.until('writable');
  connection.data = 'from outside';
  client.reset();
  await w.until('close');
  expect(seen.filter(([event]) => event !== 'pong')).toEqual([
    ['open', 'from upgrade'],
    ['message', 'from open'],
    ['message', 'from one'],
    ['writable', 'from two'],
    ['close', 'from outside'],
  ]);
  expect(seen).toContainEqual(['pong', 'from two']);
});

test('data of connection and transport are independent', async () => {
  const w = await watch({
    upgrade(request) {
      request.transport.data = 'transport';
      return { data: 'connection' };
    },
    message() {},
  });
  const { connection } = await w.join();
  expect([connection.data, connection.transport.data]).toEqual(['connection', 'transport']);
  connection.data = 'changed';
  expect(connection.transport.data).toBe('transport');
  connection.transport.data = 'changed as well';
  expect(connection.data).toBe('changed');
});

test('two connections share nothing', async () => {
  const w = await watch({
    upgrade: (request) => ({ data: { path: request.path } }),
    memory: 4,
    message() {},
  });
  const [a, b] = await Promise.all([w.join({ path: '/a' }), w.join({ path: '/b' })]);
  expect([a.connection.data, b.connection.data]).toEqual([{ path: '/a' }, { path: '/b' }]);
  expect(a.connection.transport).not.toBe(b.connection.transport);
  new Uint8Array(a.connection.memory).fill(9);
  expect(new Uint8Array(b.connection.memory)).toEqual(new Uint8Array(4));
});

test('a connection is one object from open to close, fit as a key', async () => {
  const counts = new Map<Connection, number>();
  const count = (c: Connection) => void counts.set(c, (counts.get(c) ?? 0) + 1);
  const w = await watch({ open: count, message: count, close: count });
  const { client, connection } = await w.join();
  client.write(frame(TEXT, 'a'), frame(TEXT, 'b'));
  await w.until('message', 2);
  client.reset();
  await w.until('close');
  expect([...counts]).toEqual([[connection, 4]]);
});

test('transport.data set by a request is there for the next one, the upgrade and the connection', async () => {
  const seen: unknown[] = [];
  const w = await watch({
    request(request) {
      seen.push(request.transport.data);
      request.transport.data = { requests: seen.length };
      return new Response('noted');
    },
    upgrade(request) {
      seen.push(request.transport.data);
      return { data: request.transport };
    },
    message() {},
  });
  const get = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const client = w.dial(Buffer.concat([get, get, upgradeRequest()]));
  const { connection } = await w.until('open');
  expect(seen).toEqual([undefined, { requests: 1 }, { requests: 2 }]);
  expect(connection!.transport.data).toEqual({ requests: 2 });
  expect(connection!.data).toBe(connection!.transport);
  client.reset();
  await w.until('close');
  expect(connection!.transport.data).toBeUndefined();
});

test('a subprotocol has handlers, data and memory of its own', async () => {
  const told: string[] = [];
  const w = await watch({
    upgrade: (request) => ({ data: { offered: request.headers.get('sec-websocket-protocol') } }),
    memory: 1,
    message: () => void told.push('none'),
    protocols: {
      chat: protocol({
        memory: 100,
        message: (c, text) => void told.push(`chat ${(c.data as { offered: string }).offered} ${text}`),
      }),
      game: protocol({ memory: 200, message: () => void told.push('game') }),
    },
  });
  const none = await w.join();
  const chat = await w.join({ protocols: ['unknown', 'chat', 'game'] });
  const game = await w.join({ protocols: ['game'] });
  const all = [none, chat, game];
  expect(all.map(({ connection }) => [connection.protocol, connection.memory.byteLength])).toEqual([
    ['', 1],
    ['chat', 100],
    ['game', 200],
  ]);
  for (const { client, connection } of all) {
    client.write(frame(TEXT, 'hello'));
    await w.until('message', 1, connection);
  }
  expect(told).toEqual(['none', 'chat unknown, chat, game hello', 'game']);
});
