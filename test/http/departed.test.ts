import { createConnection } from 'node:net';
import { describe, expect, test } from 'vitest';
import { settled, startHttp } from '../helpers/http.js';
import { queue } from '../helpers/queue.js';
import { turnUntil } from '../helpers/server.js';

const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const post = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc';

/** What a request waits for when its peer leaves, and a promise that is kept when that was noticed. */
const waiting = {
  'a stream with nothing to give': (noticed: () => void) => () =>
    new Response(new ReadableStream({ cancel: noticed })),
  'a stream that paused': (noticed: () => void) => () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('data: 1\n\n')),
        cancel: noticed,
      }),
    ),
  'a handler that never resolves': (noticed: () => void) => (request: { signal: AbortSignal }) => {
    request.signal.addEventListener('abort', noticed);
    return new Promise<Response>(() => {});
  },
};

describe.each(Object.entries(waiting))('A peer that leaves by FIN behind %s', (_, handler) => {
  test.each([
    ['a request', get],
    ['a body that nobody reads', post],
  ])('is noticed, after %s', async (_, text) => {
    const noticed = queue<void>();
    const asked = queue<void>();
    const answer = handler(() => noticed.push());
    const { server, connect, errors } = await startHttp(
      (request) => {
        asked.push();
        return answer(request);
      },
      { closeTimeout: 200 },
    );
    const client = await connect();
    client.write(text);
    await asked.next();
    client.end();
    await noticed.next();
    await turnUntil(() => server.stats().transports === 0);
    expect(errors).toEqual([]);
  });

  test('gives its place to others', async () => {
    const { server, port } = await startHttp(
      handler(() => {}),
      { closeTimeout: 200, maxConnections: 20 },
    );
    for (let i = 0; i < 20; i++) {
      const socket = createConnection(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(get);
      const asked = i + 1;
      await turnUntil(() => server.stats().requests === asked);
      socket.end();
    }
    await turnUntil(() => server.stats().transports === 0);
    const next = createConnection(port, '127.0.0.1');
    next.write(get);
    await turnUntil(() => server.stats().requests === 21);
    next.destroy();
  });
});

describe('A peer that half-closed and still reads', () => {
  test('gets a response for as long as it takes bytes', async () => {
    let pieces = 0;
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        controller.enqueue(Buffer.from('piece'));
        if (++pieces === 10) controller.close();
      },
    });
    const { connect } = await startHttp(() => new Response(body), { closeTimeout: 500 });
    const client = await connect();
    client.write(get);
    client.end();
    expect((await client.bytesToEnd()).toString('latin1')).toMatch(/(piece\r\n.*){10}0\r\n\r\n$/s);
  });

  test('gets all of a response that is larger than the socket', async () => {
    const size = 32 * 1024 * 1024;
    const { connect, server } = await startHttp(() => new Response(Buffer.alloc(size)));
    const client = await connect();
    client.pause();
    client.write(get);
    client.end();
    await settled(() => server.stats().bytesSent);
    client.resume();
    expect((await client.bytesToEnd()).length).toBeGreaterThan(size);
  });

  test('is cut when it stops taking bytes', async () => {
    const noticed = queue<void>();
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.alloc(128 * 1024)),
      cancel: () => noticed.push(),
    });
    const { connect, server } = await startHttp(() => new Response(body), { closeTimeout: 200 });
    const client = await connect();
    client.pause();
    client.write(get);
    client.end();
    await noticed.next();
    await turnUntil(() => server.stats().transports === 0);
  });
});
