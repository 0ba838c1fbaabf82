import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { drain } from '../../lib/index.js';
import { handshakeText } from '../helpers/raw-client.js';
import { startServer } from '../helpers/server.js';
import { fixture } from './children.js';

const COUNT = 60;
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LAST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** Clients that the kernel has accepted and that have asked, none of which this thread has seen yet. */
function queue(port: number, request: string): Promise<string[]> {
  const told = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(fixture('queued-clients.mjs'), {
    workerData: { port, count: COUNT, request, told },
  });
  onTestFinished(() => void worker.terminate());
  const answers = new Promise<string[]>((resolve) => worker.once('message', resolve));
  for (let seen = 0; seen < COUNT; seen = Atomics.load(told, 0)) Atomics.wait(told, 0, seen, 1000);
  return answers;
}

const all = (status: string) => Array(COUNT).fill(status);
const answer = (): Response => new Response('here');

describe('who waits to be accepted when a server closes', () => {
  test('is answered', async () => {
    const { server, port } = await startServer({ request: answer });
    const answers = queue(port, GET);
    await server.close();
    expect(await answers).toEqual(all('200'));
  });

  test('and asks for an upgrade is told to come back', async () => {
    const { server, port } = await startServer({ message() {} });
    const answers = queue(port, handshakeText());
    void server.close();
    expect(await answers).toEqual(all('503'));
  });

  test('is answered where another server shares the port', async () => {
    const first = await startServer({ request: answer, reusePort: true });
    await startServer({ request: answer, reusePort: true, port: first.port });
    const answers = queue(first.port, LAST);
    await first.server.close();
    expect(await answers).toEqual(all('200'));
  });

  test('is answered when it drains', async () => {
    const { server, port } = await startServer({ request: answer });
    const answers = queue(port, GET);
    await drain(server, { over: 0 });
    expect(await answers).toEqual(all('200'));
  });
});

describe('a kept-alive network connection when a server closes', () => {
  test('has its request answered that is in the socket already', async () => {
    const { server, connect } = await startServer({ request: answer });
    const client = await connect();
    client.write(GET);
    expect((await client.response()).status).toBe(200);
    client.write(GET);
    /* written to the kernel by now, and not read by the server */
    const closed = server.close();
    const { status, header } = await client.response();
    expect([status, header('connection')]).toEqual([200, 'close']);
    client.end();
    await closed;
  });

  test('ends at once where nothing is', async () => {
    const { server, connect } = await startServer({ request: answer });
    const [silent, idle] = [await connect(), await connect()];
    idle.write(GET);
    await idle.response();
    const from = performance.now();
    const closed = server.close();
    await Promise.all([silent.ended, idle.ended]);
    silent.end();
    idle.end();
    await closed;
    expect(performance.now() - from).toBeLessThan(2000);
  });
});
