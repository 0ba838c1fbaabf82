import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Connection, createServer, type Server, type ServerOptions } from '../../lib/index.js';
import { survivors, turns } from '../helpers/lifecycle.js';
import {
  BINARY,
  type Client,
  closeFrame,
  dial,
  frame,
  join,
  TEXT,
  upgradeRequest,
} from './fixtures/wire.mjs';

/* the watched server of the other suites remembers everything it saw, so it cannot serve here */
interface Bare {
  readonly port: number;
  readonly server: Server;
  dial(request?: Uint8Array): Client;
  join(): Promise<Client>;
}

async function serve(options: ServerOptions): Promise<Bare> {
  const server = createServer(options);
  const { port } = await server.listen();
  const clients: Client[] = [];
  const keep = (client: Client) => {
    clients.push(client);
    return client;
  };
  onTestFinished(async () => {
    for (const { socket } of clients) socket.destroy();
    await server.close({ timeout: 100 });
  });
  return {
    port,
    server,
    dial: (request) => keep(dial(port, request)),
    join: async () => keep(await join(port)),
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}

const refs: WeakRef<object>[] = [];
beforeEach(() => {
  refs.length = 0;
});
const track = (...targets: object[]) => refs.push(...targets.map((target) => new WeakRef(target)));

const COUNT = 50;

describe('after close', () => {
  test('the value of data is collected, although the connection is kept', async () => {
    const kept: Connection[] = [];
    const { server, join } = await serve({
      upgrade(request) {
        const data = { of: 'the connection' };
        const transportData = { of: 'the transport' };
        request.transport.data = transportData;
        track(data, transportData);
        return { data };
      },
      open: (c) => void kept.push(c),
      message() {},
    });
    const clients = await Promise.all(Array.from({ length: COUNT }, join));
    await until(() => kept.length === COUNT);
    expect(await survivors(refs, 0)).toBe(2 * COUNT);
    for (const client of clients) client.reset();
    await until(() => server.connections.size === 0);
    expect(await survivors(refs)).toBe(0);
    expect(kept.map((c) => c.data)).toEqual(kept.map(() => undefined));
  });

  /** What makes the parts of a connection that most never ask for. */
  const parts: Record<string, (c: Connection) => void> = {
    nothing: () => {},
    memory: (c) => void track(c.memory),
    'closed and signal': (c) => void track(c.closed, c.signal),
    'a pause': (c) => {
      c.pause();
      c.resume();
    },
    'a queue': (c) => void c.send(Buffer.alloc(4 * 1024 * 1024)),
    writable: (c) => c.requestWritable(),
  };

  test.each(Object.entries(parts))(
    'connections that had asked for %s are collected with all they had',
    async (_, use) => {
      const { server, join } = await serve({
        memory: 100_000,
        open(c) {
          track(c, c.transport, c.request);
          use(c);
        },
        message() {},
        writable() {},
      });
      const ends: ((client: Client) => void)[] = [
        (client) => client.reset(),
        (client) => client.shut(),
        (client) => client.write(closeFrame(1000)),
      ];
      const clients = await Promise.all(Array.from({ length: COUNT }, join));
      await until(() => server.stats().opened === COUNT);
      for (const [i, client] of clients.entries()) ends[i % 3]!(client);
      /* those that wait for the FIN of their client */
      await turns(5);
      for (const client of clients) client.socket.destroy();
      await until(() => server.connections.size === 0);
      expect(await survivors(refs)).toBe(0);
    },
  );

  test('connections that were read by an iterator are collected', async () => {
    const { server, join } = await serve({
      async open(c) {
        track(c);
        for await (const _ of c);
      },
    });
    const clients = await Promise.all(Array.from({ length: COUNT }, join));
    for (const client of clients) client.write(frame(TEXT, 'a'), frame(TEXT, 'b'));
    await until(() => server.stats().messagesReceived === 2 * COUNT);
    for (const client of clients) client.reset();
    await until(() => server.connections.size === 0);
    expect(await survivors(refs)).toBe(0);
  });
});

describe('while open', () => {
  test('a connection nobody refers to lives on and receives', async () => {
    const { join } = await serve({
      open: (c) => void track(c),
      message: (c, data) => void c.send(data),
    });
    const client = await join();
    await until(() => refs.length === 1);
    expect(await survivors(refs, 0)).toBe(1);
    client.write(frame(TEXT, 'still there?'));
    expect((await client.next())?.payload.toString()).toBe('still there?');
  });
});

describe('what came before a connection', () => {
  test.each(['refused', 'given up by the peer'])('is collected when the upgrade was %s', async (how) => {
    const { server, dial } = await serve({
      upgrade(request) {
        track(request, request.transport);
        return how === 'refused' ? { status: 403 } : new Promise(() => {});
      },
    });
    const clients = Array.from({ length: COUNT }, () => dial(upgradeRequest()));
    await until(() => refs.length === 2 * COUNT);
    if (how === 'refused') await Promise.all(clients.map(({ head }) => head));
    for (const client of clients) client.reset();
    await until(() => server.stats().transports === 0);
    expect(await survivors(refs)).toBe(0);
  });

  test('is collected when a request was answered or its peer left', async () => {
    const { server, dial } = await serve({
      request(request) {
        track(request, request.transport);
        return request.path === '/wait' ? new Promise<Response>(() => {}) : new Response('here');
      },
    });
    const clients = Array.from({ length: COUNT }, (_, i) =>
      dial(Buffer.from(`GET ${i % 2 ? '/wait' : '/'} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    );
    await until(() => refs.length === 2 * COUNT);
    await turns(5);
    for (const client of clients) client.reset();
    await until(() => server.stats().transports === 0);
    expect(await survivors(refs)).toBe(0);
  });
});

describe('messages', () => {
  /** Small ones share a slab, larger ones another kind, the largest have memory of their own. */
  const sizes = [10, 4096, 50_000, 200_000];

  const distinct = () => new Set(refs.map((ref) => ref.deref()).filter((slab) => slab !== undefined)).size;

  test('let go of their slabs when they are dropped', async () => {
    const { server, join } = await serve({ message: (_, data) => void track((data as Buffer).buffer) });
    const client = await join();
    for (let i = 0; i < 100; i++) client.write(...sizes.map((size) => frame(BINARY, Buffer.alloc(size))));
    await until(() => refs.length === 100 * sizes.length);
    expect(distinct()).toBeGreaterThan(10);
    /* a batch shows the slabs that it may refer to, and no longer those of the one before */
    client.write(frame(BINARY, 'the last'));
    await until(() => server.stats().messagesReceived === refs.length);
    await survivors(refs);
    expect(distinct()).toBeLessThanOrEqual(2);
  });

  test('that are large are dropped at once', async () => {
    const { join } = await serve({ message: (_, data) => void track((data as Buffer).buffer) });
    const client = await join();
    client.write(frame(BINARY, Buffer.alloc(8 * 1024 * 1024)));
    await until(() => refs.length === 1);
    expect(await survivors(refs)).toBe(0);
  });

  test('pin no more than their slab when one is kept', async () => {
    const kept: Buffer[] = [];
    const { join } = await serve({
      message(_, data) {
        track((data as Buffer).buffer);
        if (kept.length === 0) kept.push(data as Buffer);
      },
    });
    const client = await join();
    for (let i = 0; i < 500; i++) client.write(frame(BINARY, Buffer.alloc(1000, 7)));
    await until(() => refs.length === 500);
    client.write(frame(BINARY, 'the last'));
    await until(() => refs.length === 501);
    await survivors(refs);
    expect(distinct()).toBeLessThanOrEqual(2);
    expect(kept[0]!.buffer.byteLength).toBeLessThanOrEqual(64 * 1024);
    expect(kept[0]!.equals(Buffer.alloc(1000, 7))).toBe(true);
  });

  test('leave the memory of the process flat', async () => {
    const { server, join } = await serve({ message() {} });
    const client = await join();
    client.socket.on('drain', () => {});
    const bytes = Buffer.concat(sizes.map((size) => frame(BINARY, Buffer.alloc(size))));
    let sent = 0;
    const pump = async (rounds: number) => {
      for (let i = 0; i < rounds; i++) {
        client.write(bytes);
        sent += sizes.length;
        if (i % 10 === 9) await until(() => server.stats().messagesReceived === sent);
      }
    };
    const settled = async () => {
      await survivors([new WeakRef(server)], 0);
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      return { arrayBuffers, heapUsed };
    };
    await pump(100);
    const before = await settled();
    await pump(500);
    const after = await settled();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 * 1024 * 1024);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(2 * 1024 * 1024);
  });
});

describe('a server', () => {
  test('that was closed is collected with its handlers', async () => {
    const live = async () => {
      const options: ServerOptions = { message: (c, data) => void c.send(data), upgrade: () => undefined };
      const server = createServer(options);
      track(server, options.message!, options.upgrade!);
      const client = await join((await server.listen()).port);
      client.write(frame(TEXT, 'a'));
      await client.next();
      client.reset();
      await server.close();
    };
    for (let i = 0; i < 10; i++) await live();
    expect(await survivors(refs)).toBe(0);
  });

  test('that listens and has no other reference lives on', async () => {
    const port = await (async () => {
      const server = createServer({
        message(c, data) {
          c.send(data);
          if (data === 'done') void server.close();
        },
      });
      track(server);
      return (await server.listen()).port;
    })();
    expect(await survivors(refs, 0)).toBe(1);
    const client = await join(port);
    client.write(frame(TEXT, 'done'));
    expect((await client.next())?.payload.toString()).toBe('done');
    client.reset();
    await client.over;
    expect(await survivors(refs)).toBe(0);
  });
});
