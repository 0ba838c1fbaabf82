import { get, type IncomingMessage } from 'node:http';
import { createConnection } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ConnectOptions, connect } from '../../lib/index.js';
import { certificate, extendedConnect, http2Session, rawOverHttp2 } from '../adopt/helpers/node-servers.js';
import { queue } from '../helpers/queue.js';
import { connectRaw, rawClient } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { haproxy, haproxyTcp, nginx } from './helpers/programs.js';

const MIB = 1024 * 1024;

/** A client from 127.0.0.2, so that it is not the proxy's own address. */
async function client(url: string, options: ConnectOptions = {}) {
  const tls = url.startsWith('wss:') ? { tls: { ca: certificate().cert, servername: 'localhost' } } : {};
  const connection = await connect(url, { localAddress: '127.0.0.2', ...tls, ...options });
  onTestFinished(() => connection.terminate());
  return connection;
}

/** The body of a response to a client at `address` that claims to be another. */
async function bodyFrom(localAddress: string, port: number): Promise<string> {
  const headers = { 'X-Forwarded-For': '6.6.6.6' };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: '127.0.0.1', port, localAddress, headers, agent: false }, resolve).once('error', reject);
  });
  return (await response.setEncoding('utf8').toArray()).join('');
}

describe.each([
  ['nginx', nginx],
  ['HAProxy', haproxy],
] as const)('behind %s', (_, start) => {
  test('messages of any size pass both ways', async () => {
    const { port: backend } = await startServer({ message: (c, data) => void c.send(data) });
    const { port } = await start({ backend });
    const connection = await client(`ws://127.0.0.1:${port}/`);
    const sizes = [0, 1, 125, 126, 65536, 4 * MIB];
    for (const size of sizes) connection.send(Buffer.alloc(size, 7));
    const came: number[] = [];
    for await (const message of connection) if (came.push(message.length) === sizes.length) break;
    expect(came).toEqual(sizes);
  });

  test('the client is known by its address, whatever it claims', async () => {
    const record = recorder();
    const { port: backend } = await startServer({ ...record.handlers, trustProxy: ['127.0.0.1'] });
    const { port } = await start({ backend });
    const headers = { 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'https' };
    await client(`ws://127.0.0.1:${port}/`, { headers });
    const { request, transport } = await record.opened.next();
    expect(request.remoteAddress).toBe('127.0.0.2');
    expect(request.secure).toBe(false);
    expect(transport.remoteAddress).toBe('127.0.0.1');
  });

  test('TLS that ends at the proxy is secure', async () => {
    const record = recorder();
    const { port: backend } = await startServer({ ...record.handlers, trustProxy: ['127.0.0.1'] });
    const { tlsPort } = await start({ backend });
    await client(`wss://127.0.0.1:${tlsPort}/path?q=1`);
    const { request } = await record.opened.next();
    expect([request.remoteAddress, request.secure, request.url]).toEqual(['127.0.0.2', true, '/path?q=1']);
  });

  test('subprotocol, compression and refusals pass', async () => {
    const { port: backend } = await startServer({
      protocols: { chat: {} },
      perMessageDeflate: true,
      upgrade: (request) => (request.path === '/no' ? { status: 403, body: 'not here' } : undefined),
    });
    const { port } = await start({ backend });
    const options = { protocols: ['chat'], perMessageDeflate: true };
    expect((await client(`ws://127.0.0.1:${port}/`, options)).protocol).toBe('chat');
    await expect(client(`ws://127.0.0.1:${port}/no`, options)).rejects.toMatchObject({
      code: 'ERR_HANDSHAKE',
      cause: expect.objectContaining({ status: 403 }),
    });
  });

  test('pings keep a silent connection that the proxy would cut', async () => {
    const record = recorder();
    const { port: backend } = await startServer({ ...record.handlers, pingInterval: 300 });
    const { port } = await start({ backend, silence: '1s' });
    const connection = await client(`ws://127.0.0.1:${port}/`);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    connection.send('still there');
    expect(await record.messages.next()).toBe('still there');
  });

  test('close codes pass both ways, and a lost client is noticed', async () => {
    const record = recorder();
    const { port: backend } = await startServer(record.handlers);
    const { port } = await start({ backend });
    const one = await client(`ws://127.0.0.1:${port}/`);
    (await record.opened.next()).close(4001, 'by the server');
    expect(await one.closed).toMatchObject({ code: 4001, reason: 'by the server', clean: true });
    await record.closed.next();
    const two = await client(`ws://127.0.0.1:${port}/`);
    two.close(4002, 'by the client');
    expect(await record.closed.next()).toMatchObject({ code: 4002, reason: 'by the client', clean: true });
    (await client(`ws://127.0.0.1:${port}/`)).terminate();
    expect((await record.closed.next()).code).toBe(1006);
  });

  test('plain requests of several clients are each known by their own address', async () => {
    const { port: backend } = await startServer({
      trustProxy: ['127.0.0.1'],
      request: ({ remoteAddress, headers }) =>
        new Response(`${remoteAddress}; ${headers.get('x-forwarded-for')}`),
    });
    const { port } = await start({ backend });
    for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.2'])
      expect(await bodyFrom(address, port)).toBe(`${address}; 6.6.6.6, ${address}`);
  });
});

describe.each([
  ['nginx', nginx],
  ['HAProxy', haproxy],
] as const)('behind %s', (_, start) => {
  test('CONNECT opens no tunnel past its rules', async () => {
    const seen: string[] = [];
    const { port: backend } = await startServer({
      trustProxy: ['127.0.0.1'],
      request: ({ method, url, remoteAddress, secure }) => {
        seen.push(`${method} ${url} ${remoteAddress} ${secure}`);
        return new Response('welcome');
      },
    });
    const { port } = await start({ backend });
    const raw = rawClient(createConnection({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }));
    onTestFinished(() => raw.destroy());
    raw.write('CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n');
    const forged = 'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n';
    raw.write(`GET /admin HTTP/1.1\r\nHost: a\r\n${forged}Connection: close\r\n\r\n`);
    const came = (await raw.bytesToEnd()).toString('latin1');
    expect(came).toMatch(/^HTTP\/1\.1 (?:501|405|400) /);
    /* what the proxy takes for a request of its own has passed its rules */
    for (const request of seen) expect(request).toBe('GET /admin 127.0.0.2 false');
  });

  test('a client that leaves an idle stream is noticed', async () => {
    const left = queue<void>();
    const asked = queue<void>();
    const { port: backend, server } = await startServer({
      closeTimeout: 300,
      request: ({ signal }) => {
        signal.addEventListener('abort', () => left.push());
        asked.push();
        return new Response(new ReadableStream());
      },
    });
    const { port } = await start({ backend });
    const raw = await connectRaw(port);
    raw.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
    await asked.next();
    raw.destroy();
    await left.next();
    await turnUntil(() => server.stats().transports === 0);
  });
});

test('behind HAProxy a client over HTTP/2 is a connection as any other', async () => {
  const record = recorder();
  const { port: backend } = await startServer({
    ...record.handlers,
    message: (c, data) => void c.send(data),
  });
  const { tlsPort } = await haproxy({ backend });
  const { stream, headers } = await extendedConnect(await http2Session('h2', tlsPort), {
    ':scheme': 'https',
    ':authority': 'localhost',
  });
  expect(headers[':status']).toBe(200);
  const raw = rawOverHttp2(stream);
  raw.text('over HTTP/2');
  expect((await raw.frame()).payload.toString()).toBe('over HTTP/2');
});

describe('behind HAProxy in TCP mode', () => {
  test.each([1, 2] as const)('version %i of the PROXY protocol tells the client', async (version) => {
    const record = recorder();
    const { port: backend } = await startServer({ ...record.handlers, proxyProtocol: true });
    const { port } = await haproxyTcp(backend, version);
    const connection = await client(`ws://127.0.0.1:${port}/`);
    const { transport, request } = await record.opened.next();
    expect([transport.remoteAddress, request.remoteAddress]).toEqual(['127.0.0.2', '127.0.0.2']);
    connection.send('through');
    expect(await record.messages.next()).toBe('through');
  });

  test('TLS that ends at the proxy is told with send-proxy-v2-ssl', async () => {
    const record = recorder();
    const { port: backend } = await startServer({ ...record.handlers, proxyProtocol: true });
    const { tlsPort } = await haproxyTcp(backend, 2, true);
    await client(`wss://127.0.0.1:${tlsPort}/`);
    const { transport, request } = await record.opened.next();
    expect([transport.remoteAddress, request.secure, transport.tls]).toEqual(['127.0.0.2', true, undefined]);
  });

  test('TLS passes through', async () => {
    const record = recorder();
    const { port: backend } = await startServer({
      ...record.handlers,
      proxyProtocol: true,
      tls: certificate(),
    });
    const { tlsPort } = await haproxyTcp(backend, 2);
    await client(`wss://127.0.0.1:${tlsPort}/`);
    const { transport, request } = await record.opened.next();
    expect([transport.remoteAddress, request.secure]).toEqual(['127.0.0.2', true]);
  });
});
