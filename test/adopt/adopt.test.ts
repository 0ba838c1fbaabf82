import { createServer as createHttp, type IncomingMessage } from 'node:http';
import { type Duplex, PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createServer, type Server, type ServerOptions } from '../../lib/index.js';
import { encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { connectRaw, handshakeText, sampleAccept } from '../helpers/raw-client.js';
import { recorder, turnUntil } from '../helpers/server.js';
import { listening } from './helpers/node-servers.js';

function adopting(options: ServerOptions = {}): Server {
  const server = createServer(options);
  onTestFinished(() => server.close({ timeout: 0 }).then(() => {}));
  return server;
}

async function withUpgrade(onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void) {
  const { server, port } = await listening(createHttp());
  server.on('upgrade', onUpgrade);
  const client = await connectRaw(port);
  onTestFinished(() => client.destroy());
  return client;
}

describe('server.adopt with a plain socket of Node', () => {
  test('completes the handshake and carries messages both ways without listen()', async () => {
    const record = recorder();
    const server = adopting({ ...record.handlers, message: (c, data) => void c.send(data) });
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    const answer = await client.handshake();
    client.text('over');
    expect(answer.header('sec-websocket-accept')).toBe(sampleAccept);
    expect((await client.frame()).payload.toString()).toBe('over');
    expect(server.connections.size).toBe(1);
  });

  test('closes the socket for Node in the same tick', async () => {
    const server = adopting();
    let destroyed: boolean | undefined;
    const client = await withUpgrade((request, socket, head) => {
      server.adopt(socket, request, head);
      destroyed = socket.destroyed;
    });
    await client.handshake();
    expect(destroyed).toBe(true);
  });

  test('tells the request as it was sent: target, repeated fields and the peer', async () => {
    const record = recorder();
    const server = adopting(record.handlers);
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    await client.handshake({ target: '/a%20b?x=1', headers: { 'X-Two': ['one', 'two'] } });
    const { request, transport } = await record.opened.next();
    expect(request.url).toBe('/a%20b?x=1');
    expect(request.headers.get('x-two')).toBe('one, two');
    expect(request.headers.get('host')).toBe('localhost');
    expect([transport.remoteAddress, transport.remotePort]).toEqual(['127.0.0.1', client.socket.localPort]);
    expect(transport.tls).toBeUndefined();
  });

  test('takes frames that came together with the request, before later ones', async () => {
    const record = recorder();
    const server = adopting(record.handlers);
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    client.write(
      Buffer.concat([Buffer.from(handshakeText()), encodeFrame({ opcode: Opcode.TEXT, payload: 'first' })]),
    );
    await client.response();
    client.text('second');
    expect([await record.messages.next(), await record.messages.next()]).toEqual(['first', 'second']);
  });

  test('takes what Node read while the caller decided', async () => {
    const record = recorder();
    const server = adopting(record.handlers);
    let decide!: () => void;
    let upgraded!: Duplex;
    const client = await withUpgrade((request, socket, head) => {
      upgraded = socket;
      decide = () => server.adopt(socket, request, head);
    });
    client.write(handshakeText());
    await turnUntil(() => upgraded !== undefined);
    client.text('early');
    await turnUntil(() => upgraded.readableLength > 0);
    decide();
    expect(await record.messages.next()).toBe('early');
  });

  test('answers as upgrade decides', async () => {
    const server = adopting({ upgrade: () => ({ status: 401, body: 'who are you' }) });
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    client.write(handshakeText());
    expect(await client.response()).toMatchObject({ status: 401, body: 'who are you' });
    expect(await client.ended).toBe('fin');
  });

  test.each([
    ['a missing key', { 'Sec-WebSocket-Key': undefined }, 400],
    ['another version', { 'Sec-WebSocket-Version': '12' }, 426],
  ])('checks the handshake itself: %s', async (_, headers, status) => {
    const server = adopting();
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    client.write(handshakeText({ headers }));
    expect((await client.response()).status).toBe(status);
  });

  test('counts towards maxConnections', async () => {
    const server = adopting({ maxConnections: 1 });
    const { server: node, port } = await listening(createHttp());
    node.on('upgrade', (request, socket, head) => server.adopt(socket, request, head));
    const [one, two] = [await connectRaw(port), await connectRaw(port)];
    onTestFinished(() => {
      for (const client of [one, two]) client.destroy();
    });
    await one.handshake();
    two.write(handshakeText());
    expect((await two.response()).status).toBe(503);
  });

  test('is closed with the server: 1001 for the connection', async () => {
    const server = adopting();
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    await client.handshake();
    const closed = server.close();
    expect(readClose(await client.frame()).code).toBe(1001);
    client.send({ opcode: Opcode.CLOSE, payload: Buffer.of(3, 233) });
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await closed).toEqual({ closed: 1, forced: 0 });
  });

  test('answers 503 when the server is closed', async () => {
    const server = adopting();
    await server.close();
    const client = await withUpgrade((request, socket, head) => server.adopt(socket, request, head));
    client.write(handshakeText());
    expect((await client.response()).status).toBe(503);
  });

  test('ends a socket on which an earlier response is still being sent', async () => {
    const server = adopting();
    const { server: node, port } = await listening(createHttp(() => {}));
    node.on('upgrade', (request, socket, head) => server.adopt(socket, request, head));
    const client = await connectRaw(port);
    client.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${handshakeText()}`);
    expect((await client.bytesToEnd()).length).toBe(0);
  });

  test('leaves a socket alone that is gone already', async () => {
    const server = adopting();
    const client = await withUpgrade((request, socket, head) => {
      socket.destroy();
      server.adopt(socket, request, head);
    });
    client.write(handshakeText());
    await client.ended;
    expect(server.stats().accepted).toBe(0);
  });
});

const request = { rawHeaders: [], method: 'GET', url: '/', httpVersion: '1.1' } as unknown as IncomingMessage;

describe('server.adopt refuses', () => {
  test.each<[string, unknown, unknown, unknown, RegExp]>([
    ['no socket', undefined, request, undefined, /duplex stream for the socket but got undefined/],
    ['no request', new PassThrough(), undefined, undefined, /for the request but got undefined/],
    ['headers of no HTTP/2 stream', new PassThrough(), {}, undefined, /an IncomingMessage for the request/],
    ['a head that is no Buffer', new PassThrough(), request, 'x', /Buffer or nothing for the head/],
  ])('%s', (_, socket, asked, head, message) => {
    const server = adopting();
    const call = () => server.adopt(socket as Duplex, asked as IncomingMessage, head as Buffer);
    expect(call).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });

  test.each([
    ['a line break in a value', { rawHeaders: ['X', 'a\r\nUpgrade: no'] }],
    ['a name that is no token', { rawHeaders: ['X Y', 'a'] }],
    ['a target with a space', { url: '/a b' }],
  ])('%s with 400', async (_, part) => {
    const server = adopting();
    const socket = new PassThrough();
    server.adopt(socket, { ...request, ...part } as IncomingMessage);
    expect((await socket.toArray()).join('')).toMatch(/^HTTP\/1\.1 400 /);
  });
});
