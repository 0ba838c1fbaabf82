import { describe, expect, it } from 'vitest';
import type { Connection } from '../../lib/index.js';
import { audience, type Seat } from '../helpers/audience.js';
import { encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;

/** Sends to a peer that does not read until its socket refuses. */
function fill({ client, connection }: Seat): void {
  client.pause();
  while (connection.send(Buffer.alloc(MIB)) === 'sent');
}

describe('maxBackpressure holds for what is published', () => {
  it('to the byte, in one turn, counting what is sent and published', async () => {
    const { server, seats } = await audience({ maxBackpressure: 4 * MIB, onBackpressure: 'drop' });
    const [one] = await seats(1);
    fill(one!);
    const room = 4 * MIB - one!.connection.bufferedAmount;
    expect(room).toBeGreaterThan(2000);
    expect(server.publish('news', Buffer.alloc(room + 1))).toBe(0);
    expect(server.publish('news', Buffer.alloc(room - 1000))).toBe(1);
    expect(one!.connection.bufferedAmount).toBe(4 * MIB - 1000);
    expect(one!.connection.send(Buffer.alloc(500))).toBe('buffered');
    expect(server.publish('news', Buffer.alloc(501))).toBe(0);
    expect(one!.connection.send(Buffer.alloc(501))).toBe('dropped');
    one!.client.resume();
    await turnUntil(() => one!.connection.bufferedAmount === 0);
    expect(server.publish('news', Buffer.alloc(501))).toBe(1);
  });

  it('only where bytes wait that the socket refused: else one message of any size is taken', async () => {
    const { server, seats } = await audience({ maxBackpressure: 1000 });
    const all = await seats(2);
    for (const size of [1001, 100_000, 900, 900, 5000, 20_000])
      expect(server.publish('news', Buffer.alloc(size))).toBe(2);
    for (const { client } of all)
      expect((await client.frames(6)).map(({ payload }) => payload.length)).toEqual([
        1001, 100_000, 900, 900, 5000, 20_000,
      ]);
  });

  it("under 'drop': who is full is skipped, others get everything", async () => {
    const { server, seats } = await audience({ maxBackpressure: 4 * MIB, onBackpressure: 'drop' });
    const [slow, ...fast] = await seats(4);
    fill(slow!);
    const counts: number[] = [];
    for (let i = 0; i < 8; i++) {
      counts.push(server.publish('news', Buffer.alloc(MIB, i)));
      for (const { client } of fast) expect((await client.frame()).payload[0]).toBe(i);
    }
    expect(counts.at(-1)).toBe(3);
    expect(slow!.connection.isOpen).toBe(true);
    expect(slow!.connection.bufferedAmount).toBeLessThanOrEqual(4 * MIB + 100);
    slow!.client.resume();
    await turnUntil(() => slow!.connection.bufferedAmount === 0);
    expect(server.publish('news', 'again')).toBe(4);
    while ((await slow!.client.frame()).payload.toString() !== 'again');
  });

  it("under 'close': who is full closes with 1013 behind what it accepted, others notice nothing", async () => {
    const { server, seats, closed } = await audience({ maxBackpressure: 4 * MIB });
    const [slow, ...fast] = await seats(3);
    fill(slow!);
    slow!.connection.send('accepted');
    let taken = 3;
    for (let i = 0; taken === 3; i++) {
      taken = server.publish('news', Buffer.alloc(MIB, i));
      for (const { client } of fast) expect((await client.frame()).payload[0]).toBe(i);
    }
    expect([taken, server.subscribers('news'), server.publish('news', 'small')]).toEqual([2, 2, 2]);
    await turnUntil(() => !slow!.connection.isOpen);
    expect(slow!.connection.send('more')).toBe('closed');
    slow!.client.resume();
    const frames = await slow!.client.framesToEndOfClose();
    expect(readClose(frames.at(-1)!)).toEqual({ code: 1013, reason: 'maxBackpressure exceeded' });
    expect(
      frames.some(({ opcode, payload }) => opcode === Opcode.TEXT && payload.toString() === 'small'),
    ).toBe(false);
    expect(frames.some(({ payload }) => payload.toString() === 'accepted')).toBe(true);
    expect(await closed.next()).toMatchObject({ code: 1013, clean: true });
    for (const { connection } of fast) expect(connection.isOpen).toBe(true);
  });

  it("under 'close': no message of that connection follows, also of those a pause keeps", async () => {
    const told: unknown[] = [];
    const big = Buffer.alloc(4 * MIB);
    const message = (connection: Connection, data: string | Buffer) => {
      told.push(data);
      connection.pause();
    };
    const { server, seats, closed } = await audience({ maxBackpressure: 4 * MIB, message });
    const [one] = await seats(1);
    fill(one!);
    one!.client.write(Buffer.concat(['1', '2', '3'].map((payload) => encodeFrame({ opcode: 1, payload }))));
    await turnUntil(() => told.length > 0);
    expect(server.publish('news', big)).toBe(0);
    await turnUntil(() => !one!.connection.isOpen);
    one!.connection.resume();
    one!.client.resume();
    one!.client.text('behind it');
    await one!.client.framesToEndOfClose();
    await closed.next();
    expect(told).toEqual(['1']);
  });

  it('for several who are full at once, whatever else they are subscribed to', async () => {
    const { server, join } = await audience({ maxBackpressure: 4 * MIB });
    const all = [];
    for (let i = 0; i < 10; i++) all.push(await join(i % 2 ? ['a', 'b', 'c'] : ['a']));
    const full = all.filter((_, i) => i % 3 !== 0);
    for (const seat of full) fill(seat);
    expect(server.publish('a', Buffer.alloc(4 * MIB))).toBe(4);
    expect(['a', 'b', 'c'].map((topic) => server.subscribers(topic))).toEqual([4, 2, 2]);
    for (const seat of full) {
      seat.client.resume();
      const frames = await seat.client.framesToEndOfClose();
      expect(readClose(frames.at(-1)!).code).toBe(1013);
      expect(frames.every(({ payload }) => payload.length <= MIB)).toBe(true);
    }
  });
});

it('a slow subscriber keeps what waits for it by reference: its memory is that of one', async () => {
  const { server, seats } = await audience({ maxBackpressure: 2 ** 30 });
  const all = await seats(40);
  for (const seat of all) fill(seat);
  await new Promise((resolve) => setImmediate(resolve));
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 4; i++) expect(server.publish('news', Buffer.alloc(4 * MIB, i))).toBe(40);
  await new Promise((resolve) => setImmediate(resolve));
  const waits = all.reduce((sum, { connection }) => sum + connection.bufferedAmount, 0);
  expect(waits).toBeGreaterThan(40 * 16 * MIB);
  expect(process.memoryUsage.rss() - before).toBeLessThan(120 * MIB);
  for (const { client } of all) client.reset();
  await turnUntil(() => server.stats().connections === 0);
});

it('writable is told when what was published has left', async () => {
  let writable = 0;
  const { server, seats } = await audience({ maxBackpressure: 2 ** 30, writable: () => void writable++ });
  const [one] = await seats(1);
  one!.client.pause();
  for (let i = 0; i < 8; i++) server.publish('news', Buffer.alloc(MIB));
  await new Promise((resolve) => setImmediate(resolve));
  expect(one!.connection.bufferedAmount).toBeGreaterThan(0);
  one!.client.resume();
  await one!.client.frames(8);
  await turnUntil(() => writable === 1);
  expect(one!.connection.bufferedAmount).toBe(0);
});
