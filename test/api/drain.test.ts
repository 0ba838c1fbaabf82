import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Connection, createServer, drain, reconnect, type Server } from '../../lib/index.js';
import { SessionManager } from '../../lib/sessions/index.js';
import { Opcode } from '../helpers/frames.js';
import { connectRaw, handshakeText, type RawClient } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const HINT = /^retry=(\d+);spread=(\d+)$/;

/** What a client was told, and when, from `since` on. */
async function told(client: RawClient, since = performance.now()) {
  const { opcode, payload } = await client.frame();
  const at = performance.now() - since;
  client.send({ opcode: Opcode.CLOSE, payload: payload.subarray(0, 2) });
  client.end();
  const [, retry, spread] = HINT.exec(payload.toString('utf8', 2)) ?? [];
  return { opcode, code: payload.readUInt16BE(0), retry: Number(retry), spread: Number(spread), at };
}

async function clientsOf(open: () => Promise<RawClient>, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, open));
}

async function refusalOf(connect: () => Promise<RawClient>) {
  const client = await connect();
  client.write(handshakeText());
  const response = await client.response();
  client.end();
  return response;
}

/* one that nobody has to be asked about, one with handlers */
const kinds: [string, Parameters<typeof startServer>[0]][] = [
  ['without handlers', {}],
  ['with handlers', { open() {}, message() {} }],
];

describe.each(kinds)('drain() of a server %s', (_, options) => {
  test('tells every connection to come back, and closes', async () => {
    const { server, open } = await startServer(options);
    const clients = await clientsOf(open, 5);
    const drained = drain(server, { over: 0 });
    const answers = await Promise.all(clients.map((client) => told(client)));
    for (const { opcode, code, retry } of answers)
      expect({ opcode, code, retry }).toEqual({ opcode: Opcode.CLOSE, code: 1012, retry: 0 });
    expect(await drained).toEqual({ closed: 5, forced: 0 });
    expect(server.address).toBeUndefined();
    expect(server.connections.size).toBe(0);
  });

  test('refuses upgrades with 503 and a time to come back, and listens until the end', async () => {
    const { server, open, connect } = await startServer(options);
    const client = await open();
    const drained = drain(server, { over: 3000 });
    for (let i = 0; i < 10; i++) {
      const { status, header } = await refusalOf(connect);
      expect(status).toBe(503);
      expect(header('retry-after')).toMatch(/^[123]$/);
    }
    void told(client);
    await server.close();
    expect(await drained).toEqual({ closed: 1, forced: 0 });
  });

  test('lets clients come as before during its delay, but is not ready', async () => {
    const { server, open } = await startServer(options);
    expect(server.isReady).toBe(true);
    const drained = drain(server, { delay: 300, over: 0 });
    expect(server.isReady).toBe(false);
    const client = await open();
    expect(await told(client)).toMatchObject({ code: 1012 });
    expect(await drained).toEqual({ closed: 1, forced: 0 });
  });
});

describe('the pace of drain()', () => {
  test('is even', async () => {
    const { server, open } = await startServer();
    const clients = await clientsOf(open, 100);
    const from = performance.now();
    const drained = drain(server, { over: 1000 });
    const answers = await Promise.all(clients.map((client) => told(client, from)));
    /* nobody goes before its turn; a thread that was away is late by what it missed */
    const times = answers.map(({ at }) => at).sort((a, b) => a - b);
    for (const [place, at] of times.entries()) expect(at).toBeGreaterThan(place * 10 - 110);
    expect(times[99]! - times[0]!).toBeGreaterThan(700);
    for (const { retry } of answers) expect(retry).toBeLessThanOrEqual(100);
    expect(await drained).toEqual({ closed: 100, forced: 0 });
  });

  test('spreads who comes back over the time that the others need', async () => {
    const { server, open } = await startServer();
    const clients = await clientsOf(open, 50);
    const drained = drain(server, { over: 0, rate: 100 });
    const waits = (await Promise.all(clients.map((client) => told(client)))).map(({ retry }) => retry);
    waits.sort((a, b) => a - b);
    for (const [place, wait] of waits.entries()) expect(Math.abs(wait - place * 10)).toBeLessThan(100);
    expect(await drained).toMatchObject({ forced: 0 });
  });

  test('brings clients of ours back when they were told to', async () => {
    const first = await startServer();
    const second = await startServer();
    let at = first.url;
    const delays: number[] = [];
    const clients = Array.from({ length: 20 }, () =>
      reconnect(() => at, {
        retry: ({ delay }) => {
          delays.push(delay);
        },
      }),
    );
    onTestFinished(async () => {
      for (const client of clients) client.close();
      await Promise.all(clients.map(({ finished }) => finished));
    });
    await turnUntil(() => first.server.connections.size === 20);
    at = second.url;
    await drain(first.server, { over: 0, rate: 20 });
    await turnUntil(() => second.server.connections.size === 20);
    delays.sort((a, b) => a - b);
    for (const [place, delay] of delays.entries()) {
      expect(delay).toBeGreaterThan(place * 50 - 100);
      expect(delay).toBeLessThan(place * 50 + 110);
    }
  });
});

describe('what drain() leaves nobody without', () => {
  test('what was sent before goes out before the close frame', async () => {
    const record = recorder();
    const { server, open } = await startServer(record.handlers);
    const client = await open();
    const connection = await record.opened.next();
    for (let i = 0; i < 20; i++) connection.send(Buffer.alloc(100_000, i));
    const drained = drain(server, { over: 0 });
    const frames = await client.framesToEndOfClose();
    expect(frames).toHaveLength(21);
    expect(
      frames.slice(0, 20).every(({ payload }, i) => payload.length === 100_000 && payload[0] === i),
    ).toBe(true);
    expect(await drained).toEqual({ closed: 1, forced: 0 });
  });

  test('a health check is answered, on a network connection that ends', async () => {
    const { server, open, connect } = await startServer({
      request: (): Response => new Response(null, { status: server.isReady ? 200 : 503 }),
    });
    await open();
    const ask = async () => {
      const client = await connect();
      client.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
      return client.response();
    };
    expect((await ask()).status).toBe(200);
    const drained = drain(server, { over: 2000 });
    for (let i = 0; i < 3; i++) {
      const { status, header } = await ask();
      expect(status).toBe(503);
      expect(header('connection')).toBe('close');
    }
    await server.close({ timeout: 0 });
    expect(await drained).toMatchObject({ closed: 1 });
  });

  test('a server without connections ends, and listens no more', async () => {
    const { server, connect } = await startServer({ request: () => new Response(null, { status: 204 }) });
    const drained = drain(server, { delay: 0, over: 0, deadline: 5000 });
    expect(await drained).toEqual({ closed: 0, forced: 0 });
    await expect(connect()).rejects.toThrow('ECONNREFUSED');
  });

  test('network connections that come and go meanwhile do not keep it from ending', async () => {
    const { server, open, connect } = await startServer({
      request: () => new Response(null, { status: 204 }),
    });
    const last = await open();
    const drained = drain(server, { over: 400 });
    last.reset();
    for (let i = 0; i < 5; i++) {
      const client = await connect().catch(() => undefined);
      client?.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client?.ended;
    }
    expect(await drained).toEqual({ closed: 1, forced: 0 });
  });

  test('a session is there for whoever comes back', async () => {
    const sessions = new SessionManager({ ttl: 60_000 });
    onTestFinished(() => sessions.stop());
    const ids: string[] = [];
    const { server, open } = await startServer(
      sessions.serve({
        host: '127.0.0.1',
        open(_, session) {
          ids.push(session.id);
        },
      }),
    );
    const client = await open();
    await turnUntil(() => ids.length === 1);
    const drained = drain(server, { over: 0 });
    await told(client);
    await drained;
    expect(await sessions.get(ids[0]!)).toMatchObject({ id: ids[0] });
  });
});

describe('drain() and what comes in between', () => {
  test('an upgrade that is decided late is refused', async () => {
    let decide!: () => void;
    const { server, connect } = await startServer({
      upgrade: () =>
        new Promise<undefined>((resolve) => {
          decide = () => resolve(undefined);
        }),
    });
    const answer = refusalOf(connect);
    await turnUntil(() => decide !== undefined);
    const drained = drain(server, { over: 1000 });
    decide();
    expect((await answer).status).toBe(503);
    expect(await drained).toEqual({ closed: 0, forced: 0 });
  });

  test('a connection whose open handler still runs is told as well', async () => {
    let ready!: () => void;
    const { server, connect } = await startServer({
      open: () =>
        new Promise<void>((resolve) => {
          ready = resolve;
        }),
    });
    const client = await connect();
    await client.handshake();
    await turnUntil(() => ready !== undefined);
    const drained = drain(server, { over: 0 });
    ready();
    expect(await told(client)).toMatchObject({ code: 1012 });
    expect(await drained).toEqual({ closed: 1, forced: 0 });
  });

  test('a client that does not answer is cut at the deadline', async () => {
    const { server, open } = await startServer({ closeTimeout: 60_000 });
    const client = await open();
    const from = performance.now();
    expect(await drain(server, { over: 0, deadline: 300 })).toEqual({ closed: 1, forced: 1 });
    expect(performance.now() - from).toBeGreaterThan(295);
    await client.ended;
  });

  test.each([0, 300])('close() ends it at once, %i ms before the first goes', async (delay) => {
    const { server, open } = await startServer();
    const clients = await clientsOf(open, 10);
    const drained = drain(server, { delay, over: 60_000 });
    for (const client of clients) void told(client);
    await server.close();
    expect(await drained).toMatchObject({ forced: 0 });
  });

  test('a second call joins the first, a later one its result', async () => {
    const { server, open } = await startServer();
    const client = await open();
    const both = [drain(server, { over: 0 }), drain(server, { over: 9000, code: 4000 })];
    expect(await told(client)).toMatchObject({ code: 1012 });
    expect(await Promise.all(both)).toEqual([
      { closed: 1, forced: 0 },
      { closed: 1, forced: 0 },
    ]);
    expect(await drain(server)).toEqual({ closed: 1, forced: 0 });
  });

  test('a handler that throws changes nothing', async () => {
    const errors: string[] = [];
    const { server, open } = await startServer({
      close() {
        throw new Error('broken');
      },
      error: (error) => errors.push(error.message),
    });
    const clients = await clientsOf(open, 3);
    const drained = drain(server, { over: 0 });
    await Promise.all(clients.map((client) => told(client)));
    expect(await drained).toEqual({ closed: 3, forced: 0 });
    expect(errors).toHaveLength(3);
  });

  test('sockets of a server of Node are sent away too, and its upgrades refused', async () => {
    const open: Connection[] = [];
    const server: Server = createServer({ open: (connection) => void open.push(connection) });
    const node = createHttpServer().listen(0, '127.0.0.1');
    onTestFinished(() => void node.close());
    server.attach(node);
    await turnUntil(() => node.listening);
    const { port } = node.address() as AddressInfo;
    const client = await connectRaw(port);
    await client.handshake();
    const drained = drain(server, { over: 500 });
    const late = await connectRaw(port);
    late.write(handshakeText());
    const { status, header } = await late.response();
    expect(status).toBe(503);
    expect(header('retry-after')).toBe('1');
    late.end();
    expect(await told(client)).toMatchObject({ code: 1012 });
    expect(await drained).toEqual({ closed: 1, forced: 0 });
  });

  test.each([
    ['no server', () => drain({} as never), 'a server of createServer() for drain()'],
    ['a misspelled option', (s: Server) => drain(s, { ovr: 1 } as never), 'did you mean "over"?'],
    ['a negative time', (s: Server) => drain(s, { over: -1 }), 'for the option "over"'],
    ['no rate', (s: Server) => drain(s, { rate: 0 }), 'for the option "rate"'],
    ['a code that nobody may send', (s: Server) => drain(s, { code: 1006 }), '1006'],
    [
      'a deadline before its end',
      (s: Server) => drain(s, { over: 100, deadline: 99 }),
      'at least "delay" and "over" together, 100 for the option "deadline"',
    ],
  ])('%s is refused with a sentence, and nothing begins', async (_, call, says) => {
    const { server } = await startServer();
    await expect(call(server)).rejects.toThrow(says);
    expect(server.isReady).toBe(true);
  });
});
