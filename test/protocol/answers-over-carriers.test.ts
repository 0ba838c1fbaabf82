import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { attached } from '../adopt/helpers/attached.js';
import { certificate, connectRawTls, openOver } from '../adopt/helpers/node-servers.js';
import { endings, expectAnswers, texts } from '../helpers/endings.js';
import { queue } from '../helpers/queue.js';
import { rawClient } from '../helpers/raw-client.js';
import { recorder, startServer } from '../helpers/server.js';
import { startEcho } from '../lifecycle/workers.js';
import { live } from '../sessions/helpers/live.js';

const echo = {
  message: (c: { send(data: string | Buffer): unknown }, data: string | Buffer) => void c.send(data),
};

/** A client of `ws` that sends and closes at once; what came back, and its code. */
async function sendAndClose(
  url: string,
  options: object = {},
  protocols: string[] = [],
): Promise<[readonly string[], number]> {
  const client = new WebSocket(url, protocols, options);
  onTestFinished(() => client.terminate());
  const got = queue<string>();
  client.on('message', (data) => got.push(String(data)));
  await once(client, 'open');
  for (const text of texts) client.send(text);
  client.close(1000);
  const [code] = await once(client, 'close');
  return [got.all, code];
}

describe('what handlers answered before the peer ended arrives', () => {
  it.each(endings)('over TLS: $name', async (ending) => {
    const { closed, handlers } = recorder();
    const { port } = await startServer({ ...echo, close: handlers.close, tls: certificate() });
    const client = await connectRawTls(port);
    await client.handshake();
    client.write(ending.bytes('client'));
    if (ending.fin) client.end();
    expectAnswers(await client.framesToEnd(), ending);
    client.end();
    expect((await closed.next()).code).toBe(ending.told);
  });

  for (const kind of ['http', 'https', 'h2c', 'h2'] as const)
    it.each(endings)(`over an adopted stream of ${kind}: $name`, async (ending) => {
      const { port, record } = await attached(kind, echo);
      const client = await openOver(kind, port);
      client.write(ending.bytes('client'));
      if (ending.fin) client.end();
      expectAnswers(await client.framesToEnd(), ending);
      client.end();
      expect((await record.closed.next()).code).toBe(ending.told);
    });

  it('after close_notify alone (RFC 8446 6.1)', async () => {
    const { closed, handlers } = recorder();
    const { port } = await startServer({ ...echo, close: handlers.close, tls: certificate() });
    const below = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    onTestFinished(() => void below.destroy());
    /* what TLS says at its end goes on, the end itself does not */
    const withoutFin = new Duplex({
      read() {},
      write: (chunk, _, done) => void below.write(chunk, done),
      final: (done) => done(),
    });
    below.on('data', (chunk) => withoutFin.push(chunk));
    below.on('end', () => withoutFin.push(null));
    const socket = connectTls({ socket: withoutFin, ca: certificate().cert, servername: 'localhost' });
    socket.allowHalfOpen = true;
    const client = rawClient(socket);
    await client.handshake();
    client.write(endings[4]!.bytes('client'));
    client.end();
    expectAnswers(await client.framesToEnd(), endings[4]!);
    expect(below.writableEnded).toBe(false);
    below.end();
    expect((await closed.next()).code).toBe(1006);
  });

  it.each([
    ['with contexts kept', true],
    ['with contexts dropped', { contextTakeover: false, peerContextTakeover: false }],
  ])('compressed, %s', async (_, perMessageDeflate) => {
    const { url } = await startServer({ ...echo, perMessageDeflate });
    expect(await sendAndClose(url, { perMessageDeflate: { threshold: 0 } })).toEqual([texts, 1000]);
  });

  it('from a worker', async () => {
    const { port } = await startEcho();
    expect(await sendAndClose(`ws://127.0.0.1:${port}`)).toEqual([texts, 1000]);
  });

  it('from a server of sessions', async () => {
    const { url } = await live({ message: (c, data) => void c.send(data) });
    expect(await sendAndClose(url)).toEqual([texts, 1000]);
  });

  it('from a subprotocol with handlers of its own', async () => {
    const { url } = await startServer({ protocols: { echo } });
    expect(await sendAndClose(url, {}, ['echo'])).toEqual([texts, 1000]);
  });

  it('large or small, beside pings', async () => {
    const sizes = [0, 1, 125, 126, 4096, 4097, 70_000, 300_000];
    const { url } = await startServer({ message: (c, data) => void c.send(data) });
    const got = queue<number>();
    const client = new WebSocket(url);
    client.on('message', (data) => got.push((data as Buffer).length));
    await once(client, 'open');
    for (const size of sizes) {
      client.send(Buffer.alloc(size));
      client.ping();
    }
    client.close();
    await once(client, 'close');
    expect(got.all).toEqual(sizes);
  });
});
