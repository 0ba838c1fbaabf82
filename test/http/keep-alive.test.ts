import { createConnection } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ask, keepAliveAgent, startHttp } from '../helpers/http.js';
import { queue } from '../helpers/queue.js';
import { connectRaw } from '../helpers/raw-client.js';
import { startServer, turnUntil } from '../helpers/server.js';

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

describe('Requests on one transport', () => {
  test('share its data', async () => {
    const { port } = await startHttp<number>((request) => {
      request.transport.data = (request.transport.data ?? 0) + 1;
      return new Response(`${request.transport.id} ${request.transport.data}`);
    });
    const agent = keepAliveAgent();
    const bodies = [];
    for (let i = 0; i < 3; i++) bodies.push((await ask({ port, agent })).body.split(' '));
    expect(bodies.map(([, count]) => count)).toEqual(['1', '2', '3']);
    expect(new Set(bodies.map(([id]) => id)).size).toBe(1);
    expect((await ask({ port })).body).toMatch(/ 1$/);
  });

  test('share it with the connection they become', async () => {
    const opened = queue<unknown>();
    const { connect } = await startServer<unknown, string>({
      request(request) {
        request.transport.data = 'kept';
        return new Response('x');
      },
      open: (connection) => opened.push(connection.transport.data),
    });
    const client = await connect();
    client.write(get('/'));
    await client.response();
    await client.handshake();
    expect(await opened.next()).toBe('kept');
  });

  test('are answered in order though they come at once', async () => {
    const { connect } = await startHttp(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, request.path === '/slow' ? 40 : 0));
      return new Response(request.path);
    });
    const client = await connect();
    client.write(get('/slow') + get('/fast') + get('/last', 'Connection: close\r\n'));
    for (const path of ['/slow', '/fast', '/last']) expect((await client.response()).body).toBe(path);
    expect(await client.ended).toBe('fin');
  });

  test('are taken one at a time', async () => {
    let at = 0;
    let most = 0;
    const { connect } = await startHttp(async () => {
      most = Math.max(most, ++at);
      await new Promise((resolve) => setImmediate(resolve));
      at--;
      return new Response('x');
    });
    const client = await connect();
    client.write(get('/').repeat(20));
    for (let i = 0; i < 20; i++) await client.response();
    expect(most).toBe(1);
  });

  test('with bodies do not mix', async () => {
    const { connect } = await startHttp(async (request) => new Response(await request.text()));
    const client = await connect();
    const post = (text: string) =>
      `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    const chunked =
      'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nthr\r\n2\r\nee\r\n0\r\n\r\n';
    client.write(post('one') + post(get('/two')) + chunked + post('') + post('five'));
    for (const text of ['one', get('/two'), 'three', '', 'five'])
      expect((await client.response()).body).toBe(text);
  });

  test('may fail without harm for those that follow', async () => {
    const { connect, errors } = await startHttp((request) => {
      if (request.path === '/bad') throw new Error('oops');
      return new Response('fine');
    });
    const client = await connect();
    client.write(get('/bad') + get('/good'));
    expect((await client.response()).status).toBe(500);
    expect((await client.response()).body).toBe('fine');
    expect(errors).toHaveLength(1);
  });

  test('are over keepAliveTimeout after the last one', async () => {
    const { connect } = await startHttp(() => new Response('x'), { keepAliveTimeout: 100 });
    const client = await connect();
    client.write(get('/'));
    await client.response();
    expect(await client.ended).toBe('fin');
  });

  test('may come from a peer that half-closed behind the last one', async () => {
    const { connect } = await startHttp(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return new Response(request.path);
    });
    const client = await connect();
    client.write(get('/one') + get('/two'));
    client.end();
    expect((await client.response()).body).toBe('/one');
    expect((await client.response()).body).toBe('/two');
    expect(await client.ended).toBe('fin');
  });

  test('work on a unix socket', async () => {
    const path = `${process.env.TMPDIR ?? '/tmp'}/lws-http-${process.pid}.sock`;
    const { server } = await startServer({
      socketPath: path,
      request: (request) => new Response(`<${request.remoteAddress}>`),
    });
    const client = await connectRaw({ path });
    client.write(get('/', 'Connection: close\r\n'));
    expect((await client.response()).body).toBe('<>');
    client.end();
    await client.ended;
    await turnUntil(() => server.stats().transports === 0);
  });
});

describe('Closing the server', () => {
  test('lets a response finish, then ends its transport', async () => {
    const go = queue<void>();
    const asked = queue<void>();
    const { server, connect } = await startHttp(async () => {
      asked.push();
      await go.next();
      return new Response('whole');
    });
    const client = await connect();
    client.write(get('/') + get('/again'));
    await asked.next();
    const closed = server.close();
    go.push();
    expect((await client.response()).body).toBe('whole');
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await closed).toMatchObject({ forced: 0 });
  });

  test('ends an idle transport at once', async () => {
    const { server, connect } = await startHttp(() => new Response('x'));
    const client = await connect();
    client.write(get('/'));
    await client.response();
    const closed = server.close();
    expect(await client.ended).toBe('fin');
    client.end();
    await closed;
  });

  test('cuts what does not finish in time, and its handler is told', async () => {
    const aborted = queue<unknown>();
    const asked = queue<void>();
    const { server, connect } = await startHttp(async ({ signal }) => {
      asked.push();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      aborted.push(signal.reason);
    });
    const client = await connect();
    client.write(get('/'));
    await asked.next();
    await server.close({ timeout: 50 });
    expect(await aborted.next()).toMatchObject({ name: 'AbortError' });
  });
});

describe('Transport data', () => {
  test('can be collected once an idle transport is gone', async () => {
    let data: WeakRef<object> | undefined;
    const { server, connect } = await startHttp<object>((request) => {
      request.transport.data = { kept: true };
      data = new WeakRef(request.transport.data);
      return new Response('x');
    });
    const client = await connect();
    client.write(get('/'));
    await client.response();
    client.end();
    await client.ended;
    await turnUntil(() => server.stats().transports === 0);
    for (let i = 0; i < 20 && data?.deref(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc?.();
    }
    expect(data?.deref()).toBeUndefined();
  });
});

test('A peer that connects and says nothing costs no handler anything', async () => {
  const { port, server, errors } = await startHttp(() => new Response('x'));
  const socket = createConnection(port, '127.0.0.1');
  await turnUntil(() => server.stats().transports === 1);
  socket.destroy();
  await turnUntil(() => server.stats().transports === 0);
  expect(errors).toEqual([]);
});
