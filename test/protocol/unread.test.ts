import { describe, expect, it } from 'vitest';
import { closeBody, Opcode, readClose } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

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

  it('stops reading at the first message, and goes on when somebody reads', async () => {
    const { server, client, connection } = await sender();
    client.text('first');
    await turnUntil(() => server.stats().messagesReceived === 1);
    /* another whole turn, so that the pause has gone through */
    client.send({ opcode: Opcode.PING });
    const got = queue<string | Buffer>();
    const reading = (async () => {
      for await (const message of connection) got.push(message);
    })();
    client.text('second');
    expect([await got.next(), await got.next()]).toEqual(['first', 'second']);
    client.end();
    await reading;
  });

  it('lets the peer be stuck with what it sends, instead of keeping it', async () => {
    const { server, client } = await sender();
    const piece = Buffer.alloc(1024 * 1024);
    let written = 0;
    while (written < 64 && client.socket.writableLength < 16 * piece.length) {
      client.send({ opcode: Opcode.BINARY, payload: piece });
      written++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(client.socket.writableLength).toBeGreaterThan(8 * piece.length);
    expect(server.stats().messagesReceived).toBeLessThan(8);
  });
});
