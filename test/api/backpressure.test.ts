import { describe, expect, it } from 'vitest';
import type { Connection, SendResult, ServerOptions } from '../../lib/index.js';
import { Opcode, readClose } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;
const headerOf = (size: number) => (size < 126 ? 2 : size < 65536 ? 4 : 10);

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const writable = queue<number>();
  const running = await startServer({
    ...record.handlers,
    writable: (connection) => writable.push(connection.bufferedAmount),
    ...options,
  });
  const client = await running.open();
  return { ...running, ...record, writable, client, connection: await record.opened.next() };
}

/** Sends until the socket of a peer that does not read refuses; what was accepted so far, with headers. */
function fill(connection: Connection, piece = MIB): number {
  let wire = 0;
  let result: SendResult;
  do {
    result = connection.send(Buffer.alloc(piece));
    wire += piece + headerOf(piece);
  } while (result === 'sent');
  expect(result).toBe('buffered');
  return wire;
}

describe('bufferedAmount', () => {
  it('is 0 at first, and again when everything has left', async () => {
    const { connection, client } = await pair();
    expect(connection.bufferedAmount).toBe(0);
    connection.send('x');
    await client.frame();
    expect(connection.bufferedAmount).toBe(0);
  });

  it('counts what waits in the ring until the end of the turn', async () => {
    const { connection, client } = await pair();
    connection.send('12345');
    expect(connection.bufferedAmount).toBe(5);
    connection.send(Buffer.alloc(100));
    connection.send('€');
    expect(connection.bufferedAmount).toBe(108);
    await client.frames(3);
    expect(connection.bufferedAmount).toBe(0);
  });

  it('is exact for what the socket refused', async () => {
    const { server, connection, client } = await pair({ maxBackpressure: 2 ** 30 });
    client.pause();
    const before = server.stats().bytesSent;
    let wire = fill(connection);
    for (const size of [0, 1, 125, 126, 4096, 4097, 65535, 65536, 3 * MIB]) {
      connection.send(Buffer.alloc(size));
      wire += size + headerOf(size);
    }
    connection.ping('12345');
    wire += 7;
    await new Promise((resolve) => setImmediate(resolve));
    expect(connection.bufferedAmount).toBeGreaterThan(3 * MIB);
    expect(connection.bufferedAmount + server.stats().bytesSent - before).toBe(wire);
    client.resume();
    let received = 0;
    while (received < wire) {
      const frame = await client.frame();
      received += frame.payload.length + headerOf(frame.payload.length);
    }
    expect(received).toBe(wire);
    await turnUntil(() => connection.bufferedAmount === 0);
  });

  it('goes down as the peer reads', async () => {
    const { connection, client } = await pair({ maxBackpressure: 2 ** 30 });
    client.pause();
    fill(connection);
    for (let i = 0; i < 16; i++) connection.send(Buffer.alloc(MIB));
    const waiting = connection.bufferedAmount;
    expect(waiting).toBeGreaterThan(16 * MIB);
    client.resume();
    await client.frames(8);
    expect(connection.bufferedAmount).toBeLessThan(waiting);
  });

  it('is 0 on a dead connection, however much waited', async () => {
    const { connection, client } = await pair();
    client.pause();
    fill(connection);
    client.reset();
    await connection.closed;
    expect(connection.bufferedAmount).toBe(0);
  });
});

describe('what send answers', () => {
  it('is buffered behind bytes that the socket refused, sent again when they have left', async () => {
    const { connection, client, writable } = await pair();
    expect(connection.send('x')).toBe('sent');
    client.pause();
    fill(connection);
    expect(connection.send('small')).toBe('buffered');
    expect(connection.send(Buffer.alloc(5000))).toBe('buffered');
    client.resume();
    await writable.next();
    expect(connection.send('x')).toBe('sent');
  });
});

describe("onBackpressure: 'close'", () => {
  it('closes with 1013 when a message would pass maxBackpressure, behind what was accepted', async () => {
    const { connection, client, closed } = await pair({ maxBackpressure: 8 * MIB });
    client.pause();
    let accepted = 0;
    while (connection.send(Buffer.alloc(MIB, 1)) !== 'closed') accepted++;
    expect(accepted).toBeGreaterThan(8);
    expect([connection.isOpen, connection.send('more')]).toEqual([false, 'closed']);
    client.resume();
    const frames = await client.frames(accepted + 1);
    expect(frames.slice(0, -1).every((frame) => frame.payload.length === MIB)).toBe(true);
    expect(readClose(frames.at(-1)!)).toEqual({ code: 1013, reason: 'maxBackpressure exceeded' });
    client.end();
    expect(await closed.next()).toMatchObject({ code: 1006, clean: false });
  });

  it.each([
    ['bytes', (size: number) => Buffer.alloc(size)],
    ['ASCII', (size: number) => 'x'.repeat(size)],
    ['text of three bytes a character', (size: number) => '€'.repeat(size / 3)],
  ])('is decided to the byte behind what waits: %s', async (_, make) => {
    for (const size of [3, 999, 4095, 4098, 999_999]) {
      const [fits, passes] = await Promise.all(
        [size, size - 3].map(async (room) => {
          const { connection, client } = await pair({ maxBackpressure: 2 ** 30 });
          client.pause();
          fill(connection);
          Object.assign(connection.host, { maxBackpressure: connection.bufferedAmount + room });
          return connection.send(make(size));
        }),
      );
      expect([size, fits, passes]).toEqual([size, 'buffered', 'closed']);
    }
  });

  it.each([
    ['many bytes', Buffer.alloc(100_000)],
    ['few bytes', Buffer.alloc(1001)],
    ['short text', 'x'.repeat(1001)],
    ['long text', '€'.repeat(50_000)],
  ])('never comes where nothing waits, whatever the size: %s', async (_, data) => {
    const { connection, client } = await pair({ maxBackpressure: 1000 });
    for (let i = 0; i < 3; i++) {
      expect(connection.send(data)).toBe('sent');
      expect((await client.frame()).payload.length).toBe(Buffer.byteLength(data));
    }
  });

  it('never comes for what only waits for the end of the turn', async () => {
    const { connection, client } = await pair({ maxBackpressure: 1000 });
    const sizes = [1, 400, 400, 400, 5000, 1, 1000, 1001];
    expect(sizes.map((size) => connection.send('x'.repeat(size)))).toEqual(sizes.map(() => 'sent'));
    for (let i = 0; i < 20; i++) connection.ping('x'.repeat(100));
    const frames = await client.frames(sizes.length + 20);
    expect(frames.map((frame) => frame.payload.length)).toEqual([...sizes, ...Array(20).fill(100)]);
  });

  it('comes after one message of any size to a peer that reads none of it', async () => {
    const { connection, client } = await pair();
    client.pause();
    expect(connection.send(Buffer.alloc(40 * MIB))).toBe('buffered');
    expect(connection.send(Buffer.alloc(0))).toBe('closed');
    client.resume();
    expect((await client.frame()).payload.length).toBe(40 * MIB);
    expect(readClose(await client.frame())).toEqual({ code: 1013, reason: 'maxBackpressure exceeded' });
  });

  it('does not hinder the echo of the largest message with default options', async () => {
    const { open } = await startServer({ message: (c, data) => void c.send(data) });
    const client = await open();
    const largest = Buffer.alloc(16 * MIB, 'largest ');
    for (let i = 0; i < 3; i++) {
      client.send({ opcode: Opcode.BINARY, payload: largest });
      expect((await client.frame()).payload.equals(largest)).toBe(true);
    }
  });

  it('counts pings', async () => {
    const { connection, client } = await pair({ maxBackpressure: MIB });
    client.pause();
    while (connection.bufferedAmount < MIB / 2) connection.send(Buffer.alloc(MIB / 4));
    for (let i = 0; i < 100_000 && connection.isOpen; i++) connection.ping('x'.repeat(125));
    expect(connection.isOpen).toBe(false);
  });
});

describe("onBackpressure: 'drop'", () => {
  it('drops what would pass maxBackpressure, and nothing else', async () => {
    const { connection, client, writable } = await pair({ maxBackpressure: 4 * MIB, onBackpressure: 'drop' });
    client.pause();
    const results: SendResult[] = [];
    for (let i = 0; i < 40; i++) results.push(connection.send(Buffer.alloc(MIB, i)));
    expect(results.slice(-5)).toEqual(Array(5).fill('dropped'));
    expect(connection.bufferedAmount).toBeLessThanOrEqual(4 * MIB + 40 * 10);
    expect(connection.isOpen).toBe(true);
    /* what still fits is taken */
    const room = 4 * MIB - connection.bufferedAmount;
    expect(connection.send(Buffer.alloc(room + 1))).toBe('dropped');
    expect(connection.send(Buffer.alloc(Math.max(0, room - 10), 99))).toBe('buffered');
    client.resume();
    const accepted = results.flatMap((result, i) => (result === 'dropped' ? [] : [i]));
    const frames = await client.frames(accepted.length + 1);
    expect(frames.slice(0, -1).map((frame) => frame.payload[0])).toEqual(accepted);
    await writable.next();
    expect(connection.send('again')).toBe('sent');
    expect((await client.frame()).payload.toString()).toBe('again');
  });

  it('does not keep a connection from being closed', async () => {
    const { connection, client } = await pair({ maxBackpressure: 4 * MIB, onBackpressure: 'drop' });
    client.pause();
    while (connection.send(Buffer.alloc(MIB)) !== 'dropped');
    connection.close(4000);
    client.resume();
    const frames = await client.framesToEndOfClose();
    expect(readClose(frames.at(-1)!).code).toBe(4000);
  });
});

describe('writable', () => {
  it('is told once when a queue ran empty', async () => {
    const { connection, client, writable } = await pair();
    client.pause();
    fill(connection);
    connection.send('behind');
    client.resume();
    expect(await writable.next()).toBe(0);
    connection.ping('end');
    while ((await client.frame()).opcode !== Opcode.PING);
    expect(writable.all.length).toBe(1);
  });

  it('is told again for each queue', async () => {
    const { connection, client, writable } = await pair();
    for (let round = 1; round <= 3; round++) {
      client.pause();
      fill(connection);
      client.resume();
      await writable.next();
    }
    expect(writable.all).toEqual([0, 0, 0]);
  });

  it('is not told when nothing waited', async () => {
    const { connection, client, writable } = await pair();
    for (let i = 0; i < 100; i++) connection.send('x');
    await client.frames(100);
    expect(writable.all).toEqual([]);
  });

  it('is told once after each requestWritable() on a free socket', async () => {
    const { connection, writable } = await pair();
    for (let i = 1; i <= 5; i++) {
      connection.requestWritable();
      await writable.next();
      expect(writable.all.length).toBe(i);
    }
  });

  it('comes after requestWritable() only when the socket takes more', async () => {
    const { connection, client, writable } = await pair();
    client.pause();
    fill(connection);
    connection.requestWritable();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(writable.all).toEqual([]);
    client.resume();
    expect(await writable.next()).toBe(0);
  });

  it('paces a sender that never queues more than one message', async () => {
    const chunk = Buffer.alloc(256 * 1024);
    let sent = 0;
    let most = 0;
    const pump = (connection: Connection) => {
      while (sent < 100) {
        sent++;
        const result = connection.send(chunk);
        most = Math.max(most, connection.bufferedAmount);
        if (result === 'buffered') return;
      }
      connection.close();
    };
    const { open } = await startServer({ open: pump, writable: pump, message() {} });
    const client = await open();
    const frames = await client.framesToEndOfClose();
    expect(frames.length).toBe(101);
    expect(most).toBeLessThanOrEqual(chunk.length + 10);
  });

  it('is not told after close', async () => {
    const { connection, client, writable, closed } = await pair();
    connection.requestWritable();
    connection.close();
    connection.requestWritable();
    client.send({ opcode: Opcode.CLOSE });
    client.end();
    await closed.next();
    connection.requestWritable();
    await new Promise((resolve) => setImmediate(resolve));
    expect(writable.all.length).toBeLessThanOrEqual(1);
  });
});

it('one slow peer does not slow another', async () => {
  const record = recorder();
  const { open } = await startServer({ ...record.handlers, maxBackpressure: 2 ** 30 });
  const slow = await open();
  slow.pause();
  const first = await record.opened.next();
  fill(first);
  const fast = await open();
  const second = await record.opened.next();
  for (let i = 0; i < 100; i++) {
    first.send('slow');
    expect(second.send(`${i}`)).toBe('sent');
    expect((await fast.frame()).payload.toString()).toBe(`${i}`);
  }
});
