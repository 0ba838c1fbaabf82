import { createServer as createHttp } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createServer, type NodeServer, type ServerOptions } from '../../lib/index.js';
import { connectRaw, handshakeText } from '../helpers/raw-client.js';
import { attached } from './helpers/attached.js';
import {
  connectRawPlain,
  connectRawTls,
  extendedConnect,
  http2Session,
  type Kind,
  listening,
  nodeServer,
  openOver,
  rawOverHttp2,
} from './helpers/node-servers.js';

const kinds: Kind[] = ['http', 'https', 'h2c', 'h2'];

function ours(options: ServerOptions = {}) {
  const server = createServer(options);
  onTestFinished(() => server.close({ timeout: 0 }).then(() => {}));
  return server;
}

/** The status an upgrade of `path` is answered with. */
async function statusOf(kind: Kind, port: number, path: string): Promise<number> {
  if (kind === 'h2c' || kind === 'h2')
    return (await extendedConnect(await http2Session(kind, port), { ':path': path })).headers[':status']!;
  const client = await connectRaw(port);
  onTestFinished(() => client.destroy());
  client.write(handshakeText({ target: path }));
  return (await client.response()).status;
}

describe.each(kinds)('server.attach to a server of %s', (kind) => {
  test('serves several servers by path, and another for all other paths', async () => {
    const { server: node, port } = await nodeServer(kind);
    for (const path of ['/chat', '/news', undefined])
      ours({ open: (c) => void c.send(path ?? 'any') }).attach(node, path === undefined ? {} : { path });
    for (const [target, name] of [
      ['/chat?x', '/chat'],
      ['/news', '/news'],
      ['/chat/', 'any'],
    ] as const) {
      const client = await openOver(kind, port, target);
      expect((await client.frame()).payload.toString()).toBe(name);
    }
  });

  test('detaches: the path is free and nothing is listened for any more', async () => {
    const { server: node } = await nodeServer(kind);
    const events = ['upgrade', 'stream', 'connect'];
    const before = events.map((event) => node.listenerCount(event));
    const detach = ours().attach(node, { path: '/a' });
    const two = ours();
    expect(() => two.attach(node, { path: '/a' })).toThrow(
      /one server for the path \/a but another is attached/,
    );
    detach();
    two.attach(node, { path: '/a' });
    detach();
    await two.close();
    expect(events.map((event) => node.listenerCount(event))).toEqual(before);
  });
});

describe.each(['http', 'h2c'] as const)('an upgrade of %s at a path that nobody serves', (kind) => {
  test('is answered 404', async () => {
    const { server: node, port } = await nodeServer(kind);
    ours().attach(node, { path: '/a' });
    expect(await statusOf(kind, port, '/b')).toBe(404);
  });

  test('is left to another listener', async () => {
    const { server: node, port } = await nodeServer(kind);
    ours().attach(node, { path: '/a' });
    if (kind === 'http') node.on('upgrade', (_, socket) => void socket.end('HTTP/1.1 418 Teapot\r\n\r\n'));
    else
      node.on('stream', (stream, headers) => {
        if (headers[':path'] !== '/a') stream.respond({ ':status': 418 }, { endStream: true });
      });
    expect(await statusOf(kind, port, '/b')).toBe(418);
    await openOver(kind, port, '/a');
  });
});

test.each(['http', 'https'] as const)(
  'an upgrade of %s to another protocol is a plain request',
  async (kind) => {
    const { server: node, port } = await nodeServer(kind);
    node.on('request', (request, response) => response.end(`${request.url} ${request.headers.upgrade}`));
    ours().attach(node);
    const client = await (kind === 'https' ? connectRawTls(port) : connectRawPlain(port));
    client.write(handshakeText({ target: '/page', headers: { Upgrade: 'h2c' } }));
    expect(await client.response()).toMatchObject({ status: 200, body: '/page undefined' });
  },
);

/** A framework's requests go on beside upgrades of ours at /ws. */
async function servesBoth(node: NodeServer, port: number): Promise<void> {
  ours({ message: (c, data) => void c.send(data) }).attach(node, { path: '/ws' });
  expect(await (await fetch(`http://127.0.0.1:${port}/hello`)).text()).toBe('from the framework');
  const client = await openOver('http', port, '/ws');
  client.text('echo');
  expect((await client.frame()).payload.toString()).toBe('echo');
  expect(await statusOf('http', port, '/hello')).toBe(404);
}

test('Express serves requests beside our upgrades', async () => {
  const app = express();
  app.get('/hello', (_, response) => void response.send('from the framework'));
  const { server: node, port } = await listening(createHttp(app));
  await servesBoth(node, port);
});

test('Fastify serves requests beside our upgrades', async () => {
  const app = fastify();
  app.get('/hello', () => 'from the framework');
  onTestFinished(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  await servesBoth(app.server, (app.server.address() as AddressInfo).port);
});

test('Fastify over HTTP/2 does so too', async () => {
  const app = fastify({ http2: true });
  app.get('/hello', () => 'from the framework');
  onTestFinished(() => app.close());
  await app.ready();
  ours({ message: (c, data) => void c.send(data) }).attach(app.server, { path: '/ws' });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const session = await http2Session('h2c', port);
  onTestFinished(() => session.destroy());
  const get = session.request({ ':path': '/hello' });
  expect((await get.toArray()).join('')).toBe('from the framework');
  const { stream, headers } = await extendedConnect(session, { ':path': '/ws' });
  expect(headers[':status']).toBe(200);
  const client = rawOverHttp2(stream);
  client.text('echo');
  expect((await client.frame()).payload.toString()).toBe('echo');
});

describe('over HTTP/2 (RFC 8441)', () => {
  test('the answer carries subprotocol, cookies and no HTTP/1.1 fields', async () => {
    const { port, record } = await attached('h2c', {
      protocols: { chat: {} },
      upgrade: () => ({
        headers: [
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
        ],
      }),
    });
    const { headers } = await extendedConnect(await http2Session('h2c', port), {
      'sec-websocket-protocol': 'x, chat',
    });
    expect(headers[':status']).toBe(200);
    expect(headers['sec-websocket-protocol']).toBe('chat');
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(headers).not.toHaveProperty('sec-websocket-accept');
    expect(record.errors.all).toEqual([]);
  });

  test('compression is negotiated through it', async () => {
    const { port } = await attached('h2c', { perMessageDeflate: true });
    const offer = { 'sec-websocket-extensions': 'permessage-deflate' };
    const { headers } = await extendedConnect(await http2Session('h2c', port), offer);
    expect(headers['sec-websocket-extensions']).toMatch(/^permessage-deflate/);
  });

  test('the request names path, authority and the fields of the client', async () => {
    const { port, record } = await attached('h2c');
    await extendedConnect(await http2Session('h2c', port), {
      ':path': '/p?q=1',
      ':authority': 'example.org',
      origin: 'https://a.example',
    });
    const { request } = await record.opened.next();
    expect(request.url).toBe('/p?q=1');
    expect(request.headers.get('host')).toBe('example.org');
    expect(request.headers.get('origin')).toBe('https://a.example');
  });

  test('a refusal keeps its status, headers and body', async () => {
    const { port } = await attached('h2c', {
      upgrade: () => ({ status: 403, headers: { 'X-Why': 'no' }, body: 'not you' }),
    });
    const { stream, headers } = await extendedConnect(await http2Session('h2c', port));
    expect([headers[':status'], headers['x-why']]).toEqual([403, 'no']);
    expect((await stream.toArray()).join('')).toBe('not you');
  });

  test('many connections share one session', async () => {
    const { port } = await attached('h2', { message: (c, data) => void c.send(data) });
    const session = await http2Session('h2', port);
    const clients = await Promise.all(
      Array.from({ length: 50 }, async () => rawOverHttp2((await extendedConnect(session)).stream)),
    );
    clients.forEach((client, i) => void client.text(`no. ${i}`));
    const frames = await Promise.all(clients.map((client) => client.frame()));
    expect(frames.map((frame) => frame.payload.toString())).toEqual(clients.map((_, i) => `no. ${i}`));
  });

  test('a session that dies closes each connection once', async () => {
    const { port, record, server } = await attached('h2');
    const session = await http2Session('h2', port);
    for (let i = 0; i < 5; i++) await extendedConnect(session);
    session.destroy();
    for (let i = 0; i < 5; i++) expect((await record.closed.next()).code).toBe(1006);
    expect(server.connections.size).toBe(0);
    expect(record.closed.all.length).toBe(5);
  });

  test('ordinary requests and CONNECT beside it are answered by Node as before', async () => {
    const { node, port } = await attached('h2c');
    node.on('request', (_, response) => void response.end('plain'));
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    onTestFinished(() => void session.destroy());
    const get = session.request({ ':path': '/' });
    expect((await get.toArray()).join('')).toBe('plain');
    const status = await new Promise((resolve) => {
      session
        .request({ ':method': 'CONNECT', ':authority': 'a:1' })
        .on('response', (h) => resolve(h[':status']));
    });
    expect(status).toBe(405);
    await openOver('h2c', port);
  });

  test('HTTP/1.1 clients of the same secure server are served too', async () => {
    const { port, record } = await attached('h2');
    await openOver('https', port);
    expect((await record.opened.next()).transport.tls?.version).toBe('TLSv1.3');
  });
});

describe('server.attach refuses', () => {
  test.each<[string, unknown, unknown, string, RegExp]>([
    ['no server', {}, {}, 'ERR_INVALID_ARGUMENT', /a server of http, https or http2/],
    ['a path that is none', createHttp(), { path: 'chat' }, 'ERR_INVALID_OPTION', /from "\/" without query/],
    [
      'a path with a query',
      createHttp(),
      { path: '/chat?x' },
      'ERR_INVALID_OPTION',
      /from "\/" without query/,
    ],
    ['an unknown option', createHttp(), { paht: '/a' }, 'ERR_INVALID_OPTION', /Unknown option "paht"/],
  ])('%s', (_, node, options, code, message) => {
    const call = () => ours().attach(node as never, options as never);
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  test('to attach a server that is closed', async () => {
    const server = ours();
    await server.close();
    expect(() => server.attach(createHttp())).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
  });
});
