import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { type Connection, LwsError } from '../../lib/index.js';
import { turns, type Watched, watch } from '../helpers/lifecycle.js';
import { CLOSE, type Client, closeFrame, frame, TEXT } from './fixtures/wire.mjs';

/** Every method, and what it answers on a dead connection. */
const uses: [name: string, use: (c: Connection) => unknown, answer: unknown][] = [
  ['send() of text', (c) => c.send('a'), 'closed'],
  ['send() of bytes', (c) => c.send(Buffer.alloc(10)), 'closed'],
  ['send() of many bytes', (c) => c.send(Buffer.alloc(100_000)), 'closed'],
  ['ping()', (c) => c.ping('a'), undefined],
  ['close()', (c) => c.close(4000, 'again'), undefined],
  ['terminate()', (c) => c.terminate(), undefined],
  ['pause()', (c) => c.pause(), undefined],
  ['resume()', (c) => c.resume(), undefined],
  ['requestWritable()', (c) => c.requestWritable(), undefined],
];

/** When a callback of the user's own may still hold a connection that died. */
const moments: [name: string, schedule: (callback: () => void) => void][] = [
  ['a microtask', queueMicrotask],
  ['a promise', (callback) => void Promise.resolve().then(callback)],
  ['a timer', (callback) => void setTimeout(callback, 1)],
  ['an immediate', setImmediate],
  ['the next tick', process.nextTick],
];

/** What `use` came to in each of the moments. */
async function outcomes(use: () => unknown): Promise<unknown[]> {
  const attempt = () => {
    try {
      return use();
    } catch (error) {
      return error;
    }
  };
  const each = moments.map(([, schedule]) => new Promise((resolve) => schedule(() => resolve(attempt()))));
  return Promise.all(each);
}

interface Dead {
  w: Watched;
  connection: Connection;
}

/** A connection that died; `inClose` runs in its close handler. */
async function dead(strictLifetime: boolean, inClose?: (connection: Connection) => void): Promise<Dead> {
  const w = await watch({ strictLifetime, memory: 8, message() {}, close: inClose });
  const { client, connection } = await w.join();
  client.write(closeFrame(4001, 'the peer had enough'));
  client.shut();
  await w.until('close');
  return { w, connection };
}

describe('a dead connection', () => {
  test.each(uses)('answers %s as documented, at any later time', async (_, use, answer) => {
    const { w, connection } = await dead(false);
    expect(await outcomes(() => use(connection))).toEqual(moments.map(() => answer));
    await turns();
    expect(w.story()).toBe('open close');
  });

  test('reads as empty', async () => {
    const { connection } = await dead(false);
    const { data, isOpen, bufferedAmount, memory, protocol, signal } = connection;
    expect([data, isOpen, bufferedAmount, memory.byteLength, protocol]).toEqual([undefined, false, 0, 0, '']);
    expect(signal.aborted).toBe(true);
    expect(await connection.closed).toEqual({ code: 4001, reason: 'the peer had enough', clean: true });
  });

  test('gives an iterator that ends at once', async () => {
    const w = await watch();
    const { client, connection } = await w.join();
    client.reset();
    await w.until('close');
    const messages = [];
    for await (const message of connection) messages.push(message);
    expect(messages).toEqual([]);
  });

  test('is disposed of without waiting', async () => {
    const { connection } = await dead(false);
    await connection[Symbol.asyncDispose]();
  });
});

describe('strictLifetime', () => {
  const strict = [
    ...uses.map(([name, use]) => [name, use] as const),
    ['reading data', (c: Connection) => c.data] as const,
    ['writing data', (c: Connection) => (c.data = 1)] as const,
    ['memory', (c: Connection) => c.memory] as const,
    ['iterating', (c: Connection) => c[Symbol.asyncIterator]()] as const,
  ];

  test.each(strict)('makes %s throw when and why it died, at any later time', async (_, use) => {
    const { connection } = await dead(true);
    for (const error of (await outcomes(() => use(connection))) as LwsError[]) {
      expect(error).toBeInstanceOf(LwsError);
      expect(error.code).toBe('ERR_CONNECTION_CLOSED');
      expect(error.message).toContain(connection.id);
      expect(error.message).toMatch(
        /closed at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \(code 4001: the peer had enough\)/,
      );
    }
  });

  test('leaves what stays readable after death', async () => {
    const { connection } = await dead(true);
    expect(connection.isOpen).toBe(false);
    expect(connection.id).toMatch(/^[0-9a-f]{16}-c/);
    expect(connection.request.path).toBe('/');
    expect(connection.request.remoteAddress).toBe('127.0.0.1');
    expect(connection.transport.remotePort).toBe(connection.request.remotePort);
    expect(connection.signal.aborted).toBe(true);
    expect(await connection.closed).toMatchObject({ code: 4001 });
    await connection[Symbol.asyncDispose]();
  });

  test('does not concern a connection that is open, closing, or inside its close handler', async () => {
    const answers: unknown[] = [];
    const { connection } = await dead(true, (c) => {
      for (const [, use] of uses) answers.push(use(c));
      answers.push(c.data, c.memory.byteLength);
    });
    expect(answers).toEqual([...uses.map(([, , answer]) => answer), undefined, 8]);
    expect(() => connection.send('a')).toThrow(LwsError);
  });
});

describe('a second call', () => {
  const endings: [name: string, steps: ((c: Connection) => void)[], code: number][] = [
    ['close() after close()', [(c) => c.close(4000), (c) => c.close(4002)], 4000],
    ['close() after terminate()', [(c) => c.terminate(), (c) => c.close(4002)], 1006],
    ['terminate() after terminate()', [(c) => c.terminate(), (c) => c.terminate()], 1006],
    ['terminate() after close()', [(c) => c.close(4000), (c) => c.terminate()], 1006],
  ];

  test.each(endings)('%s does no harm: close is told once', async (_, steps, code) => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    for (const step of steps) step(connection);
    const first = await client.next();
    if (first) {
      expect([first.opcode, first.payload.readUInt16BE()]).toEqual([CLOSE, 4000]);
      client.write(closeFrame(first.payload.readUInt16BE()));
      client.shut();
    }
    expect((await w.until('close')).detail).toMatchObject({ code });
    expect(await client.next()).toBeUndefined();
    await turns();
    expect(w.story()).toBe('open close');
  });

  test('close() while the peer’s close crosses ours is a clean end with the peer’s code', async () => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    client.write(closeFrame(4005, 'mine'));
    connection.close(4004, 'ours');
    expect((await client.next())?.payload.readUInt16BE()).toBe(4004);
    expect(await client.next()).toBeUndefined();
    client.shut();
    expect((await w.until('close')).detail).toEqual({ code: 4005, reason: 'mine', clean: true });
  });
});

describe('while a connection is closing', () => {
  async function closing(
    strictLifetime = false,
  ): Promise<{ w: Watched; client: Client; connection: Connection }> {
    const w = await watch({ strictLifetime, message() {} });
    const { client, connection } = await w.join();
    connection.close(4000);
    return { w, client, connection };
  }

  test.each([false, true])(
    'nothing throws and nothing but the close frame leaves (strictLifetime %s)',
    async (strict) => {
      const { w, client, connection } = await closing(strict);
      for (const [name, use, answer] of uses)
        if (name !== 'terminate()') expect(use(connection)).toBe(answer);
      expect((await client.next())?.payload.readUInt16BE()).toBe(4000);
      client.write(frame(TEXT, 'too late'), closeFrame(4000));
      expect(await client.next()).toBeUndefined();
      client.shut();
      await w.until('close');
      expect(w.story()).toBe('open close');
    },
  );

  test('data stays until the close handler has returned', async () => {
    const { w, client, connection } = await closing(true);
    connection.data = 'still mine';
    expect(connection.data).toBe('still mine');
    client.reset();
    await w.until('close');
    expect(() => connection.data).toThrow(LwsError);
  });
});

test('closed and signal asked for early tell the end, after the close handler', async () => {
  const order: string[] = [];
  const w = await watch({ message() {}, close: () => void order.push('close') });
  const { client, connection } = await w.join();
  const { closed, signal } = connection;
  void closed.then(() => order.push('closed'));
  const aborted = once(signal, 'abort').then(() => order.push('signal'));
  expect(signal.aborted).toBe(false);
  client.reset();
  await Promise.all([closed, aborted]);
  expect(order[0]).toBe('close');
  expect(order.sort()).toEqual(['close', 'closed', 'signal']);
  expect(signal.reason).toMatchObject({ code: 'ERR_CONNECTION_CLOSED' });
});
