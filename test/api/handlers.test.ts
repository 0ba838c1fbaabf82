import { describe, expect, it } from 'vitest';
import { type Connection, LwsError, type ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const boom = new Error('boom');
const throws = () => {
  throw boom;
};
const rejects = async () => {
  await null;
  throw boom;
};

/** What makes the server call each handler. */
const causes: Record<
  string,
  (
    connection: Connection,
    client: { send(frame: object): void; text(text: string): void; end(): void },
  ) => void
> = {
  open: () => {},
  message: (_, client) => client.text('x'),
  fragment: (_, client) => client.text('x'),
  pong: (_, client) => client.send({ opcode: Opcode.PONG }),
  writable: (connection) => connection.requestWritable(),
};

describe.each(Object.keys(causes))('a %s handler that fails', (name) => {
  it.each([
    ['by throwing', throws],
    ['by rejecting', rejects],
  ])('%s closes that connection with 1011 and is told as ERR_HANDLER', async (_, handler) => {
    const record = recorder();
    const { open: _open, message: _message, pong: _pong, ...rest } = record.handlers;
    const told: (Connection | undefined)[] = [];
    const all: Connection[] = [];
    const { open, server } = await startServer({
      ...rest,
      ...(name === 'fragment' ? {} : { message() {} }),
      [name]: handler,
      error: (error, connection) => {
        record.errors.push(error);
        told.push(connection);
      },
    } as ServerOptions);
    const client = await open();
    all.push(...server.connections);
    const connection = all[0]!;
    causes[name]!(connection, client);
    const close = (await client.framesToEndOfClose()).at(-1)!;
    expect(readClose(close)).toEqual({ code: 1011, reason: 'the server met an error' });
    const error = await record.errors.next();
    expect(error).toBeInstanceOf(LwsError);
    expect(error).toMatchObject({
      code: 'ERR_HANDLER',
      message: `The ${name} handler failed: boom`,
      cause: boom,
    });
    expect(told).toEqual([connection]);
    expect(await record.closed.next()).toMatchObject({ code: 1011, clean: true });
  });
});

describe('a close handler that fails', () => {
  it.each([
    ['by throwing', throws],
    ['by rejecting', rejects],
  ])('%s is told, and the connection dies all the same', async (_, handler) => {
    const record = recorder();
    const { open, server } = await startServer({ ...record.handlers, close: handler });
    const client = await open();
    const connection = await record.opened.next();
    client.end();
    expect(await record.errors.next()).toMatchObject({
      code: 'ERR_HANDLER',
      message: 'The close handler failed: boom',
    });
    await connection.closed;
    expect([server.connections.size, connection.data, connection.send('x')]).toEqual([
      0,
      undefined,
      'closed',
    ]);
  });
});

describe('what is thrown may be', () => {
  it.each([
    ['an Error', new RangeError('too far'), 'too far'],
    ['a string', 'just text', 'just text'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object', { toString: () => 'an object' }, 'an object'],
    ['an object without prototype', Object.create(null), 'a value that cannot be shown'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    [
      'an Error whose message is no string',
      Object.assign(new Error('x'), { message: Symbol('s') }),
      'Symbol(s)',
    ],
    ['an object that does not let itself be shown', { toString: throws }, 'a value that cannot be shown'],
  ])('%s', async (_, thrown, text) => {
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      message: () => {
        throw thrown;
      },
    });
    const client = await open();
    client.text('x');
    const error = await record.errors.next();
    expect([error.cause, error.message]).toEqual([thrown, `The message handler failed: ${text}`]);
    await client.framesToEndOfClose();
  });
});

describe('a handler that fails', () => {
  it('costs nobody else a message', async () => {
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      message(connection, data) {
        if (data === 'bad') throw boom;
        connection.send(data);
      },
    });
    const clients = await Promise.all(Array.from({ length: 10 }, () => open()));
    for (let i = 0; i < 20; i++)
      for (const [n, client] of clients.entries()) client.text(n % 2 ? `${i}` : i === 10 ? 'bad' : `${i}`);
    for (const [n, client] of clients.entries()) {
      const frames = await client.frames(n % 2 ? 20 : 11);
      expect(frames.slice(0, 10).map((frame) => Number(frame.payload))).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
      ]);
      if (n % 2 === 0) expect(readClose(frames.at(-1)!).code).toBe(1011);
    }
    expect(record.errors.all.length).toBe(5);
  });

  it('stops the messages behind it', async () => {
    const got: unknown[] = [];
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      message: (_, data) => {
        got.push(data);
        throw boom;
      },
    });
    const client = await open();
    client.write(
      Buffer.concat(['one', 'two'].map((payload) => encodeFrame({ opcode: Opcode.TEXT, payload }))),
    );
    await client.framesToEndOfClose();
    await record.closed.next();
    expect(got).toEqual(['one']);
  });
});

it('a bad frame of a peer is no error', async () => {
  const record = recorder();
  const { open } = await startServer({ ...record.handlers });
  const client = await open();
  client.write(Buffer.of(0xff, 0xff));
  await client.framesToEndOfClose();
  await record.closed.next();
  expect(record.errors.all).toEqual([]);
});

describe('pong', () => {
  it('is told with its bytes, which are owned for ever', async () => {
    const kept: Buffer[] = [];
    const { open } = await startServer({ message() {}, pong: (_, data) => void kept.push(data) });
    const client = await open();
    for (let i = 0; i < 100; i++) client.send({ opcode: Opcode.PONG, payload: Buffer.alloc(i, i) });
    await turnUntil(() => kept.length === 100);
    expect(kept.map((data, i) => Buffer.isBuffer(data) && data.equals(Buffer.alloc(i, i)))).toEqual(
      Array(100).fill(true),
    );
  });
});

it('the peer sees open, message and close in their order', async () => {
  const calls: string[] = [];
  const record = recorder();
  const { open } = await startServer({
    open: () => void calls.push('open'),
    message: (_, data) => void calls.push(`message ${data}`),
    pong: () => void calls.push('pong'),
    close: (_, info) => {
      calls.push('close');
      record.closed.push(info);
    },
  });
  const client = await open();
  client.write(
    Buffer.concat([
      encodeFrame({ opcode: Opcode.TEXT, payload: 'one' }),
      encodeFrame({ opcode: Opcode.PONG }),
      encodeFrame({ opcode: Opcode.TEXT, payload: 'two' }),
      encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(1000) }),
    ]),
  );
  client.end();
  await record.closed.next();
  expect(calls).toEqual(['open', 'message one', 'pong', 'message two', 'close']);
});
