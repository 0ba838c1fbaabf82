import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Connection, connect, type ServerOptions } from '../../lib/index.js';
import { rawServer } from '../client/helpers/raw-server.js';
import { endings, expectAnswers, texts } from '../helpers/endings.js';
import { readClose } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Ways to answer each message with itself. */
const ways: [name: string, options: () => ServerOptions][] = [
  ['message', () => ({ message: (c, data) => void c.send(data) })],
  [
    'message, a promise later',
    () => ({
      async message(c, data) {
        await null;
        await null;
        await new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(resolve)));
        c.send(data);
      },
    }),
  ],
  ['fragment', () => ({ fragment: (c, data) => void c.send(data.toString()) })],
  [
    'a loop in open',
    () => ({
      async open(c) {
        for await (const data of c) c.send(data);
      },
    }),
  ],
  [
    'message, with transient memory',
    () => ({ binaryType: 'transient', message: (c, data) => void c.send(data) }),
  ],
  [
    'message, behind an open that settles late',
    () => ({
      open: () => tick().then(tick) as Promise<void>,
      message: (c, data) => void c.send(data),
    }),
  ],
  [
    'message, behind a pause',
    () => ({
      open(c) {
        c.pause();
        setTimeout(() => c.resume(), 20);
      },
      message: (c, data) => void c.send(data),
    }),
  ],
  [
    'message, one at a time',
    () => ({
      async message(c, data) {
        c.pause();
        c.send(data);
        await tick();
        c.resume();
      },
    }),
  ],
  [
    'a loop that takes its time',
    () => ({
      async open(c) {
        for await (const data of c) {
          c.send(data);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    }),
  ],
  [
    'publish, to itself too',
    () => ({
      open: (c) => void c.subscribe('all'),
      message: (c, data) => void publishers.get(c)!(data),
    }),
  ],
];
const publishers = new WeakMap<Connection, (data: string | Buffer) => void>();

const closing = endings[0]!.bytes('client');

describe('answers to what the peer sent before it ended', () => {
  for (const [way, options] of ways)
    it.each(endings)(`by ${way} go out before our close frame: $name`, async (ending) => {
      const { closed, handlers } = recorder();
      const chosen = options();
      const running = await startServer({
        error: handlers.error,
        close: handlers.close,
        ...chosen,
        open(c) {
          publishers.set(c, (data) => running.server.publish('all', data));
          return chosen.open?.(c);
        },
      });
      const client = await running.open();
      client.write(ending.bytes('client'));
      if (ending.fin) client.end();
      expectAnswers(await client.framesToEnd(), ending);
      client.end();
      expect((await closed.next()).code).toBe(ending.told);
    });

  it('are all there for a client that sends and closes at once', async () => {
    const { url } = await startServer({ message: (c, data) => void c.send(data) });
    const got = queue<string>();
    const client = new WebSocket(url);
    client.on('message', (data) => got.push(String(data)));
    client.on('open', () => {
      for (const text of texts) client.send(text);
      client.close(1000, 'done');
    });
    const code = await new Promise((resolve) => client.once('close', resolve));
    expect([got.all, code]).toEqual([texts, 1000]);
  });

  it.each(endings)('go out of a client as well: $name', async (ending) => {
    const { url, asked } = await rawServer((one) => one.accept());
    const { closed, handlers } = recorder();
    await connect(url, { message: (c, data) => void c.send(data), close: handlers.close });
    const { peer } = await asked.next();
    peer.write(ending.bytes('server'));
    if (ending.fin) peer.end();
    expectAnswers(await peer.frames(texts.length + (ending.answer ? 1 : 0)), ending);
    peer.end();
    expect((await closed.next()).code).toBe(ending.told);
  });

  it('go out of a client that reads in a loop, and to a server of ws', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const got = queue<string>();
    server.on('connection', (socket) => {
      socket.on('message', (data) => got.push(String(data)));
      for (const text of texts) socket.send(text);
      socket.close(1000);
    });
    const client = await connect(`ws://127.0.0.1:${(server.address() as { port: number }).port}`);
    for await (const data of client) client.send(data);
    expect(await client.closed).toMatchObject({ code: 1000, clean: true });
    expect(got.all).toEqual(texts);
  });
});

describe('what send() says', () => {
  it('is true at every moment around the close of the peer', async () => {
    const { opened, closed, handlers } = recorder();
    const running = await startServer({ ...handlers, message: () => undefined });
    const client = await running.open();
    const connection = await opened.next();
    const sent: string[] = [];
    client.write(closing);
    for (let i = 0; closed.all.length === 0 && i < 10_000; i++) {
      const { isOpen } = connection;
      const result = connection.send(`${i}`);
      expect(result).toBe(isOpen ? 'sent' : 'closed');
      if (result === 'sent') sent.push(`${i}`);
      if (!isOpen) break;
      await tick();
    }
    const frames = await client.framesToEnd();
    expect(frames.slice(0, -1).map((frame) => frame.payload.toString())).toEqual(sent);
    expect(readClose(frames.at(-1)!).code).toBe(4000);
  });

  it('is true for a handler that blocks for longer than closeTimeout', async () => {
    const { url, server } = await startServer({
      closeTimeout: 50,
      message(c, data) {
        const until = performance.now() + 100;
        while (performance.now() < until);
        expect(c.send(data)).toBe('sent');
      },
    });
    const client = new WebSocket(url);
    const got = queue<string>();
    client.on('message', (data) => got.push(String(data)));
    client.on('open', () => {
      client.send('slow');
      client.send('slower');
      client.close(1000);
    });
    const code = await new Promise((resolve) => client.once('close', resolve));
    expect([got.all, code]).toEqual([['slow', 'slower'], 1000]);
    await turnUntil(() => server.stats().connections === 0);
  });

  it('is closed once what is held was not taken within closeTimeout', async () => {
    const { opened, closed, handlers } = recorder();
    const running = await startServer({
      ...handlers,
      closeTimeout: 80,
      message(c) {
        c.pause();
      },
    });
    const client = await running.open();
    const started = performance.now();
    client.write(closing);
    const connection = await opened.next();
    const frames = await client.framesToEnd();
    expect(frames.map((frame) => readClose(frame).code)).toEqual([4000]);
    expect(performance.now() - started).toBeGreaterThan(75);
    expect([connection.isOpen, connection.send('late')]).toEqual([false, 'closed']);
    client.end();
    await turnUntil(() => running.server.stats().transports === 0);
    expect(closed.all).toEqual([]);
    for (let i = 0; i < texts.length; i++) connection.resume();
    expect((await closed.next()).code).toBe(4000);
  });

  it('is true where a publication for it did not fit', async () => {
    const { opened, closed, handlers } = recorder();
    const running = await startServer({ ...handlers, maxBackpressure: 1024 * 1024 });
    const client = await running.open();
    const connection = await opened.next();
    connection.subscribe('all');
    client.pause();
    while (connection.bufferedAmount === 0) connection.send(Buffer.alloc(512 * 1024));
    const big = Buffer.alloc(1024 * 1024);
    while (running.server.publish('all', big) > 0);
    expect([connection.isOpen, connection.send('last')]).toEqual([true, 'buffered']);
    await turnUntil(() => !connection.isOpen);
    client.resume();
    const frames = await client.framesToEndOfClose();
    expect(frames.at(-2)!.payload.toString()).toBe('last');
    expect(readClose(frames.at(-1)!).code).toBe(1013);
    await closed.next();
  });
});
