import { expect, it } from 'vitest';
import { type CloseInfo, connect } from '../../lib/index.js';
import { endCleanly, serve } from './helpers/program.js';

async function join(url: string) {
  const connection = await connect(url);
  const reading = connection[Symbol.asyncIterator]();
  return { connection, thread: (await reading.next()).value as string, reading };
}

it('serves one port from every thread, and tells all clients 1001 at the end', async () => {
  const server = await serve('workers/server.mjs', { THREADS: '3' });
  await server.says('3 threads serve');
  const seen = new Set<string>();
  const closed: Promise<CloseInfo>[] = [];
  /* the kernel deals at random: until each thread had somebody */
  while (seen.size < 3) {
    const { connection, thread } = await join(server.url);
    seen.add(thread);
    closed.push(connection.closed);
  }
  const counted = (await (await fetch(server.url.replace('ws:', 'http:'))).json()) as Record<string, number>;
  expect(`thread ${counted.thread}`).toMatch(/^thread \d+$/);
  expect(counted.connections).toBeGreaterThan(0);
  await endCleanly(server);
  for (const { code, clean } of await Promise.all(closed))
    expect({ code, clean }).toEqual({ code: 1001, clean: true });
});

it('replaces a thread that crashed, whose clients alone are cut', async () => {
  const server = await serve('workers/server.mjs', { THREADS: '2', CRASH: '1' });
  const first = await join(server.url);
  let other = await join(server.url);
  while (other.thread === first.thread) other = await join(server.url);
  first.connection.send('crash');
  expect((await first.connection.closed).code).toBe(1006);
  await server.says('a thread ended with 1; another takes its place');
  other.connection.send('untouched');
  expect((await other.reading.next()).value).toBe('untouched');
  const known = new Set([first.thread, other.thread]);
  for (;;) {
    const { thread, connection } = await join(server.url);
    connection.terminate();
    if (!known.has(thread)) break;
    await connection.closed;
  }
  expect(await server.end()).toBe(0);
});
