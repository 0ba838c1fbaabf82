import { describe, expect, test } from 'vitest';
import { closeBody, Opcode, readClose } from '../helpers/frames.js';
import { handshakeText } from '../helpers/raw-client.js';
import { turnUntil } from '../helpers/server.js';
import { attached } from './helpers/attached.js';
import { connectRawTls, type Kind, openOver } from './helpers/node-servers.js';

const bridged: Kind[] = ['https', 'h2c', 'h2'];

const MIB = 1024 * 1024;

describe.each(bridged)('a connection carried over %s', (kind) => {
  test('exchanges messages, pings and close frames as any other', async () => {
    const { port, record } = await attached(kind, { message: (c, data) => void c.send(data) });
    const client = await openOver(kind, port);
    client.text('there');
    expect((await client.frame()).payload.toString()).toBe('there');
    client.send({ opcode: Opcode.PING, payload: 'p' });
    expect(await client.frame()).toMatchObject({ opcode: Opcode.PONG });
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(4001, 'bye') });
    expect(readClose(await client.frame())).toEqual({ code: 4001, reason: 'bye' });
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await record.closed.next()).toEqual({ code: 4001, reason: 'bye', clean: true });
  });

  test('shows the peer and TLS of the network connection', async () => {
    const { port, record } = await attached(kind);
    await openOver(kind, port);
    const { transport, request } = await record.opened.next();
    expect(transport.remoteAddress).toBe('127.0.0.1');
    expect(request.remotePort).toBeGreaterThan(0);
    expect(transport.tls?.version).toBe(kind === 'h2c' ? undefined : 'TLSv1.3');
    expect(transport.tls?.serverName).toBe(kind === 'h2c' ? undefined : 'localhost');
  });

  test('carries large messages both ways', async () => {
    const size = 5 * MIB + 7;
    const { port } = await attached(kind, { message: (c, data) => void c.send(data) });
    const client = await openOver(kind, port);
    const payload = Buffer.alloc(size, 'large message ');
    client.send({ opcode: Opcode.BINARY, payload });
    expect((await client.frame()).payload.equals(payload)).toBe(true);
  });

  test('holds what a slow reader does not take where it is counted, and nowhere else', async () => {
    const { port, record, server } = await attached(kind, { maxBackpressure: 64 * MIB });
    const client = await openOver(kind, port);
    client.pause();
    const connection = await record.opened.next();
    for (let i = 0; i < 32; i++) connection.send(Buffer.alloc(MIB, i));
    let before = -1;
    /* until the socket buffers on the way are full */
    while (connection.bufferedAmount !== before) {
      before = connection.bufferedAmount;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(before).toBeGreaterThan(16 * MIB);
    expect(server.connections.size).toBe(1);
    client.resume();
    for (let i = 0; i < 32; i++) expect((await client.frame()).payload[MIB - 1]).toBe(i);
    await turnUntil(() => connection.bufferedAmount === 0);
  });

  test('holds a fast sender back while its connection is paused', async () => {
    const { port, record } = await attached(kind, { open: (c) => record.opened.push(c) });
    const client = await openOver(kind, port);
    const connection = await record.opened.next();
    connection.pause();
    for (let i = 0; i < 32; i++) client.send({ opcode: Opcode.BINARY, payload: Buffer.alloc(MIB, i) });
    let before = -1;
    while (client.socket.writableLength !== before) {
      before = client.socket.writableLength;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(before).toBeGreaterThan(16 * MIB);
    connection.resume();
    for (let i = 0; i < 32; i++) expect((await record.messages.next())[MIB - 1]).toBe(i);
  });

  test('is 1006 for the handler when the peer resets', async () => {
    const { port, record } = await attached(kind);
    const client = await openOver(kind, port);
    await record.opened.next();
    client.reset();
    expect(await record.closed.next()).toMatchObject({ code: 1006, clean: false });
  });

  test('is 1006 for the handler when the peer ends without a close frame', async () => {
    const { port, record } = await attached(kind);
    const client = await openOver(kind, port);
    await record.opened.next();
    client.end();
    expect(await record.closed.next()).toMatchObject({ code: 1006 });
    await client.ended;
  });

  test('ends for the peer when it is terminated', async () => {
    const { port, record } = await attached(kind);
    const client = await openOver(kind, port);
    (await record.opened.next()).terminate();
    await client.ended;
    expect((await record.closed.next()).code).toBe(1006);
  });

  test('is closed by server.close(), which waits until the close frame has left', async () => {
    const { port, record, server } = await attached(kind);
    const client = await openOver(kind, port);
    await record.opened.next();
    const closed = server.close();
    expect(readClose(await client.frame()).code).toBe(1001);
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(1001) });
    client.end();
    expect(await closed).toEqual({ closed: 1, forced: 0 });
    expect(await client.ended).toBe('fin');
  });

  test('is cut by server.close() for a peer that neither answers nor reads', async () => {
    const { port, record, server } = await attached(kind);
    const client = await openOver(kind, port);
    client.pause();
    const connection = await record.opened.next();
    connection.send(Buffer.alloc(8 * MIB));
    expect(await server.close({ timeout: 200 })).toEqual({ closed: 1, forced: 1 });
    client.resume();
    await client.ended;
  });

  test('is given up closeTimeout after its end when the peer does not leave', async () => {
    const { node, port, record } = await attached(kind, { closeTimeout: 100 });
    let open = 0;
    node.on(kind === 'h2c' || kind === 'h2' ? 'stream' : 'secureConnection', (stream) => {
      open++;
      stream.once('close', () => open--);
    });
    const client = await openOver(kind, port);
    client.pause();
    const connection = await record.opened.next();
    connection.send(Buffer.alloc(8 * MIB));
    connection.terminate();
    expect((await record.closed.next()).code).toBe(1006);
    expect(open).toBe(1);
    await turnUntil(() => open === 0);
  });
});

test('frames that came with the request over TLS are taken', async () => {
  const { port, record } = await attached('https');
  const client = await connectRawTls(port);
  client.write(handshakeText());
  client.text('with it');
  expect((await client.response()).status).toBe(101);
  expect(await record.messages.next()).toBe('with it');
});

test('maxConnectionsPerAddress counts the peer behind the bridge', async () => {
  const { port, server } = await attached('https', { maxConnectionsPerAddress: 1 });
  await openOver('https', port);
  const second = await connectRawTls(port);
  second.write(handshakeText());
  expect((await second.response()).status).toBe(503);
  await second.ended;
  expect(server.stats().connections).toBe(1);
});
