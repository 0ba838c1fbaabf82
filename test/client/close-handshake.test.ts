import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ConnectOptions, connect } from '../../lib/index.js';
import { closeBody, encodeFrame, type FrameFields, Opcode, readClose } from '../helpers/frames.js';
import { turns } from '../helpers/lifecycle.js';
import { queue } from '../helpers/queue.js';
import { rawClient } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { certificates } from '../tls/helpers/certificates.js';
import { acceptOf, rawServer, responseText } from './helpers/raw-server.js';

async function joined(options: ConnectOptions<undefined> = {}) {
  const record = recorder();
  const { url, asked } = await rawServer((one) => one.accept());
  const connection = await connect(url, { ...record.handlers, ...options });
  return { ...record, connection, peer: (await asked.next()).peer };
}

const server = (fields: FrameFields) => encodeFrame({ mask: false, ...fields });
const closeFrame = (code: number, reason = '') =>
  server({ opcode: Opcode.CLOSE, payload: closeBody(code, reason) });

describe('the end of TCP is left to the server (RFC 6455 7.1.1)', () => {
  it('after a close handshake that the client began', async () => {
    const { connection, peer, closed } = await joined();
    connection.close(1000, 'done');
    expect(readClose(await peer.frame())).toEqual({ code: 1000, reason: 'done' });
    peer.write(closeFrame(1000, 'yes'));
    await turns(20);
    expect([peer.isEnded, closed.all.length]).toEqual([false, 0]);
    peer.end();
    expect(await peer.ended).toBe('fin');
    expect(await closed.next()).toEqual({ code: 1000, reason: 'yes', clean: true });
  });

  it('after a close handshake that the server began', async () => {
    const { connection, peer, closed } = await joined();
    peer.write(closeFrame(4000, 'go'));
    expect(readClose(await peer.frame())).toEqual({ code: 4000, reason: 'go' });
    await turns(20);
    expect([peer.isEnded, closed.all.length, connection.isOpen]).toEqual([false, 0, false]);
    peer.end();
    expect(await peer.ended).toBe('fin');
    expect(await closed.next()).toEqual({ code: 4000, reason: 'go', clean: true });
  });

  it('also when both began', async () => {
    const { connection, peer, closed } = await joined();
    peer.write(closeFrame(4001));
    connection.close(4002);
    expect(readClose(await peer.frame()).code).toBe(4002);
    await turns(20);
    expect(peer.isEnded).toBe(false);
    peer.end();
    expect(await closed.next()).toEqual({ code: 4001, reason: '', clean: true });
  });

  it('which may come together with its close frame', async () => {
    const { peer, closed } = await joined();
    peer.socket.end(closeFrame(1001));
    expect((await peer.framesToEnd()).map(readClose)).toEqual([{ code: 1001, reason: '' }]);
    expect(await closed.next()).toEqual({ code: 1001, reason: '', clean: true });
  });

  it('and what it sends until then is discarded', async () => {
    const { connection, peer, closed, messages, pongs } = await joined();
    connection.close();
    await peer.frame();
    peer.write(closeFrame(1000));
    for (let i = 0; i < 20; i++)
      peer.write(server({ opcode: Opcode.BINARY, payload: Buffer.alloc(100_000) }));
    peer.write(Buffer.alloc(1000, 0xff));
    peer.end();
    expect(await closed.next()).toEqual({ code: 1000, reason: '', clean: true });
    expect([messages.all, pongs.all]).toEqual([[], []]);
  });

  it('but not after a failure, when the server may not be relied on (7.1.7)', async () => {
    const { peer, closed } = await joined();
    peer.write(server({ opcode: Opcode.TEXT, rsv: 7 }));
    expect((await peer.framesToEnd()).map((frame) => readClose(frame).code)).toEqual([1002]);
    peer.end();
    expect(await closed.next()).toMatchObject({ code: 1006, clean: false });
  });

  it('so our server and our client both call it clean, whoever began', async () => {
    for (const from of ['server', 'client'] as const) {
      const [here, there] = [recorder(), recorder()];
      const { url } = await startServer(there.handlers);
      const connection = await connect(url, here.handlers);
      (from === 'client' ? connection : await there.opened.next()).close(4000, from);
      const told = { code: 4000, reason: from, clean: true };
      expect(await Promise.all([here.closed.next(), there.closed.next()])).toEqual([told, told]);
    }
  });
});

describe('a server that does not end TCP', () => {
  it.each([
    ['at all', () => {}, 'answers'],
    ['but goes on sending', (write: () => void) => write(), 'answers'],
    ['at all, having closed first', () => {}, 'begins'],
  ] as const)('%s is left after closeTimeout, not cleanly', async (_, then, how) => {
    const { connection, peer, closed } = await joined({ closeTimeout: 80 });
    const started = performance.now();
    if (how === 'answers') {
      connection.close(4000);
      await peer.frame();
    }
    peer.write(closeFrame(4000, 'stay'));
    const drip = setInterval(() => then(() => peer.write(Buffer.alloc(100))), 5);
    onTestFinished(() => clearInterval(drip));
    expect(await closed.next()).toEqual({ code: 4000, reason: 'stay', clean: false });
    expect(performance.now() - started).toBeGreaterThan(75);
    await peer.ended;
  });

  it('but resets it is not clean', async () => {
    const { connection, peer, closed } = await joined();
    connection.close(4000);
    await peer.frame();
    peer.write(closeFrame(4000));
    await turnUntil(() => !connection.isOpen);
    peer.reset();
    expect(await closed.next()).toEqual({ code: 4000, reason: '', clean: false });
  });

  it('can be left by terminate()', async () => {
    const { connection, peer, closed } = await joined();
    connection.close(4000);
    await peer.frame();
    peer.write(closeFrame(4000, 'kept'));
    await turns(20);
    connection.terminate();
    expect(await closed.next()).toEqual({ code: 4000, reason: 'kept', clean: false });
    await peer.ended;
  });

  it('and does not even read our close frame is left after closeTimeout', async () => {
    const { connection, peer, closed } = await joined({ closeTimeout: 80 });
    peer.pause();
    while (connection.bufferedAmount === 0) connection.send(Buffer.alloc(1024 * 1024));
    peer.write(closeFrame(4000));
    peer.end();
    expect(await closed.next()).toEqual({ code: 4000, reason: '', clean: false });
  });
});

describe('over TLS', () => {
  const folder = certificates();
  const root = folder.authority('root');
  const leaf = folder.issue('leaf', 'root', 'IP:127.0.0.1');

  it('close_notify and FIN of the server come first, ours follow (RFC 8446 6.1)', async () => {
    const sockets = queue<TLSSocket>();
    const tls = createTlsServer({ ...leaf, allowHalfOpen: true } as object, (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void tls.close());
    const { port } = tls.address() as { port: number };
    const record = recorder();
    const opening = connect(`wss://127.0.0.1:${port}`, { ...record.handlers, tls: { ca: root.cert } });
    const socket = await sockets.next();
    onTestFinished(() => void socket.destroy());
    const head = await new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(`${bytes}`)));
    const peer = rawClient(socket);
    const accept = acceptOf(/^Sec-WebSocket-Key: (.*)\r$/m.exec(head)![1]!);
    const fields = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Accept': accept };
    peer.write(responseText('101 Switching Protocols', fields));
    const connection = await opening;
    connection.close(1000);
    await peer.frame();
    peer.write(closeFrame(1000));
    await turns(20);
    expect([peer.isEnded, record.closed.all.length]).toEqual([false, 0]);
    peer.end();
    expect(await peer.ended).toBe('fin');
    expect(await record.closed.next()).toEqual({ code: 1000, reason: '', clean: true });
  });
});
