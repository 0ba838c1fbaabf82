import { describe, expect, test } from 'vitest';
import {
  type CloseInfo,
  type Connection,
  createServer,
  LwsError,
  type ServerOptions,
} from '../../lib/index.js';
import { turns, uncaught, type Watched, watch } from '../helpers/lifecycle.js';
import { CLOSE, type Client, closeFrame, frame, join, PONG, TEXT } from './fixtures/wire.mjs';

type Name = 'open' | 'message' | 'fragment' | 'writable' | 'pong' | 'close';

/** What makes each handler run. */
const triggers: Record<Name, (client: Client, connection: Connection) => void> = {
  open: () => {},
  message: (client) => client.write(frame(TEXT, 'a')),
  fragment: (client) => client.write(frame(TEXT, 'a', false)),
  writable: (_, connection) => connection.requestWritable(),
  pong: (client) => client.write(frame(PONG, 'a')),
  close: (client) => client.reset(),
};

const names = Object.keys(triggers) as Name[];
const whileOpen = names.filter((name) => name !== 'close');

async function enter(
  name: Name,
  handler: (c: Connection) => unknown,
  more: ServerOptions = {},
): Promise<Entered> {
  const w = await watch({ ...more, [name]: handler });
  const { client, connection } = await w.join();
  triggers[name](client, connection);
  await w.until(name);
  return { w, client, connection };
}

interface Entered {
  w: Watched;
  client: Client;
  connection: Connection;
}

/** Answers the close frame and ends; returns the code that came. */
async function part(client: Client): Promise<number> {
  const close = (await client.next())!;
  expect(close.opcode).toBe(CLOSE);
  const code = close.payload.readUInt16BE();
  client.write(closeFrame(code));
  client.shut();
  return code;
}

describe('close() inside a handler', () => {
  test.each(whileOpen)('%s starts the close handshake', async (name) => {
    const { w, client, connection } = await enter(name, (c) => c.close(4000, 'enough'));
    expect(connection.isOpen).toBe(false);
    expect(await part(client)).toBe(4000);
    expect((await w.until('close')).detail).toEqual({ code: 4000, reason: '', clean: true });
  });

  test('close does nothing', async () => {
    const { w } = await enter('close', (c) => c.close(4000));
    await turns();
    expect(w.story()).toBe('open close');
  });

  test('error does nothing more, since the connection closes already', async () => {
    const w = await watch({
      message() {
        throw new Error('first');
      },
      error: (_, c) => c?.close(4000),
    });
    const { client } = await w.join();
    triggers.message(client, undefined as never);
    expect(await part(client)).toBe(1011);
    await w.until('close');
  });
});

describe('terminate() inside a handler', () => {
  test.each(whileOpen)('%s ends the network connection without a close frame', async (name) => {
    const { w, client } = await enter(name, (c) => c.terminate());
    expect(await client.next()).toBeUndefined();
    expect((await w.until('close')).detail).toEqual({
      code: 1006,
      reason: 'terminate() was called',
      clean: false,
    });
  });

  test('close does nothing', async () => {
    const { w } = await enter('close', (c) => c.terminate());
    await turns();
    expect(w.story()).toBe('open close');
  });

  test('error ends the network connection', async () => {
    const w = await watch({
      message() {
        throw new Error('first');
      },
      error: (_, c) => c?.terminate(),
    });
    const { client } = await w.join();
    triggers.message(client, undefined as never);
    expect((await client.next())?.opcode).toBe(CLOSE);
    expect(await client.next()).toBeUndefined();
    expect((await w.until('close')).detail).toMatchObject({ code: 1006, clean: false });
  });
});

const cause = new Error('the handler’s own error');

const failures: Record<string, () => unknown> = {
  throws: () => {
    throw cause;
  },
  rejects: () => Promise.reject(cause),
};

describe.each(Object.entries(failures))('a handler that %s', (_, failing) => {
  const seen: { error: LwsError; connection: Connection | undefined }[] = [];
  const error: ServerOptions['error'] = (e, connection) => void seen.push({ error: e, connection });

  test.each(whileOpen)('%s closes its connection with 1011 and tells error, once', async (name) => {
    seen.length = 0;
    const { w, client, connection } = await enter(name, failing, { error });
    expect(await part(client)).toBe(1011);
    expect((await w.until('close')).detail).toEqual({ code: 1011, reason: '', clean: true });
    expect(seen).toHaveLength(1);
    expect(seen[0]!.connection).toBe(connection);
    expect(seen[0]!.error).toBeInstanceOf(LwsError);
    expect(seen[0]!.error).toMatchObject({ code: 'ERR_HANDLER', cause });
    expect(seen[0]!.error.message).toContain(`The ${name} handler failed`);
  });

  test('close tells error, and the connection is as dead as any', async () => {
    seen.length = 0;
    const { w, connection } = await enter('close', failing, { error });
    await w.until('error');
    expect(seen).toHaveLength(1);
    expect(seen[0]!.error).toMatchObject({ code: 'ERR_HANDLER', cause });
    expect(seen[0]!.connection).toBe(connection);
    expect([connection.send('a'), connection.data]).toEqual(['closed', undefined]);
    expect(w.story()).toBe('open close error');
  });

  test('upgrade answers 500 and tells error without a connection', async () => {
    seen.length = 0;
    const w = await watch({ upgrade: failing as () => undefined, error });
    const client = w.dial();
    expect(await client.head).toMatch(/^HTTP\/1\.1 500 /);
    expect(seen).toMatchObject([{ error: { code: 'ERR_HANDLER', cause }, connection: undefined }]);
    expect(w.story()).toBe('error');
  });

  test('request answers 500 and tells error without a connection', async () => {
    seen.length = 0;
    const w = await watch({ request: failing as () => undefined, error });
    const client = w.dial(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'));
    expect(await client.head).toMatch(/^HTTP\/1\.1 500 /);
    expect(seen).toMatchObject([{ error: { code: 'ERR_HANDLER', cause }, connection: undefined }]);
  });

  test.each(names)('%s surfaces as uncaught without an error handler', async (name) => {
    const caught = uncaught();
    let opened!: (connection: Connection) => void;
    const open = new Promise<Connection>((resolve) => {
      opened = resolve;
    });
    const surfaced = new Promise<unknown>((resolve) => process.once('uncaughtException', resolve));
    const server = createServer({ open: opened, [name]: failing });
    const client = await join((await server.listen()).port);
    if (name !== 'open') triggers[name](client, await open);
    expect(await surfaced).toBe(cause);
    expect(caught).toEqual([cause]);
    client.reset();
    await server.close();
    expect(server.stats()).toMatchObject({ opened: 1, closed: 1 });
  });
});

describe('an error handler that throws', () => {
  test('surfaces as uncaught and harms nobody', async () => {
    const caught = uncaught();
    const w = await watch({
      message() {
        throw new Error('first');
      },
      error() {
        throw cause;
      },
    });
    const { client } = await w.join();
    client.write(frame(TEXT, 'a'));
    expect(await part(client)).toBe(1011);
    await w.until('close');
    expect(caught).toEqual([cause]);
  });
});

describe('a handler that fails in the middle of a batch', () => {
  test('costs other connections no message', async () => {
    const received: string[] = [];
    const w = await watch({
      message(connection, data) {
        if (connection.request.path === '/bad') throw cause;
        received.push(String(data));
      },
      error() {},
    });
    const good = await Promise.all([w.join(), w.join()]);
    const bad = await w.join({ path: '/bad' });
    /* written in one turn, so read in one */
    const [first, second] = good;
    first!.client.write(frame(TEXT, 'a1'), frame(TEXT, 'a2'));
    bad.client.write(frame(TEXT, 'x'), frame(TEXT, 'never'));
    second!.client.write(frame(TEXT, 'b1'), frame(TEXT, 'b2'));
    expect(await part(bad.client)).toBe(1011);
    await w.until('close', 1, bad.connection);
    await Promise.all(good.map(({ connection }) => w.until('message', 2, connection)));
    expect(received.sort()).toEqual(['a1', 'a2', 'b1', 'b2']);
    expect(
      w.calls.filter(({ event, connection }) => event === 'message' && connection === bad.connection),
    ).toHaveLength(1);
  });
});

describe('the close handler', () => {
  test('still reads everything, which is gone when it has returned', async () => {
    let inside: unknown;
    const w = await watch({
      memory: 16,
      upgrade(request) {
        request.transport.data = 'of the transport';
        return { data: 'of the connection' };
      },
      message() {},
      close(c, info: CloseInfo) {
        inside = [
          c.data,
          c.transport.data,
          c.memory.byteLength,
          c.isOpen,
          c.request.path,
          c.send('x'),
          info.code,
        ];
      },
    });
    const { client, connection } = await w.join({ path: '/who' });
    const { id } = connection;
    expect(connection.memory.byteLength).toBe(16);
    client.reset();
    await w.until('close');
    expect(inside).toEqual(['of the connection', 'of the transport', 16, false, '/who', 'closed', 1006]);
    const { data, transport, memory, isOpen, request } = connection;
    expect([data, transport.data, memory.byteLength, isOpen]).toEqual([undefined, undefined, 0, false]);
    expect([connection.id, request.path, request.remoteAddress]).toEqual([id, '/who', '127.0.0.1']);
    expect(await connection.closed).toMatchObject({ code: 1006 });
  });
});
