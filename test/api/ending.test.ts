import { describe, expect, it } from 'vitest';
import { type Connection, LwsError, type ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { recorder, startServer } from '../helpers/server.js';

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await running.open();
  return { ...running, ...record, client, connection: await record.opened.next() };
}

const bye = encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(4000, 'done') });
const info = { code: 4000, reason: 'done', clean: true };

describe('closed', () => {
  it.each([
    ['asked for before', true],
    ['asked for afterwards', false],
  ])('resolves with how it ended, %s', async (_, before) => {
    const { client, connection, closed } = await pair();
    const promise = before ? connection.closed : undefined;
    client.socket.end(bye);
    await closed.next();
    expect(await (promise ?? connection.closed)).toEqual(info);
    expect(await connection.closed).toEqual(info);
  });

  it('is one promise', async () => {
    const { connection } = await pair();
    expect(connection.closed).toBe(connection.closed);
  });

  it('resolves after the close handler returned', async () => {
    const story: string[] = [];
    const { client, connection } = await pair({
      close: (c) => {
        void c.closed.then(() => story.push('closed'));
        queueMicrotask(() => story.push('microtask'));
        story.push('handler');
      },
    });
    client.end();
    await connection.closed;
    await null;
    expect(story[0]).toBe('handler');
    expect(story).toContain('closed');
  });
});

describe('signal', () => {
  it('is aborted when the connection has ended, with the reason', async () => {
    const { client, connection } = await pair();
    const { signal } = connection;
    expect(signal.aborted).toBe(false);
    expect(connection.signal).toBe(signal);
    client.socket.end(bye);
    await connection.closed;
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(LwsError);
    expect(signal.reason).toMatchObject({
      code: 'ERR_CONNECTION_CLOSED',
      message: expect.stringMatching(
        new RegExp(
          `^Connection ${connection.id} closed at \\d{4}-.*Z \\(code 4000: done\\); it cannot be used any more$`,
        ),
      ),
    });
  });

  it('asked for afterwards is aborted already', async () => {
    const { client, connection } = await pair();
    client.end();
    await connection.closed;
    expect(connection.signal.aborted).toBe(true);
  });

  it('ends what takes one', async () => {
    const { client, connection } = await pair();
    const { setTimeout } = await import('node:timers/promises');
    const waiting = setTimeout(60_000, undefined, { signal: connection.signal });
    client.end();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('Symbol.asyncDispose', () => {
  it('of a connection closes with 1000 and waits for the end', async () => {
    const { client, connection, closed } = await pair();
    const disposing = connection[Symbol.asyncDispose]();
    expect(readClose(await client.frame()).code).toBe(1000);
    expect(closed.all).toEqual([]);
    client.socket.end(bye);
    await disposing;
    expect(closed.all).toEqual([info]);
    await connection[Symbol.asyncDispose]();
  });

  it('of a server closes it', async () => {
    const { client, server, connection } = await pair();
    const disposing = server[Symbol.asyncDispose]();
    expect(readClose(await client.frame()).code).toBe(1001);
    client.socket.end(bye);
    await disposing;
    expect(connection.isOpen).toBe(false);
    await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
  });
});

/** Everything a connection offers, used once; by name. */
const uses: [name: string, use: (connection: Connection) => unknown, dead: unknown][] = [
  ['send a string', (c) => c.send('x'), 'closed'],
  ['send bytes', (c) => c.send(Buffer.alloc(10)), 'closed'],
  ['send many bytes', (c) => c.send(Buffer.alloc(100_000)), 'closed'],
  ['ping', (c) => c.ping(), undefined],
  ['close', (c) => c.close(), undefined],
  ['terminate', (c) => c.terminate(), undefined],
  ['pause', (c) => c.pause(), undefined],
  ['resume', (c) => c.resume(), undefined],
  ['requestWritable', (c) => c.requestWritable(), undefined],
  ['data', (c) => c.data, undefined],
  ['memory', (c) => c.memory.byteLength, 0],
];

describe('a dead connection', () => {
  it.each(uses)('does nothing, and says so: %s', async (_, use, dead) => {
    const { client, connection } = await pair({ upgrade: () => ({ data: 'x' }) });
    client.end();
    await connection.closed;
    expect(use(connection)).toEqual(dead);
  });

  it('may be used with wrong arguments too', async () => {
    const { client, connection } = await pair();
    client.end();
    await connection.closed;
    expect(connection.send({} as string)).toBe('closed');
    expect(() => connection.close(1)).not.toThrow();
    expect(() => connection.ping('x'.repeat(1000))).not.toThrow();
  });

  it('tells what it was', async () => {
    const { client, connection } = await pair();
    client.socket.end(bye);
    await connection.closed;
    expect(connection).toMatchObject({ isOpen: false, bufferedAmount: 0, protocol: '' });
    expect([connection.memory.byteLength, connection.request.url]).toEqual([0, '/']);
  });

  it('does not take data any more under strictLifetime', async () => {
    const { client, connection } = await pair({ strictLifetime: true });
    client.end();
    await connection.closed;
    expect(() => {
      connection.data = 'x';
    }).toThrow(LwsError);
  });
});

describe('strictLifetime', () => {
  it.each([...uses, ['iterate', (c: Connection) => c[Symbol.asyncIterator](), undefined] as const])(
    'throws when a dead connection is used: %s',
    async (_, use) => {
      const { client, connection } = await pair({ strictLifetime: true, upgrade: () => ({ data: 'x' }) });
      client.socket.end(bye);
      await connection.closed;
      const call = () => use(connection);
      expect(call).toThrow(LwsError);
      expect(call).toThrow(/closed at .* \(code 4000: done\); it cannot be used any more$/);
    },
  );

  it.each(uses)('allows everything inside close: %s', async (_, use) => {
    const errors: unknown[] = [];
    const { client, connection } = await pair({
      strictLifetime: true,
      close: (c) => {
        try {
          use(c);
        } catch (error) {
          errors.push(error);
        }
      },
    });
    client.end();
    await connection.closed;
    expect(errors).toEqual([]);
  });

  it('leaves ids, request, transport, closed and signal readable', async () => {
    const { client, connection } = await pair({ strictLifetime: true });
    client.end();
    await connection.closed;
    expect(() => [
      connection.id,
      connection.request.headers,
      connection.transport.id,
      connection.closed,
      connection.signal,
      connection.isOpen,
      connection.protocol,
      connection.bufferedAmount,
    ]).not.toThrow();
    await connection[Symbol.asyncDispose]();
  });
});
