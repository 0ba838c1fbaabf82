import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask, folderWith, settled, startHttp } from '../helpers/http.js';
import { queue } from '../helpers/queue.js';
import { turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;
const get = 'GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n';
/* what the sockets of both sides may hold, with room to spare, and far below the sizes asked for */
const IN_FLIGHT = 24 * MIB;

/** How many descriptors of this process are open on a file. */
function descriptors(path: string): number {
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd'))
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === path) count++;
    } catch {
      /* the one of the listing itself */
    }
  return count;
}

/** An endless body that counts what was taken of it. */
function endless() {
  const body = { taken: 0, cancelled: queue<unknown>() };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = Buffer.alloc(128 * 1024);
      body.taken += piece.length;
      controller.enqueue(piece);
    },
    cancel: (reason) => body.cancelled.push(reason),
  });
  return { ...body, stream, taken: () => body.taken };
}

/* Node closes a forgotten FileHandle when it is collected, and warns */
const warnings: Error[] = [];
const keep = (warning: Error): void => void warnings.push(warning);

beforeEach(() => {
  warnings.length = 0;
  process.on('warning', keep);
});

afterEach(async () => {
  globalThis.gc!();
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off('warning', keep);
  expect(warnings).toEqual([]);
});

describe('A peer that does not read', () => {
  test('holds the body stream of its response', async () => {
    const body = endless();
    const { connect } = await startHttp(() => new Response(body.stream));
    const client = await connect();
    client.pause();
    client.write(get);
    expect(await settled(body.taken)).toBeLessThan(IN_FLIGHT);
    client.resume();
    await turnUntil(() => body.taken() > 2 * IN_FLIGHT);
  });

  test('holds a file, and memory stays where it was', async () => {
    const folder = folderWith({ big: '' });
    truncateSync(join(folder, 'big'), 1024 * MIB);
    const { server, connect } = await startHttp(undefined, { files: { '/': folder } });
    const clients = await Promise.all([connect(), connect(), connect()]);
    const before = process.memoryUsage.rss();
    for (const client of clients) {
      client.pause();
      client.write(get);
    }
    expect(await settled(() => server.stats().bytesSent)).toBeLessThan(3 * IN_FLIGHT);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
    expect(descriptors(join(folder, 'big'))).toBe(3);
  });

  test('is cut after idleTimeout, and its stream is cancelled', async () => {
    const body = endless();
    const { server, connect } = await startHttp(() => new Response(body.stream), { idleTimeout: 200 });
    const client = await connect();
    client.pause();
    client.write(get);
    await body.cancelled.next();
    await turnUntil(() => server.stats().transports === 0);
  });
});

test('A piece that is transferred away while it waits cuts the response', async () => {
  const piece = new Uint8Array(2 * IN_FLIGHT);
  const body = new ReadableStream({ start: (controller) => controller.enqueue(piece) });
  const { connect, errors, server } = await startHttp(() => new Response(body));
  const client = await connect();
  client.pause();
  client.write(get);
  await settled(() => server.stats().bytesSent);
  structuredClone(piece.buffer, { transfer: [piece.buffer] });
  client.resume();
  expect((await client.bytesToEnd()).length).toBeLessThan(2 * IN_FLIGHT);
  await turnUntil(() => errors.length > 0);
  expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('transferred') })]);
});

describe('A peer that leaves in the middle', () => {
  test.each(['reset', 'destroy'] as const)('by %s cancels the body stream of its response', async (leave) => {
    const body = endless();
    const { connect, errors, server } = await startHttp(() => new Response(body.stream));
    const client = await connect();
    client.write(get);
    await client.response();
    client[leave]();
    await body.cancelled.next();
    const taken = await settled(body.taken);
    await turnUntil(() => server.stats().transports === 0);
    expect(body.taken()).toBe(taken);
    expect(errors).toEqual([]);
  });

  test.each([
    ['reset', 'reading'],
    ['reset', 'stalled'],
    ['destroy', 'reading'],
    ['destroy', 'stalled'],
  ] as const)('by %s while %s releases its file', async (leave, how) => {
    const folder = folderWith({ big: '' });
    const path = join(folder, 'big');
    truncateSync(path, 1024 * MIB);
    const { connect, errors, server } = await startHttp(undefined, { files: { '/': folder } });
    const client = await connect();
    client.write(get);
    await turnUntil(() => server.stats().bytesSent > MIB);
    if (how === 'stalled') {
      client.pause();
      await settled(() => server.stats().bytesSent);
    }
    expect(descriptors(path)).toBe(1);
    client[leave]();
    await turnUntil(() => descriptors(path) === 0 && server.stats().transports === 0);
    expect(errors).toEqual([]);
  });

  test('before its handler answered has its response dropped and the body cancelled', async () => {
    const body = endless();
    const go = queue<void>();
    const asked = queue<void>();
    const { connect, server, errors } = await startHttp(async () => {
      asked.push();
      await go.next();
      return new Response(body.stream);
    });
    const client = await connect();
    client.write(get);
    await asked.next();
    client.reset();
    await turnUntil(() => server.stats().transports === 0);
    go.push();
    await body.cancelled.next();
    expect(errors).toEqual([]);
  });

  test('while a stream has nothing to give has it cancelled', async () => {
    const cancelled = queue<unknown>();
    const { connect } = await startHttp(
      () => new Response(new ReadableStream({ cancel: (reason) => cancelled.push(reason) })),
    );
    const client = await connect();
    client.write(get);
    await client.response();
    client.reset();
    await cancelled.next();
  });
});

describe('A large file', () => {
  test('arrives as it is, again and again, and is closed each time', async () => {
    const piece = Buffer.alloc(3_000_017);
    for (let i = 0; i < piece.length; i++) piece[i] = (i * 31) >>> 5;
    const folder = folderWith({ big: piece });
    const { port } = await startHttp(undefined, { files: { '/': folder } });
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    const bodies = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const came = await fetch(`http://127.0.0.1:${port}/big`);
        return hash(new Uint8Array(await came.arrayBuffer()));
      }),
    );
    expect(new Set(bodies)).toEqual(new Set([hash(piece)]));
    await turnUntil(() => descriptors(join(folder, 'big')) === 0);
  });

  test('is sent in part without what lies before', async () => {
    const folder = folderWith({ big: '' });
    truncateSync(join(folder, 'big'), 6 * 1024 * MIB);
    const { port, server } = await startHttp(undefined, { files: { '/': folder } });
    const start = 5 * 1024 * MIB;
    const came = await ask({ port, path: '/big', headers: { range: `bytes=${start}-${start + 99_999}` } });
    expect(came).toMatchObject({ status: 206, body: '\0'.repeat(100_000) });
    expect(came.headers['content-range']).toBe(`bytes ${start}-${start + 99_999}/${6 * 1024 * MIB}`);
    expect(server.stats().bytesSent).toBeLessThan(MIB);
  });

  test('that shrinks while it is sent cuts the response', async () => {
    const folder = folderWith({ big: '' });
    const path = join(folder, 'big');
    truncateSync(path, 256 * MIB);
    const { connect, errors, server } = await startHttp(undefined, { files: { '/': folder } });
    const client = await connect();
    client.pause();
    client.write(get);
    await turnUntil(() => server.stats().bytesSent > MIB);
    await settled(() => server.stats().bytesSent);
    truncateSync(path, 10);
    client.resume();
    expect((await client.bytesToEnd()).length).toBeLessThan(256 * MIB);
    await turnUntil(() => errors.length > 0 && descriptors(path) === 0);
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('became shorter') })]);
  });
});

describe('Another peer', () => {
  test('is served while one takes an endless response as fast as it can', async () => {
    const body = endless();
    const { port, connect } = await startHttp((request) =>
      request.path === '/big' ? new Response(body.stream) : new Response('small'),
    );
    const greedy = await connect();
    greedy.socket.removeAllListeners('data');
    greedy.socket.resume();
    greedy.write(get);
    await turnUntil(() => body.taken() > 0);
    for (let i = 0; i < 20; i++) expect((await ask({ port })).body).toBe('small');
  });
});
