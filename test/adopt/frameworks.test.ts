import { createServer as createHttp, type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createAdaptorServer } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Connection,
  createServer,
  type NodeServer,
  type Server,
  type ServerOptions,
} from '../../lib/index.js';
import { connectRaw, handshakeText } from '../helpers/raw-client.js';
import { listening } from './helpers/node-servers.js';

/** Who did not come from middleware has no name. */
type User = { name: string } | undefined;

function ours(options: ServerOptions<User> = {}): Server<User> {
  const server = createServer<User>(options);
  onTestFinished(() => server.close({ timeout: 0 }).then(() => {}));
  return server;
}

async function client(port: number) {
  const raw = await connectRaw(port);
  onTestFinished(() => raw.destroy());
  return raw;
}

const page = 'GET /page HTTP/1.1\r\nHost: localhost\r\n';

/** Servers of Node that a framework made, with a page at /page. */
const frameworks: Record<string, () => NodeServer | Promise<NodeServer>> = {
  Express: () => createHttp(express().get('/page', (_, response) => void response.send('page'))),
  async Fastify() {
    const app = fastify();
    onTestFinished(() => app.close());
    app.get('/page', () => 'page');
    await app.ready();
    return app.server;
  },
  Koa: () =>
    createHttp(
      new Koa()
        .use((context) => {
          context.body = 'page';
        })
        .callback(),
    ),
  Hono: () =>
    createAdaptorServer({ fetch: new Hono().get('/page', (c) => c.text('page')).fetch }) as NodeServer,
};

describe.each(Object.entries(frameworks))('Behind %s', (_, make) => {
  async function start() {
    const { server: node, port } = await listening(await make());
    const server = ours({ message: (c, data) => void c.send(data) });
    server.attach(node, { path: '/chat' });
    return { server, port };
  }

  test('WebSockets and pages share the port', async () => {
    const { port } = await start();
    const socket = await client(port);
    await socket.handshake({ target: '/chat?x=1' });
    socket.text('over');
    expect((await socket.frame()).payload.toString()).toBe('over');
    const web = await client(port);
    web.write(`${page}Connection: close\r\n\r\n`);
    expect((await web.bytesToEnd()).toString()).toMatch(/^HTTP\/1\.1 200 .*page/s);
  });

  test.each([
    ['GET', `${page}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`],
    ['two in a row', `${page}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n${page}\r\n`],
  ])('a page is served to who would rather speak another protocol: %s', async (_, text) => {
    const { port } = await start();
    const web = await client(port);
    web.write(text);
    for (let i = 0; i < text.split('GET').length - 1; i++)
      expect(await web.response()).toMatchObject({ status: 200, body: 'page' });
  });
});

test.each([
  ['Content-Length', 'Content-Length: 10\r\n', 'hello', `world${page}`],
  ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n', page],
])('A body with %s arrives beside an unknown protocol', async (_, field, first, second) => {
  const { server: node, port } = await listening(
    createHttp(async (request, response) => {
      response.end((await request.setEncoding('utf8').toArray()).join(''));
    }),
  );
  ours().attach(node);
  const web = await client(port);
  web.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${field}\r\n${first}`);
  await new Promise((resolve) => setTimeout(resolve, 30));
  web.write(second);
  expect(await web.response()).toMatchObject({ status: 200, body: 'helloworld' });
});

test.each(['h2c, websocket', 'h2c,WebSocket', 'foo/2 , websocket ,'])(
  'Upgrade: %s is one to websocket',
  async (list) => {
    const { server: node, port } = await listening(createHttp());
    ours().attach(node);
    await (await client(port)).handshake({ headers: { Upgrade: list } });
  },
);

test.each(['ws://localhost/chat', 'http://localhost/chat?x'])(
  'The target %s is at its path',
  async (target) => {
    const { server: node, port } = await listening(createHttp());
    ours().attach(node, { path: '/chat' });
    await (await client(port)).handshake({ target });
  },
);

describe('server.adopt', () => {
  async function adopting(
    adopt: (server: Server<User>, request: IncomingMessage, socket: Duplex, head: Buffer) => void,
    options?: ServerOptions<User>,
  ) {
    const { server: node, port } = await listening(createHttp());
    const server = ours(options);
    node.on('upgrade', (request, socket, head) => adopt(server, request, socket, head));
    return { server, socket: await client(port) };
  }

  test('gives the connection, with the data that came along and the request of Node', async () => {
    let opening!: Promise<Connection<User>>;
    const { socket } = await adopting((server, request, stream, head) => {
      Object.assign(request, { user: 'Ann' });
      opening = server.adopt(stream, request, head, { data: { name: 'Ann' } });
    });
    await socket.handshake();
    const connection = await opening;
    expect(connection.isOpen).toBe(true);
    expect(connection.data).toEqual({ name: 'Ann' });
    expect(connection.request.raw).toMatchObject({ user: 'Ann', url: '/' });
  });

  test('lets upgrade see that request, and give other data', async () => {
    const { socket, server } = await adopting(
      (one, request, stream, head) => {
        Object.assign(request, { user: 'Bob' });
        void one.adopt(stream, request, head, { data: { name: 'Ann' } });
      },
      { upgrade: ({ raw }) => ({ data: { name: (raw as unknown as { user: string }).user } }) },
    );
    await socket.handshake();
    expect([...server.connections].map((c) => c.data)).toEqual([{ name: 'Bob' }]);
  });

  test.each<[string, ServerOptions<User>, Parameters<typeof handshakeText>[0], number | undefined]>([
    ['upgrade refused', { upgrade: () => ({ status: 401 }) }, {}, 401],
    ['the handshake is wrong', {}, { headers: { 'Sec-WebSocket-Key': 'x' } }, undefined],
    [
      'the origin may not',
      { origins: ['https://a.example'] },
      { headers: { Origin: 'https://b.example' } },
      403,
    ],
  ])('rejects with ERR_HANDSHAKE where %s', async (_, options, fields, status) => {
    let opening!: Promise<Connection<User>>;
    const { socket } = await adopting((server, request, stream, head) => {
      opening = server.adopt(stream, request, head);
    }, options);
    socket.write(handshakeText(fields));
    expect((await socket.response()).status).toBeGreaterThan(399);
    socket.end();
    const error = await opening.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE' });
    expect((error as { cause?: { status: number } }).cause?.status).toBe(status);
  });

  test('rejects where the peer left meanwhile', async () => {
    let opening!: Promise<Connection<User>>;
    let asked!: () => void;
    const upgrading = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const { socket } = await adopting(
      (server, request, stream, head) => {
        opening = server.adopt(stream, request, head);
      },
      {
        upgrade: () => {
          asked();
          return new Promise(() => {});
        },
      },
    );
    socket.write(handshakeText());
    await upgrading;
    socket.destroy();
    await expect(opening).rejects.toMatchObject({ code: 'ERR_HANDSHAKE' });
  });

  test('rejects at once for a closed server, and for a socket that is gone', async () => {
    const results: Promise<unknown>[] = [];
    const { socket } = await adopting(async (server, request, stream, head) => {
      stream.on('error', () => {});
      await server.close();
      results.push(server.adopt(stream, request, head), server.adopt(stream, request, head));
    });
    socket.write(handshakeText());
    expect((await socket.response()).status).toBe(503);
    for (const result of results) await expect(result).rejects.toMatchObject({ code: 'ERR_HANDSHAKE' });
  });

  test('is no unhandled rejection for who does not look', async () => {
    const seen: unknown[] = [];
    const keep = (reason: unknown) => void seen.push(reason);
    process.on('unhandledRejection', keep);
    onTestFinished(() => void process.off('unhandledRejection', keep));
    const { socket } = await adopting(
      (server, request, stream, head) => void server.adopt(stream, request, head),
      { upgrade: () => ({ status: 403 }) },
    );
    socket.write(handshakeText());
    await socket.response();
    socket.end();
    await socket.ended;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen).toEqual([]);
  });

  test('refuses an option that there is not', async () => {
    const server = ours();
    const { port } = await listening(createHttp());
    const socket = await client(port);
    expect(() =>
      server.adopt(socket.socket, { rawHeaders: [] } as unknown as IncomingMessage, undefined, {
        date: 1,
      } as never),
    ).toThrow(/Unknown option "date"; did you mean "data"/);
  });
});

test('A socket that was given a response to be routed by Fastify is taken in', async () => {
  const app = fastify();
  onTestFinished(() => app.close());
  const server = ours({ message: (c, data) => void c.send(data) });
  const heads = new WeakMap<IncomingMessage, Buffer>();
  app.get('/chat/:name', (request, reply) => {
    reply.hijack();
    const { name } = request.params as { name: string };
    void server.adopt(request.raw.socket, request.raw, heads.get(request.raw), { data: { name } });
  });
  await app.ready();
  app.server.on('upgrade', (request, socket, head) => {
    heads.set(request, head);
    const response = new ServerResponse(request);
    response.assignSocket(socket as never);
    app.routing(request, response);
  });
  const { port } = await listening(app.server);
  const socket = await client(port);
  await socket.handshake({ target: '/chat/Ann' });
  socket.text('routed');
  expect((await socket.frame()).payload.toString()).toBe('routed');
  expect([...server.connections].map((c) => c.data)).toEqual([{ name: 'Ann' }]);
});

test('Values of Express middleware reach the handlers', async () => {
  const app = express();
  app.use((request, _, next) => {
    Object.assign(request, { user: request.headers['x-user'] });
    next();
  });
  const server = ours();
  const heads = new WeakMap<object, Buffer>();
  app.get('/chat', (request) => {
    void server.adopt(request.socket, request, heads.get(request), {
      data: { name: (request as unknown as { user: string }).user },
    });
  });
  const { server: node, port } = await listening(createHttp(app));
  node.on('upgrade', (request, socket, head) => {
    heads.set(request, head);
    const response = new ServerResponse(request);
    response.assignSocket(socket as never);
    app(request as never, response as never);
  });
  const socket = await client(port);
  await socket.handshake({ target: '/chat', headers: { 'X-User': 'Ann' } });
  expect([...server.connections].map((c) => c.data)).toEqual([{ name: 'Ann' }]);
});
