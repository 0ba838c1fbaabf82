import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate, rawTlsOver } from '../adopt/helpers/node-servers.js';
import { encodeFrame, Opcode } from '../helpers/frames.js';
import { connectRaw, handshakeText } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

function v2(command: number, family: number, body: Buffer): Buffer {
  return Buffer.concat([
    SIGNATURE,
    Buffer.of(0x20 | command, family, body.length >> 8, body.length & 255),
    body,
  ]);
}

const v4Body = Buffer.from([203, 0, 113, 9, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb]);
const v6Body = Buffer.concat([
  Buffer.from('20010db8000000000000000000000007', 'hex'),
  Buffer.alloc(16),
  Buffer.from([0x30, 0x39, 0x01, 0xbb]),
]);

/** PP2_TYPE_SSL with these client flags and a verification that succeeded. */
const ssl = (client: number) => Buffer.of(0x20, 0, 5, client, 0, 0, 0, 0);

const line = 'PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\r\n';

describe('a listener with proxyProtocol', () => {
  test.each<[string, string | Buffer, string]>([
    ['version 1', line, '203.0.113.9'],
    ['version 1 of IPv6', 'PROXY TCP6 2001:db8::7 ::1 12345 443\r\n', '2001:db8::7'],
    ['version 2', v2(1, 0x11, v4Body), '203.0.113.9'],
    ['version 2 of IPv6', v2(1, 0x21, v6Body), '2001:db8::7'],
    ['version 2 with TLVs', v2(1, 0x11, Buffer.concat([v4Body, Buffer.alloc(500)])), '203.0.113.9'],
  ])('takes the peer from %s', async (_, header, address) => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers, proxyProtocol: true });
    const client = await connect();
    client.write(header);
    await client.handshake();
    const { request, transport } = await record.opened.next();
    expect([transport.remoteAddress, transport.remotePort]).toEqual([address, 12345]);
    expect(request.remoteAddress).toBe(address);
  });

  test.each<[string, string | Buffer]>([
    ['UNKNOWN of version 1', 'PROXY UNKNOWN\r\n'],
    ['LOCAL of version 2', v2(0, 0, Buffer.alloc(0))],
  ])('keeps the peer of the network connection for %s', async (_, header) => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers, proxyProtocol: true });
    const client = await connect();
    client.write(header);
    await client.handshake();
    expect((await record.opened.next()).transport.remoteAddress).toBe('127.0.0.1');
  });

  test.each<[string, string | Buffer, boolean]>([
    ['PP2_TYPE_SSL with PP2_CLIENT_SSL', v2(1, 0x11, Buffer.concat([v4Body, ssl(1)])), true],
    ['the same for IPv6', v2(1, 0x21, Buffer.concat([v6Body, ssl(7)])), true],
    ['the same for a unix socket', v2(1, 0x31, Buffer.concat([Buffer.alloc(216), ssl(1)])), true],
    ['PP2_TYPE_SSL without it', v2(1, 0x11, Buffer.concat([v4Body, ssl(0)])), false],
    ['LOCAL, whatever its TLVs', v2(0, 0x11, Buffer.concat([v4Body, ssl(1)])), false],
    ['no TLV', v2(1, 0x11, v4Body), false],
    ['version 1, where nothing is told', line, false],
  ])('knows from the proxy whether the client spoke TLS: %s', async (_, header, secure) => {
    const record = recorder();
    const plain = { proxyProtocol: true, request: (r: { secure: boolean }) => new Response(`${r.secure}`) };
    const { connect } = await startServer({ ...record.handlers, ...plain });
    const [upgrade, http] = [await connect(), await connect()];
    upgrade.write(header);
    await upgrade.handshake();
    const { request, transport } = await record.opened.next();
    expect([request.secure, transport.tls]).toEqual([secure, undefined]);
    http.write(Buffer.concat([Buffer.from(header), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]));
    const response = await http.response();
    expect(response.body || (await http.bytesToEnd()).toString()).toContain(`${secure}`);
  });

  test('lets forwarded headers say otherwise where trustProxy believes them', async () => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers, proxyProtocol: true, trustProxy: 1 });
    for (const [proto, secure] of [
      [undefined, true],
      ['http', false],
      ['https', true],
    ] as const) {
      const client = await connect();
      client.write(v2(1, 0x11, Buffer.concat([v4Body, ssl(1)])));
      await client.handshake({ headers: { 'X-Forwarded-Proto': proto } });
      expect((await record.opened.next()).request.secure).toBe(secure);
    }
  });

  test('takes header, request and frames that come in one piece, and byte by byte', async () => {
    for (const whole of [true, false]) {
      const record = recorder();
      const { connect } = await startServer({ ...record.handlers, proxyProtocol: true });
      const client = await connect();
      const frame = encodeFrame({ opcode: Opcode.TEXT, payload: 'with it' });
      const bytes = Buffer.concat([v2(1, 0x11, v4Body), Buffer.from(handshakeText()), frame]);
      if (whole) client.write(bytes);
      else
        for (const byte of bytes) {
          client.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
      expect(await record.messages.next()).toBe('with it');
      expect((await record.opened.next()).transport.remoteAddress).toBe('203.0.113.9');
    }
  });

  test('reads it before TLS', async () => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers, proxyProtocol: true, tls: certificate() });
    const below = await connect();
    below.write(line);
    const client = await rawTlsOver(below.socket);
    await client.handshake();
    const { transport, request } = await record.opened.next();
    expect(transport.remoteAddress).toBe('203.0.113.9');
    expect(transport.tls?.version).toBe('TLSv1.3');
    expect(request.secure).toBe(true);
  });

  test.each<[string, string | Buffer]>([
    ['a request without header', handshakeText()],
    ['a broken line', 'PROXY TCP4 203.0.113.9 10.0.0.1 12345\r\n'],
    ['datagrams', v2(1, 0x12, v4Body)],
    ['a header without end', `PROXY ${'x'.repeat(200)}`],
    ['a header that is too large', v2(1, 0x11, Buffer.alloc(4097)).subarray(0, 16)],
  ])('closes without an answer for %s', async (_, bytes) => {
    const { connect, server } = await startServer({ proxyProtocol: true });
    const client = await connect();
    client.write(bytes);
    expect(await client.bytesToEnd()).toHaveLength(0);
    expect(server.stats()).toMatchObject({ refused: 1, requests: 0, transports: 0 });
  });

  test('closes when the header does not come within handshakeTimeout', async () => {
    const { connect } = await startServer({ proxyProtocol: true, handshakeTimeout: 100 });
    const client = await connect();
    client.write('PROXY TCP4');
    expect(await client.bytesToEnd()).toHaveLength(0);
  });

  test('applies maxConnectionsPerAddress to the client, not to the proxy', async () => {
    const { connect, server } = await startServer({ proxyProtocol: true, maxConnectionsPerAddress: 1 });
    const statusFor = async (address: string) => {
      const client = await connect();
      client.write(`PROXY TCP4 ${address} 10.0.0.1 1 2\r\n${handshakeText()}`);
      const { status } = await client.response();
      return { status, client };
    };
    const first = await statusFor('203.0.113.1');
    expect(first.status).toBe(101);
    expect((await statusFor('203.0.113.2')).status).toBe(101);
    const refused = await statusFor('203.0.113.1');
    expect(refused.status).toBe(503);
    refused.client.destroy();
    first.client.reset();
    await turnUntil(() => server.stats().transports === 1);
    expect((await statusFor('203.0.113.1')).status).toBe(101);
  });

  test('answers 503 over maxConnections, after the header', async () => {
    const { connect, server } = await startServer({ proxyProtocol: true, maxConnections: 1 });
    await connect();
    const second = await connect();
    await turnUntil(() => server.stats().transports === 2);
    second.write(`${line}${handshakeText()}`);
    expect((await second.response()).status).toBe(503);
  });

  test('is closed by server.close() while headers are awaited', async () => {
    const { connect, server } = await startServer({ proxyProtocol: true });
    const client = await connect();
    client.write('PROXY ');
    await turnUntil(() => server.stats().bytesReceived === 6);
    const closed = server.close();
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await closed).toEqual({ closed: 0, forced: 0 });
  });
});

test('without proxyProtocol a header is no request', async () => {
  const { port } = await startServer();
  const client = await connectRaw(port);
  onTestFinished(() => client.destroy());
  client.write(`${line}${handshakeText()}`);
  expect((await client.response()).status).toBe(400);
});
