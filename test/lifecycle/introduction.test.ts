import { describe, expect, onTestFinished, test } from 'vitest';
import { type Connection, createServer, type Server, type ServerOptions } from '../../lib/index.js';
import { Opcode } from '../helpers/frames.js';
import { connectRaw, type RawClient } from '../helpers/raw-client.js';

/* Without `open`, `upgrade` and the like, the native side accepts alone, and a Connection is made when it is needed. */
async function start(options: ServerOptions = {}): Promise<{ server: Server; port: number }> {
  const server = createServer({ port: 0, host: '127.0.0.1', ...options });
  const { port } = await server.listen();
  onTestFinished(async () => {
    await server.close({ timeout: 200 });
    expect(server.connections.size).toBe(0);
    expect([...server.connections]).toEqual([]);
  });
  return { server, port };
}

async function dial(port: number, target = '/'): Promise<RawClient> {
  const client = await connectRaw(port);
  onTestFinished(() => client.destroy());
  await client.handshake({ target });
  return client;
}

const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};

const echo = { message: (c: Connection, data: string | Buffer) => void c.send(data) };

describe('a connection that nobody has heard of', () => {
  test('counts, and is there when it is looked for', async () => {
    const { server, port } = await start(echo);
    const client = await dial(port, '/room?name=ann');
    expect(server.connections.size).toBe(1);
    expect(server.stats()).toMatchObject({ requests: 1, opened: 1, connections: 1 });
    const [connection] = server.connections;
    expect(server.connections.size).toBe(1);
    expect(connection!.isOpen).toBe(true);
    expect(connection!.request.url).toBe('/room?name=ann');
    expect(connection!.request.query.get('name')).toBe('ann');
    expect(connection!.transport.remotePort).toBe(client.socket.localPort);
    expect(connection!.data).toBeUndefined();
    expect(server.connections.get(connection!.id)).toBe(connection);
    expect([...server.connections]).toEqual([connection]);
    expect(connection!.send('found you')).toBe('sent');
    expect((await client.frame()).payload.toString()).toBe('found you');
  });

  test('is made once, by its first message or by the look, whichever comes first', async () => {
    const seen: Connection[] = [];
    const { server, port } = await start({ message: (c) => void seen.push(c) });
    const [first, second] = [await dial(port), await dial(port)];
    first.text('one');
    await until(() => seen.length === 1);
    const all = [...server.connections];
    expect(all).toHaveLength(2);
    expect(all).toContain(seen[0]);
    second.text('two');
    await until(() => seen.length === 2);
    expect(all).toContain(seen[1]);
  });

  test('has all that a known one has in its first message', async () => {
    const told: unknown[] = [];
    const { port } = await start({
      message(c, data) {
        c.data = { count: 1 };
        told.push([data, c.request.headers.get('host'), c.request.url, c.isOpen, c.protocol]);
      },
    });
    (await dial(port, '/path')).text('hello');
    await until(() => told.length === 1);
    expect(told).toEqual([['hello', 'localhost', '/path', true, '']]);
  });

  test('ends with one close, in which everything is readable', async () => {
    const ends: unknown[] = [];
    const { server, port } = await start({
      close: (c, { code, reason, clean }) => void ends.push([c.request.url, c.isOpen, code, reason, clean]),
    });
    const client = await dial(port, '/bye');
    client.send({ opcode: Opcode.CLOSE, payload: Buffer.from([0x0f, 0xa0, 0x61]) });
    await client.framesToEnd();
    client.end();
    await until(() => ends.length === 1);
    expect(ends).toEqual([['/bye', false, 4000, 'a', true]]);
    expect(server.stats()).toMatchObject({ opened: 1, closed: 1, connections: 0 });
  });

  test('leaves nothing behind when nobody asked for its end', async () => {
    const { server, port } = await start(echo);
    const client = await dial(port);
    client.reset();
    await until(() => server.stats().closed === 1);
    expect(server.connections.size).toBe(0);
    expect([...server.connections]).toEqual([]);
  });

  test('is closed by server.close() with its code', async () => {
    const { server, port } = await start(echo);
    const client = await dial(port);
    const closing = server.close({ code: 1012 });
    const frames = await client.framesToEndOfClose();
    expect(frames.at(-1)!.payload.readUInt16BE(0)).toBe(1012);
    expect(await closing).toEqual({ closed: 1, forced: 0 });
  });

  test('is not open any more when it is looked for after the peer closed', async () => {
    const ends: number[] = [];
    const { server, port } = await start({ close: (_, { code }) => void ends.push(code) });
    const client = await dial(port);
    client.send({ opcode: Opcode.CLOSE, payload: Buffer.from([3, 0xe8]) });
    await client.frame(); /* the echo; our FIN is still awaited */
    const [connection] = server.connections;
    expect(connection!.isOpen).toBe(false);
    expect(connection!.send('too late')).toBe('closed');
    await client.framesToEnd();
    client.end();
    await until(() => ends.length === 1);
    expect(ends).toEqual([1000]);
  });

  test('answers pings, and stays open as long as it answers ours', async () => {
    const { server, port } = await start({ ...echo, pingInterval: 20 });
    const client = await dial(port);
    for (let i = 0; i < 3; i++) {
      expect((await client.frame()).opcode).toBe(Opcode.PING);
      client.send({ opcode: Opcode.PONG, payload: '' });
    }
    client.send({ opcode: Opcode.PING, payload: 'x' });
    let frame = await client.frame();
    while (frame.opcode === Opcode.PING) frame = await client.frame();
    expect(frame.opcode).toBe(Opcode.PONG);
    expect(server.stats()).toMatchObject({ opened: 1, closed: 0 });
  });

  test('tells a pong where there is a handler for it', async () => {
    const pongs: string[] = [];
    const { port } = await start({ pong: (_, data) => void pongs.push(data.toString()) });
    const client = await dial(port);
    client.send({ opcode: Opcode.PONG, payload: 'unasked' });
    await until(() => pongs.length === 1);
    expect(pongs).toEqual(['unasked']);
  });

  test('holds its input until it is iterated when there is no message handler', async () => {
    const { server, port } = await start();
    const client = await dial(port);
    client.text('kept');
    client.text('too');
    const [connection] = server.connections;
    const texts: unknown[] = [];
    for await (const text of connection!) {
      texts.push(text);
      if (texts.length === 2) break;
    }
    expect(texts).toEqual(['kept', 'too']);
  });
});

test('after a request that a handler saw, transport.data is there in the first message', async () => {
  const told: unknown[] = [];
  const { port } = await start({
    request(request) {
      request.transport.data = 'kept alive';
      return new Response('ok');
    },
    message: (c) => void told.push(c.transport.data),
  });
  const client = await connectRaw(port);
  onTestFinished(() => client.destroy());
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect((await client.response()).body).toBe('ok');
  await client.handshake();
  client.text('now');
  await until(() => told.length === 1);
  expect(told).toEqual(['kept alive']);
});

test('10,000 connections that came and went unheard of leave no slot and no object', async () => {
  const { server, port } = await start(echo);
  for (let round = 0; round < 100; round++) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => dial(port)));
    for (const client of clients) client.reset();
  }
  await until(() => server.stats().closed === 10_000);
  expect(server.stats()).toMatchObject({ opened: 10_000, connections: 0, transports: 0 });
  const client = await dial(port);
  client.text('and on');
  expect((await client.frame()).payload.toString()).toBe('and on');
});
