import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClientOptions, createWebSocketStream, WebSocket } from 'ws';
import type { ServerOptions } from '../../lib/index.js';
import { type Queue, queue } from '../helpers/queue.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

interface WsClient {
  socket: WebSocket;
  messages: Queue<string | Buffer>;
  closed: Promise<{ code: number; reason: string }>;
}

/** A client of the `ws` package, open. */
async function dial(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<WsClient> {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false, maxPayload: 0, ...options });
  onTestFinished(() => socket.terminate());
  const messages = queue<string | Buffer>();
  socket.on('message', (data: Buffer, isBinary: boolean) => messages.push(isBinary ? data : data.toString()));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, 'open');
  return { socket, messages, closed };
}

const echo: ServerOptions = { message: (connection, data) => void connection.send(data) };

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await dial(running.url);
  return { ...running, ...record, client, connection: await record.opened.next() };
}

const sizes = [
  0, 1, 2, 124, 125, 126, 127, 128, 1000, 4095, 4096, 4097, 16_384, 65_534, 65_535, 65_536, 65_537, 131_072,
  1_000_000, 16_777_216,
];
const digest = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

describe('messages of ws come back as they went', () => {
  it.each(sizes)('%i bytes', async (size) => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url);
    const bytes = randomBytes(size);
    socket.send(bytes);
    const back = await messages.next();
    expect([Buffer.isBuffer(back), back.length, digest(back)]).toEqual([true, size, digest(bytes)]);
  });

  it.each(sizes.filter((size) => size < 2_000_000))('%i characters, some of each length', async (size) => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url);
    const text = 'aä€😀'
      .repeat(Math.ceil(size / 5))
      .slice(0, size)
      .replace(/\p{Surrogate}$/u, 'x');
    socket.send(text);
    expect(await messages.next()).toBe(text);
  });

  it('a thousand in one turn, mixed, in order', async () => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url);
    const sent = Array.from({ length: 1000 }, (_, i) => (i % 2 ? `text ${i}` : randomBytes((i * 13) % 3000)));
    for (const message of sent) socket.send(message);
    const kindAndDigest = (data: string | Buffer) => `${typeof data} ${digest(data)}`;
    for (const message of sent) expect(kindAndDigest(await messages.next())).toBe(kindAndDigest(message));
  });

  it('in fragments', async () => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url);
    for (const part of ['Hel', 'lo ', 'wor']) socket.send(part, { fin: false });
    socket.ping();
    socket.send('ld', { fin: true });
    expect(await messages.next()).toBe('Hello world');
    socket.send(Buffer.of(1), { fin: false });
    socket.send(Buffer.alloc(0), { fin: false });
    socket.send(Buffer.of(2), { fin: true });
    expect(await messages.next()).toEqual(Buffer.of(1, 2));
  });

  it('unmasked by fault: the connection fails with 1002', async () => {
    const { url } = await startServer(echo);
    const { socket, closed } = await dial(url);
    socket.send('x', { mask: false });
    expect((await closed).code).toBe(1002);
  });

  it('through many clients at once', async () => {
    const { url, server } = await startServer(echo);
    const clients = await Promise.all(Array.from({ length: 50 }, () => dial(url)));
    for (const [i, { socket }] of clients.entries()) for (let n = 0; n < 20; n++) socket.send(`${i} ${n}`);
    for (const [i, { messages }] of clients.entries())
      for (let n = 0; n < 20; n++) expect(await messages.next()).toBe(`${i} ${n}`);
    expect(server.stats()).toMatchObject({ connections: 50, messagesReceived: 1000, messagesSent: 1000 });
  });
});

describe('the stream of ws', () => {
  it('pipes 20 MB through, both ways at once', async () => {
    const { url } = await startServer({ ...echo, maxBackpressure: 64 * 1024 * 1024 });
    const { socket } = await dial(url);
    const stream = createWebSocketStream(socket);
    stream.on('error', () => {});
    const hash = { out: createHash('sha256'), back: createHash('sha256') };
    let expected = 20;
    const done = new Promise<void>((resolve) => {
      let got = 0;
      stream.on('data', (chunk: Buffer) => {
        hash.back.update(chunk);
        got += chunk.length;
        if (got === 20 * 1024 * 1024) resolve();
      });
    });
    while (expected-- > 0) {
      const chunk = randomBytes(1024 * 1024);
      hash.out.update(chunk);
      if (!stream.write(chunk)) await once(stream, 'drain');
    }
    await done;
    expect(hash.back.digest('hex')).toBe(hash.out.digest('hex'));
    stream.end();
    await once(stream, 'close');
  });
});

describe('ping and pong with ws', () => {
  it('its pings are answered by us', async () => {
    const { client } = await pair();
    for (const payload of ['', 'x', 'y'.repeat(125)]) {
      client.socket.ping(payload);
      const [data] = await once(client.socket, 'pong');
      expect(data.toString()).toBe(payload);
    }
  });

  it('ours are answered by it', async () => {
    const { connection, pongs } = await pair();
    connection.ping('hello');
    expect(await pongs.next()).toBe('hello');
  });

  it('its answers keep a silent connection alive', async () => {
    const { closed, server } = await pair({ pingInterval: 50, idleTimeout: 600 });
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect([server.stats().connections, closed.all]).toEqual([1, []]);
  });
});

const codes = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];

describe('closing with ws', () => {
  it.each(codes)('by it, with %i', async (code) => {
    const { client, closed } = await pair();
    client.socket.close(code, 'grün');
    expect((await client.closed).code).toBe(code);
    expect(await closed.next()).toEqual({ code, reason: 'grün', clean: true });
  });

  it.each(codes)('by us, with %i', async (code) => {
    const { client, connection, closed } = await pair();
    connection.close(code, 'grün');
    expect(await client.closed).toEqual({ code, reason: 'grün' });
    expect(await closed.next()).toMatchObject({ code, clean: true });
  });

  it('by it, without a code', async () => {
    const { client, closed } = await pair();
    client.socket.close();
    expect((await client.closed).code).toBe(1005);
    expect(await closed.next()).toEqual({ code: 1005, reason: '', clean: true });
  });

  it('by it, hard', async () => {
    const { client, closed } = await pair();
    client.socket.terminate();
    expect(await closed.next()).toMatchObject({ code: 1006, clean: false });
  });

  it('by us, hard', async () => {
    const { client, connection } = await pair();
    connection.terminate();
    expect((await client.closed).code).toBe(1006);
  });

  it('by us, behind 30 MB that it reads slowly', async () => {
    const { client, connection, closed } = await pair({ maxBackpressure: 64 * 1024 * 1024 });
    client.socket.pause();
    for (let i = 0; i < 30; i++) connection.send(Buffer.alloc(1024 * 1024, i));
    connection.close(4000);
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    expect((await client.closed).code).toBe(4000);
    expect(client.messages.all.map((data) => data[0])).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(await closed.next()).toMatchObject({ code: 4000, clean: true });
  });

  it('for too large a message', async () => {
    const { client } = await pair({ maxPayload: 1000 });
    client.socket.send(Buffer.alloc(1001));
    expect((await client.closed).code).toBe(1009);
  });

  it('for text that is no UTF-8', async () => {
    const { client } = await pair();
    client.socket.send(Buffer.of(0xff), { binary: false });
    expect((await client.closed).code).toBe(1007);
  });
});

describe('the handshake with ws', () => {
  it('brings headers, subprotocols and query', async () => {
    const record = recorder();
    const { url } = await startServer({
      protocols: { b: { open: record.handlers.open, message() {} } },
      upgrade: ({ headers, query }) => ({ data: [headers.get('x-test'), query.get('q')] }),
    });
    const { socket } = await dial(`${url}/p?q=1`, ['a', 'b'], { headers: { 'X-Test': 'yes' } });
    expect(socket.protocol).toBe('b');
    expect((await record.opened.next()).data).toEqual(['yes', '1']);
  });

  it('brings our refusal', async () => {
    const { url } = await startServer({ message() {}, upgrade: () => ({ status: 401, body: 'no' }) });
    const socket = new WebSocket(url);
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(401);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('no');
  });

  it('follows our redirect', async () => {
    const { url } = await startServer({
      ...echo,
      upgrade: ({ path }) => (path === '/old' ? { status: 307, headers: { Location: '/new' } } : undefined),
    });
    const { socket, messages } = await dial(`${url}/old`, [], { followRedirects: true });
    socket.send('x');
    expect(await messages.next()).toBe('x');
    expect(socket.url).toBe(`${url}/new`);
  });

  it('works over a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lws-ws-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 's');
    await startServer({ ...echo, socketPath: path });
    const { socket, messages } = await dial(`ws+unix:${path}:/chat`);
    socket.send('x');
    expect(await messages.next()).toBe('x');
  });

  it('offers compression, which we do not take by default', async () => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url, [], { perMessageDeflate: true });
    expect(socket.extensions).toBe('');
    socket.send('x'.repeat(10_000));
    expect(await messages.next()).toBe('x'.repeat(10_000));
  });
});

describe('backpressure with ws', () => {
  it('paces a sender by writable until a slow reader has everything', async () => {
    const total = 100;
    let sent = 0;
    let most = 0;
    const { url } = await startServer({
      message(connection) {
        pump(connection);
      },
      writable(connection) {
        pump(connection);
      },
    });
    function pump(connection: import('../../lib/index.js').Connection): void {
      while (sent < total) {
        sent++;
        const result = connection.send(Buffer.alloc(512 * 1024, sent));
        most = Math.max(most, connection.bufferedAmount);
        if (result === 'buffered') break;
      }
    }
    const { socket, messages } = await dial(url);
    socket.send('go');
    for (let i = 1; i <= total; i++) {
      expect((await messages.next())[0]).toBe(i);
      if (i % 10 === 0) {
        socket.pause();
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.resume();
      }
    }
    expect(most).toBeLessThanOrEqual(512 * 1024 + 10);
  });

  it('holds a sender that we do not read', async () => {
    const { client, connection, messages } = await pair();
    connection.pause();
    for (let i = 0; i < 32; i++) client.socket.send(Buffer.alloc(1024 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(client.socket.bufferedAmount).toBeGreaterThan(8 * 1024 * 1024);
    connection.resume();
    await turnUntil(() => messages.all.length === 32);
  });
});
