import { describe, expect, it, onTestFinished } from 'vitest';
import { type Connection, connect, type ServerOptions } from '../../lib/index.js';
import { rawServer } from '../client/helpers/raw-server.js';
import { closeBody, encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { live } from '../sessions/helpers/live.js';

/** A server that only sends: no message handler, nobody iterates. */
async function sender() {
  const { opened, closed, pongs, handlers } = recorder();
  const { open, close, pong, error } = handlers;
  const running = await startServer({ open, close, pong, error });
  const client = await running.open();
  return { ...running, client, connection: await opened.next(), closed, pongs };
}

describe('a connection whose messages nobody reads', () => {
  it('answers pings (RFC 6455 5.5.2)', async () => {
    const { client } = await sender();
    client.send({ opcode: Opcode.PING, payload: 'are you there?' });
    expect(await client.frame()).toMatchObject({
      opcode: Opcode.PONG,
      payload: Buffer.from('are you there?'),
    });
  });

  it('hears pongs', async () => {
    const { client, connection, pongs } = await sender();
    connection.ping('x');
    await client.frame();
    client.send({ opcode: Opcode.PONG, payload: 'x' });
    expect(await pongs.next()).toBe('x');
  });

  it('answers a close frame and ends (RFC 6455 5.5.1)', async () => {
    const { client, closed } = await sender();
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(4000, 'done') });
    client.end();
    expect(readClose(await client.frame()).code).toBe(4000);
    expect(await closed.next()).toEqual({ code: 4000, reason: 'done', clean: true });
  });

  it('notices that the peer left', async () => {
    const { client, closed } = await sender();
    client.end();
    expect((await closed.next()).code).toBe(1006);
  });

  it('discards its messages, counts them and warns once for each server', async () => {
    const warnings = queue<Error>();
    const listener = (warning: Error & { code?: string }) => {
      if (warning.code === 'LWS_MESSAGES_DISCARDED') warnings.push(warning);
    };
    process.on('warning', listener);
    onTestFinished(() => void process.off('warning', listener));
    const { server, client, open } = await sender();
    for (const one of [client, await open()]) {
      one.text('unread');
      one.send({ opcode: Opcode.BINARY, payload: 'unread' });
    }
    await turnUntil(() => server.stats().messagesDiscarded === 4);
    expect((await warnings.next()).message).toMatch(/message handler/);
    expect(warnings.all.length).toBe(1);
  });

  it('is neither held by a message before its close frame, nor by silence behind one', async () => {
    const { opened, closed, handlers } = recorder();
    const running = await startServer({
      open: handlers.open,
      close: handlers.close,
      pingInterval: 0,
      idleTimeout: 60,
    });
    const leaves = await running.open();
    leaves.text('unread');
    leaves.send({ opcode: Opcode.CLOSE, payload: closeBody(4000) });
    expect((await leaves.framesToEnd()).map((frame) => readClose(frame).code)).toEqual([4000]);
    leaves.end();
    expect(await closed.next()).toMatchObject({ code: 4000, clean: true });
    const silent = await running.open();
    silent.text('unread');
    expect(await closed.next()).toMatchObject({ code: 1006, reason: expect.stringMatching(/idleTimeout/) });
    expect(opened.all.length).toBe(2);
  });

  it('takes as much as is sent, and keeps nothing of it', async () => {
    const { server, client } = await sender();
    const piece = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 64; i++) client.send({ opcode: Opcode.BINARY, payload: piece });
    await turnUntil(() => server.stats().messagesDiscarded === 64);
  });

  it.each<[string, ServerOptions, string[]]>([
    ['a subprotocol without handlers', { message: () => undefined, protocols: { mute: {} } }, ['mute']],
    ['a server without any handler', {}, []],
  ])('may be one of %s', async (_, options, protocols) => {
    const { server, open } = await startServer(options);
    const headers = protocols.length > 0 ? { 'Sec-WebSocket-Protocol': protocols[0]! } : {};
    const client = await open({ headers });
    client.text('unread');
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(1000) });
    expect((await client.framesToEnd()).length).toBe(1);
    expect(server.stats().messagesDiscarded).toBe(1);
  });

  it('may be one of sessions', async () => {
    const { socket, closed } = await (await live({})).join();
    socket.send('unread');
    socket.close(4000);
    expect((await closed).code).toBe(4000);
  });

  it('has readers from when a loop begins: inside open, in the same turn, or behind a pause', async () => {
    for (const when of ['open', 'turn', 'pause'] as const) {
      const got = queue<string | Buffer>();
      const read = async (connection: Connection) => {
        for await (const message of connection) got.push(message);
      };
      const { server, open } = await startServer({
        async open(connection) {
          if (when === 'open') return read(connection);
          if (when === 'pause') {
            connection.pause();
            setTimeout(() => {
              void read(connection);
              connection.resume();
            }, 30);
          } else void Promise.resolve().then(() => read(connection));
        },
      });
      const client = await open();
      client.text('first');
      client.text('second');
      expect([await got.next(), await got.next()]).toEqual(['first', 'second']);
      expect(server.stats().messagesDiscarded).toBe(0);
    }
  });
});

describe('a connection of a client whose messages nobody reads', () => {
  const text = (payload: string) => encodeFrame({ opcode: Opcode.TEXT, payload, mask: false });

  it('holds the server back until its first loop', async () => {
    const { url, asked } = await rawServer((one) => one.accept());
    const connection = await connect(url);
    const { peer } = await asked.next();
    const piece = encodeFrame({ opcode: Opcode.BINARY, payload: Buffer.alloc(1024 * 1024), mask: false });
    let written = 0;
    while (written < 64 && peer.socket.writableLength < 16 * piece.length) {
      peer.write(piece);
      written++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(peer.socket.writableLength).toBeGreaterThan(8 * piece.length);
    for await (const message of connection) {
      expect(message.length).toBe(1024 * 1024);
      if (--written === 0) break;
    }
  });

  it('finds what came before, also when the server ended meanwhile', async () => {
    const { url, asked } = await rawServer((one) => one.accept());
    const connection = await connect(url, { closeTimeout: 50 });
    const { peer } = await asked.next();
    peer.write(Buffer.concat([text('one'), text('two')]));
    peer.end();
    expect((await connection.closed).code).toBe(1006);
    const got: (string | Buffer)[] = [];
    for await (const message of connection) got.push(message);
    expect(got).toEqual(['one', 'two']);
  });
});
