import { describe, expect, test } from 'vitest';
import type { CloseInfo, Connection, LwsError } from '../../lib/index.js';
import { turns, watch } from '../helpers/lifecycle.js';
import { BINARY, CLOSE, closeFrame, frame, PING, PONG, TEXT, upgradeRequest } from './fixtures/wire.mjs';

interface Gate {
  readonly promise: Promise<void>;
  open(): void;
  fail(cause: unknown): void;
}

function gate(): Gate {
  let open!: () => void;
  let fail!: (cause: unknown) => void;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

const texts = ['one', 'two', 'three'];
const frames = texts.map((text) => frame(TEXT, text));

describe('an upgrade that is decided later', () => {
  test('delivers frames that came with the request or while it was held, in order, after open', async () => {
    const decision = gate();
    const w = await watch({
      upgrade: () => decision.promise.then(() => ({ data: 'decided' })),
      message() {},
    });
    const client = w.dial(Buffer.concat([upgradeRequest(), frames[0]!]));
    while (w.server.stats().requests === 0) await turns(1);
    client.write(frames[1]!);
    await turns();
    expect(w.calls).toEqual([]);
    decision.open();
    expect(await client.head).toMatch(/^HTTP\/1\.1 101 /);
    client.write(frames[2]!);
    const { connection } = await w.until('message', 3);
    expect(connection!.data).toBe('decided');
    expect(w.story()).toBe('open message message message');
    expect(w.calls.slice(1).map(({ detail }) => detail)).toEqual(texts);
  });

  test('is refused with 503 after handshakeTimeout, and the late decision does nothing', async () => {
    const decision = gate();
    const w = await watch({ upgrade: () => decision.promise.then(() => ({})), handshakeTimeout: 30 });
    const client = w.dial();
    expect(await client.head).toMatch(/^HTTP\/1\.1 503 /);
    decision.open();
    await turns();
    expect(w.calls).toEqual([]);
  });

  test('may refuse in words of its own', async () => {
    const decision = gate();
    const refusal = { status: 401, headers: { 'WWW-Authenticate': 'Basic' }, body: 'who are you?' };
    const w = await watch({ upgrade: () => decision.promise.then(() => refusal) });
    const client = w.dial();
    decision.open();
    const answer = await client.head;
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer).toContain('WWW-Authenticate: Basic');
    expect(answer).toContain('\r\n\r\nwho are you?');
    expect(w.calls).toEqual([]);
  });
});

describe('while open is pending', () => {
  test('no message comes; all come in order when it has settled', async () => {
    const opening = gate();
    const w = await watch({ open: () => opening.promise, message() {} });
    const { client } = await w.join();
    client.write(...frames);
    await turns(10);
    expect(w.story()).toBe('open');
    opening.open();
    await w.until('message', 3);
    expect(w.calls.slice(1).map(({ detail }) => detail)).toEqual(texts);
  });

  test('no message comes, even when it stood in the same read as the request', async () => {
    const opening = gate();
    const w = await watch({ open: () => opening.promise, message() {} });
    w.dial(Buffer.concat([upgradeRequest(), ...frames]));
    await w.until('open');
    await turns(10);
    expect(w.story()).toBe('open');
    opening.open();
    await w.until('message', 3);
    expect(w.calls.slice(1).map(({ detail }) => detail)).toEqual(texts);
  });

  test('input is bounded: the peer is held back', async () => {
    const opening = gate();
    const w = await watch({ open: () => opening.promise, message() {} });
    const { client } = await w.join();
    const message = frame(BINARY, Buffer.alloc(1024 * 1024));
    const before = w.server.stats().bytesReceived;
    for (let i = 0; i < 16; i++) client.write(message);
    for (let i = 0; i < 200; i++) await turns(1);
    expect(w.server.stats().bytesReceived - before).toBeLessThan(512 * 1024);
    opening.open();
    await w.until('message', 16);
  });

  test('the server may send, and its close handler waits', async () => {
    const opening = gate();
    let connection!: Connection;
    const w = await watch({
      open(c) {
        connection = c;
        c.send('welcome');
        return opening.promise;
      },
      message() {},
    });
    const { client } = await w.join();
    expect((await client.next())?.payload.toString()).toBe('welcome');
    connection.close(4000);
    expect((await client.next())?.opcode).toBe(CLOSE);
    client.write(closeFrame(4000));
    client.shut();
    while (w.server.stats().transports > 0) await turns(1);
    await turns();
    expect(w.story()).toBe('open');
    opening.open();
    expect((await w.until('close')).detail).toEqual({ code: 4000, reason: '', clean: true });
  });

  test.each(['terminate', 'reset'])(
    'a connection that ends by %s is told so after it has settled',
    async (how) => {
      const opening = gate();
      const w = await watch({
        upgrade: () => ({ data: 'kept' }),
        open: () => opening.promise,
        message() {},
      });
      const { client, connection } = await w.join();
      if (how === 'reset') client.reset();
      else connection.terminate();
      while (w.server.stats().transports > 0) await turns(1);
      await turns();
      expect(w.story()).toBe('open');
      expect(connection.data).toBe('kept');
      opening.open();
      expect(((await w.until('close')).detail as CloseInfo).code).toBe(1006);
    },
  );

  test('a peer that sends and closes is told in that order', async () => {
    const opening = gate();
    const w = await watch({ open: () => opening.promise, message() {} });
    const { client } = await w.join();
    client.write(...frames, closeFrame(4001, 'that was all'));
    client.shut();
    await turns(10);
    expect(w.story()).toBe('open');
    opening.open();
    const { detail } = await w.until('close');
    expect(detail).toEqual({ code: 4001, reason: 'that was all', clean: true });
    expect(w.story()).toBe('open message message message close');
  });

  test('a rejection closes with 1011, and no message is delivered', async () => {
    const opening = gate();
    const errors: LwsError[] = [];
    const w = await watch({ open: () => opening.promise, message() {}, error: (e) => void errors.push(e) });
    const { client } = await w.join();
    client.write(...frames);
    await turns();
    const cause = new Error('not today');
    opening.fail(cause);
    expect((await client.next())?.payload.readUInt16BE()).toBe(1011);
    client.write(closeFrame(1011));
    client.shut();
    await w.until('close');
    expect(w.story()).toBe('open error close');
    expect(errors).toMatchObject([{ code: 'ERR_HANDLER', cause }]);
  });

  test('a rejection after the peer left is told before close', async () => {
    const opening = gate();
    const w = await watch({ open: () => opening.promise, error() {} });
    const { client } = await w.join();
    client.reset();
    while (w.server.stats().transports > 0) await turns(1);
    opening.fail(new Error('too late'));
    await w.until('close');
    expect(w.story()).toBe('open error close');
  });

  test('handshakeTimeout closes with 1011 and ERR_TIMEOUT as the cause', async () => {
    const errors: LwsError[] = [];
    const w = await watch({
      open: () => gate().promise,
      handshakeTimeout: 30,
      message() {},
      error: (e) => void errors.push(e),
    });
    const { client } = await w.join();
    expect((await client.next())?.payload.readUInt16BE()).toBe(1011);
    client.write(closeFrame(1011));
    client.shut();
    await w.until('close');
    expect(errors).toMatchObject([{ code: 'ERR_HANDLER', cause: { code: 'ERR_TIMEOUT' } }]);
  });
});

describe('an async iterator', () => {
  test('inside open receives at once', async () => {
    const read: unknown[] = [];
    const w = await watch({
      async open(connection) {
        for await (const data of connection) {
          read.push(data);
          connection.send(`got ${data}`);
          if (data === 'three') break;
        }
      },
    });
    const { client } = await w.join();
    client.write(...frames);
    for (const text of texts) expect((await client.next())?.payload.toString()).toBe(`got ${text}`);
    expect(read).toEqual(texts);
  });

  test('finds what was held since the last loop, bounded', async () => {
    const w = await watch();
    const { client, connection } = await w.join();
    client.write(frame(BINARY, 'first'));
    for await (const _ of connection) break;
    client.write(...frames);
    const before = w.server.stats().bytesReceived;
    const large = frame(BINARY, Buffer.alloc(1024 * 1024));
    for (let i = 0; i < 16; i++) client.write(large);
    for (let i = 0; i < 200; i++) await turns(1);
    expect(w.server.stats().bytesReceived - before).toBeLessThan(512 * 1024);
    const read: unknown[] = [];
    for await (const data of connection) {
      read.push(data);
      if (read.length === 19) break;
    }
    expect(read.slice(0, 3)).toEqual(texts);
    expect(read.slice(3).every((data) => (data as Buffer).length === 1024 * 1024)).toBe(true);
  });

  test('leaves pings answered while nobody reads', async () => {
    const w = await watch();
    const { client } = await w.join();
    client.write(frame(PING, 'there?'));
    const pong = (await client.next())!;
    expect([pong.opcode, pong.payload.toString()]).toEqual([PONG, 'there?']);
  });

  test('ends when the connection closes, after the last message', async () => {
    const w = await watch();
    const { client, connection } = await w.join();
    const reading = (async () => {
      const read: unknown[] = [];
      for await (const data of connection) read.push(data);
      return read;
    })();
    client.write(...frames, closeFrame(1000));
    client.shut();
    expect(await reading).toEqual(texts);
    await w.until('close');
  });

  test('beside a message handler is an error', async () => {
    const w = await watch({ message() {} });
    const { connection } = await w.join();
    expect(() => connection[Symbol.asyncIterator]()).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_STATE' }),
    );
  });

  test('beside another one is an error', async () => {
    const w = await watch();
    const { connection } = await w.join();
    connection[Symbol.asyncIterator]();
    expect(() => connection[Symbol.asyncIterator]()).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_STATE' }),
    );
  });
});
