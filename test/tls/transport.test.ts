import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, type ServerOptions } from '../../lib/index.js';
import { rejection } from '../client/helpers/raw-server.js';
import { handshakeText, rawClient } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { certificates } from './helpers/certificates.js';
import { joinSecurely, plain, secure } from './helpers/clients.js';

const made = certificates();
const root = made.authority('root');
const one = made.issue('one', 'root', 'DNS:localhost,IP:127.0.0.1');
const two = made.issue('two', 'root', 'DNS:localhost,IP:127.0.0.1');
const trusted = { ca: root.cert, servername: 'localhost' };

const serve = (options: ServerOptions = {}, tls: object = {}) =>
  startServer({ message: (c, data) => void c.send(data), tls: { ...one, ...tls }, ...options });

describe('the TLS handshake', () => {
  it.each([
    [['http/1.1'], 'http/1.1'],
    [['h2', 'http/1.1'], 'http/1.1'],
    [undefined, false],
  ])('with ALPN %j chooses %s (RFC 7301)', async (ALPNProtocols, chosen) => {
    const { port } = await serve();
    const { socket } = await joinSecurely(port, { ...trusted, ...(ALPNProtocols && { ALPNProtocols }) });
    expect(socket.alpnProtocol).toBe(chosen);
  });

  it('refuses a client that knows h2 alone (RFC 7301 3.2)', async () => {
    const { port } = await serve();
    await expect(secure(port, { ...trusted, ALPNProtocols: ['h2'] })).rejects.toThrow(
      /no application protocol|alert/i,
    );
  });

  it.each([
    [{}, {}, 'TLSv1.3'],
    [{ maxVersion: 'TLSv1.2' }, {}, 'TLSv1.2'],
    [{}, { maxVersion: 'TLSv1.2' }, 'TLSv1.2'],
    [{ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' }, undefined],
    [{}, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }, undefined],
  ] as const)('of a server with %j and a client with %j speaks %s', async (ours, theirs, version) => {
    const { port } = await serve({}, ours);
    const outcome = secure(port, { ...trusted, ...theirs });
    if (version === undefined) await expect(outcome).rejects.toThrow();
    else expect((await outcome).getProtocol()).toBe(version);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes a session (%s)', async (maxVersion) => {
    const { port } = await serve();
    const first = await secure(port, { ...trusted, maxVersion });
    const session = await new Promise<Buffer>((resolve) => {
      if (maxVersion === 'TLSv1.2') resolve(first.getSession()!);
      else first.once('session', resolve);
    });
    expect(first.isSessionReused()).toBe(false);
    const again = await joinSecurely(port, { ...trusted, maxVersion, session });
    expect(again.socket.isSessionReused()).toBe(true);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['half a record', Buffer.of(0x16, 3, 1, 2, 0, 1, 0)],
  ])('that stops after %s ends after handshakeTimeout', async (_, bytes) => {
    const { port, server } = await serve({ handshakeTimeout: 100 });
    const client = rawClient(await plain(port));
    client.write(bytes);
    await client.ended;
    await turnUntil(() => server.stats().transports === 0);
  });

  it.each([
    ['plain HTTP', Buffer.from(handshakeText())],
    ['noise', Buffer.alloc(500, 0xa5)],
    ['zeros', Buffer.alloc(500)],
    ['a record of a wrong version', Buffer.of(0x16, 9, 9, 0, 5, 1, 2, 3, 4, 5)],
    ['a broken ClientHello', Buffer.of(0x16, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 9, 9)],
  ])('that is %s ends at once, and others do not notice', async (_, bytes) => {
    const record = recorder();
    const { port, server } = await serve(record.handlers);
    const client = rawClient(await plain(port));
    client.write(bytes);
    await client.ended;
    client.destroy();
    await turnUntil(() => server.stats().transports === 0);
    expect(record.opened.all).toEqual([]);
    await joinSecurely(port, trusted);
  });

  it('that is reset in its middle leaves nothing behind', async () => {
    const { port, server } = await serve();
    for (let i = 0; i < 50; i++) {
      const socket = await plain(port);
      socket.on('error', () => {});
      socket.write(Buffer.of(0x16, 3, 1, 2, 0, 1, 0));
      socket.resetAndDestroy();
    }
    await turnUntil(() => server.stats().accepted === 50 && server.stats().transports === 0);
  });

  it('of a client with a server that does not speak TLS fails with ERR_TLS', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    expect(await rejection(connect(`wss://127.0.0.1:${port}`))).toMatchObject({ code: 'ERR_TLS' });
  });
});

describe('over TLS', () => {
  it.each([0, 1, 16_383, 16_384, 16_385, 65_536, 1_000_000, 8_000_000])(
    'a message of %i bytes comes back as it went, to Node and to our client',
    async (size) => {
      const { port } = await serve();
      const payload = Buffer.from(Array.from({ length: Math.min(size, 1009) }, (_, i) => (i * 7) & 0xff));
      const message = size > 0 ? Buffer.alloc(size, payload) : Buffer.alloc(0);
      const peer = await joinSecurely(port, trusted);
      peer.send({ opcode: 2, payload: message });
      expect((await peer.frame()).payload.equals(message)).toBe(true);
      const record = recorder();
      const connection = await connect(`wss://127.0.0.1:${port}`, {
        ...record.handlers,
        tls: { ca: root.cert },
      });
      connection.send(message);
      expect(message.equals((await record.messages.next()) as Buffer)).toBe(true);
      connection.terminate();
    },
  );

  it('output waits for a peer that does not read, and then comes whole', async () => {
    const record = recorder();
    const { port } = await serve({ ...record.handlers, maxBackpressure: 64 * 1024 * 1024 });
    const peer = await joinSecurely(port, trusted);
    const connection = await record.opened.next();
    peer.pause();
    const message = Buffer.alloc(1024 * 1024, 'pattern');
    for (let i = 0; i < 24; i++) connection.send(message);
    await new Promise((resolve) => setImmediate(resolve));
    expect(connection.bufferedAmount).toBeGreaterThan(0);
    peer.resume();
    for (let i = 0; i < 24; i++) expect((await peer.frame()).payload.equals(message)).toBe(true);
    await turnUntil(() => connection.bufferedAmount === 0);
  });
});

describe('setSecureContext', () => {
  it('is for those who come; who is there stays', async () => {
    const { port, server } = await serve();
    const before = await joinSecurely(port, trusted);
    server.setSecureContext(two);
    const after = await joinSecurely(port, trusted);
    expect(before.socket.getPeerCertificate().subject.CN).toBe('one');
    expect(after.socket.getPeerCertificate().subject.CN).toBe('two');
    for (const peer of [before, after]) {
      peer.text('still here');
      expect((await peer.frame()).payload.toString()).toBe('still here');
    }
  });

  it('that fails changes nothing', async () => {
    const { port, server } = await serve();
    expect(() => server.setSecureContext({ cert: one.cert, key: two.key })).toThrow(/private key/);
    const peer = await joinSecurely(port, trusted);
    expect(peer.socket.getPeerCertificate().subject.CN).toBe('one');
  });

  it('belongs to a server with TLS', async () => {
    const { server } = await startServer(recorder().handlers);
    expect(() => server.setSecureContext(one)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_STATE' }),
    );
  });
});
