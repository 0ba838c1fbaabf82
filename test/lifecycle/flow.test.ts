import { describe, expect, test } from 'vitest';
import type { Connection, ServerOptions } from '../../lib/index.js';
import { turns, type Watched, watch } from '../helpers/lifecycle.js';
import { BINARY, type Client, closeFrame, frame, TEXT } from './fixtures/wire.mjs';

const count = 50;
const texts = Array.from({ length: count }, (_, i) => `message ${i}`);
const batch = texts.map((text) => frame(TEXT, text));

const received = (w: Watched) =>
  w.calls.filter(({ event }) => event === 'message').map(({ detail }) => detail);

/** All of `batch` in one write, so that it crosses in one piece; `first` runs inside the first message. */
async function interrupted(
  first: (c: Connection) => void,
  options: ServerOptions = {},
): Promise<{ w: Watched; client: Client; connection: Connection }> {
  let done = false;
  const w = await watch({
    ...options,
    message(c) {
      if (done) return;
      done = true;
      first(c);
    },
  });
  const { client, connection } = await w.join();
  client.write(...batch);
  await w.until('message');
  await turns(5);
  return { w, client, connection };
}

describe('inside the first message of a batch', () => {
  test('close() lets no other follow', async () => {
    const { w, client } = await interrupted((c) => c.close(4000));
    client.write(frame(TEXT, 'late'), closeFrame(4000));
    client.shut();
    await w.until('close');
    expect(received(w)).toEqual(['message 0']);
  });

  test('terminate() lets no other follow', async () => {
    const { w } = await interrupted((c) => c.terminate());
    await w.until('close');
    expect(received(w)).toEqual(['message 0']);
  });

  test('pause() keeps the others, in order, until resume()', async () => {
    const { w, connection } = await interrupted((c) => c.pause());
    expect(received(w)).toEqual(['message 0']);
    connection.resume();
    await w.until('message', count);
    expect(received(w)).toEqual(texts);
  });

  test('pause() and resume() at once change nothing', async () => {
    const { w } = await interrupted((c) => {
      c.pause();
      c.resume();
    });
    await w.until('message', count);
    expect(received(w)).toEqual(texts);
  });

  test.each(['close', 'terminate'] as const)('pause(), then %s() later, drops what was kept', async (end) => {
    const { w, client, connection } = await interrupted((c) => c.pause());
    connection[end]();
    if (end === 'close') {
      client.write(closeFrame(1000));
      client.shut();
    }
    await w.until('close');
    expect(received(w)).toEqual(['message 0']);
  });

  test('pause() in every message takes one at a time', async () => {
    const w = await watch({
      message(c) {
        c.pause();
        setImmediate(() => c.resume());
      },
    });
    const { client } = await w.join();
    client.write(...batch);
    await w.until('message', count);
    expect(received(w)).toEqual(texts);
  });

  test('pause() keeps pieces of a streamed message as well', async () => {
    const pieces: string[] = [];
    const w = await watch({
      fragment(c, data, { final }) {
        pieces.push(`${data}${final ? '.' : ''}`);
        if (pieces.length === 1) c.pause();
      },
    });
    const { client, connection } = await w.join();
    client.write(frame(TEXT, 'a', false), frame(0, 'b', false), frame(0, 'c'), frame(TEXT, 'd'));
    await turns(5);
    expect(pieces).toEqual(['a']);
    connection.resume();
    await w.until('fragment', 4);
    expect(pieces).toEqual(['a', 'b', 'c.', 'd.']);
  });

  test('pause() keeps lent bytes by copying them', async () => {
    const got: string[] = [];
    const w = await watch({
      binaryType: 'transient',
      message(c, data) {
        if (c.request.path !== '/kept') return;
        got.push(String(data));
        if (got.length === 1) c.pause();
      },
    });
    const { client, connection } = await w.join({ path: '/kept' });
    client.write(...texts.map((text) => frame(BINARY, text)));
    await w.until('message');
    await turns(5);
    /* the lent memory is written anew by the next batch */
    const other = await w.join();
    other.client.write(...texts.map((text) => frame(BINARY, text.toUpperCase())));
    await w.until('message', count, other.connection);
    connection.resume();
    await w.until('message', count, connection);
    expect(got).toEqual(texts);
  });
});

describe('a paused connection', () => {
  test('reads no more than a bounded amount', async () => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    connection.pause();
    const before = w.server.stats().bytesReceived;
    const large = frame(BINARY, Buffer.alloc(1024 * 1024));
    for (let i = 0; i < 16; i++) client.write(large);
    for (let i = 0; i < 200; i++) await turns(1);
    expect(w.server.stats().bytesReceived - before).toBeLessThan(512 * 1024);
    expect(w.story()).toBe('open');
    connection.resume();
    await w.until('message', 16);
  });

  test('may still send and be asked for writable', async () => {
    const w = await watch({ message() {}, writable() {} });
    const { client, connection } = await w.join();
    connection.pause();
    expect(connection.send('out')).toBe('sent');
    connection.requestWritable();
    expect((await client.next())?.payload.toString()).toBe('out');
    await w.until('writable');
  });

  test('whose peer closes delivers what was kept before close, once resumed', async () => {
    const { w, client, connection } = await interrupted((c) => c.pause());
    client.write(closeFrame(4001, 'bye'));
    client.shut();
    await turns(10);
    expect(received(w)).toEqual(['message 0']);
    connection.resume();
    expect((await w.until('close')).detail).toEqual({ code: 4001, reason: 'bye', clean: true });
    expect(received(w)).toEqual(texts);
  });
});

describe('order', () => {
  const sizes = [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 300_000, 10];

  test('of what is sent is kept, whatever way each size takes', async () => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    client.socket.pause();
    const wanted: string[] = [];
    for (let round = 0; round < 20; round++)
      for (const size of sizes) {
        const name = `${round}/${size}`;
        wanted.push(name);
        connection.send(size === 10 ? name : Buffer.from(name.padEnd(size + 10)));
      }
    connection.close(4000);
    client.socket.resume();
    const got: string[] = [];
    for (let f = await client.next(); f && f.opcode !== 8; f = await client.next())
      got.push(f.payload.toString().trimEnd());
    expect(got).toEqual(wanted);
  });

  test('of what is received is kept, however it is cut', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    const wanted = sizes.flatMap((size) => [`${size}`.padEnd(size + 3, '.'), `after ${size}`]);
    const bytes = Buffer.concat(wanted.map((text, i) => frame(i % 2 ? TEXT : BINARY, text)));
    for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 7) % 60_013) {
      client.socket.write(bytes.subarray(at, at + step));
      if (step < 1000) await turns(1);
    }
    await w.until('message', wanted.length);
    expect(received(w).map(String)).toEqual(wanted);
  });

  test('of two connections’ messages in one batch is each connection’s own', async () => {
    const w = await watch({ message: (c, data) => void c.send(data) });
    const both = [await w.join(), await w.join()];
    for (const text of batch) for (const { client } of both) client.socket.write(text);
    for (const { client } of both)
      for (const text of texts) expect((await client.next())?.payload.toString()).toBe(text);
  });
});
