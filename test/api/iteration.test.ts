import { describe, expect, it } from 'vitest';
import { type Connection, LwsError, type ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, Opcode } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { startServer, turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;

/** A connection that nobody reads yet. */
async function pair(options: ServerOptions = {}) {
  const opened = queue<Connection>();
  const running = await startServer({ open: (connection) => opened.push(connection), ...options });
  const client = await running.open();
  return { ...running, client, connection: await opened.next() };
}

const texts = (...payloads: string[]) =>
  Buffer.concat(payloads.map((payload) => encodeFrame({ opcode: Opcode.TEXT, payload })));
const bye = encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(1000) });

async function collect(connection: Connection): Promise<(string | Buffer)[]> {
  const all: (string | Buffer)[] = [];
  for await (const message of connection) all.push(message);
  return all;
}

describe('for await over a connection', () => {
  it('gives the messages in order and ends with the connection', async () => {
    const { client, connection } = await pair();
    const reading = collect(connection);
    client.write(texts('one', 'two'));
    client.send({ opcode: Opcode.BINARY, payload: 'three' });
    client.socket.end(bye);
    expect(await reading).toEqual(['one', 'two', Buffer.from('three')]);
  });

  it('may begin inside open, and receives at once', async () => {
    const got = queue<string | Buffer>();
    const { open } = await startServer({
      async open(connection) {
        for await (const message of connection) {
          got.push(message);
          connection.send(`got ${message}`);
        }
      },
    });
    const client = await open();
    client.text('x');
    expect((await client.frame()).payload.toString()).toBe('got x');
    expect(await got.next()).toBe('x');
  });

  it('inside an async open lasts longer than handshakeTimeout', async () => {
    const { open } = await startServer({
      handshakeTimeout: 40,
      async open(connection) {
        for await (const message of connection) connection.send(message);
      },
    });
    const client = await open();
    await new Promise((resolve) => setTimeout(resolve, 120));
    client.text('still read');
    expect((await client.frame()).payload.toString()).toBe('still read');
  });

  it('awaits the body of the loop before the next message', async () => {
    const { client, connection } = await pair();
    let inside = 0;
    let most = 0;
    const reading = (async () => {
      for await (const _ of connection) {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
      }
    })();
    client.write(texts(...Array.from({ length: 100 }, (_, i) => `${i}`)));
    client.socket.end(bye);
    await reading;
    expect(most).toBe(1);
  });

  it('still gives what was not read when the connection ended', async () => {
    const { client, connection } = await pair();
    const iterator = connection[Symbol.asyncIterator]();
    client.write(texts('one', 'two', 'three'));
    client.socket.end(bye);
    expect(await iterator.next()).toEqual({ value: 'one', done: false });
    await connection.closed;
    expect(await iterator.next()).toEqual({ value: 'two', done: false });
    expect(await iterator.next()).toEqual({ value: 'three', done: false });
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });

  it.each([
    ['the peer ends TCP', (client: { end(): void }) => client.end()],
    ['the peer resets TCP', (client: { reset(): void }) => client.reset()],
    ['close() is called', (_: unknown, connection: Connection) => connection.close()],
    ['terminate() is called', (_: unknown, connection: Connection) => connection.terminate()],
    [
      'the peer sends a bad frame',
      (client: { write(bytes: Buffer): void }) => client.write(Buffer.of(0xff, 0xff)),
    ],
  ])('that waits ends when %s', async (_, end) => {
    const { client, connection } = await pair();
    const reading = collect(connection);
    await new Promise((resolve) => setImmediate(resolve));
    end(client, connection);
    expect(await reading).toEqual([]);
    client.socket.end(bye);
  });

  it('over a dead connection ends at once', async () => {
    const { client, connection } = await pair();
    client.end();
    await connection.closed;
    expect(await collect(connection)).toEqual([]);
  });

  it('loses nothing to a transient binaryType', async () => {
    const { client, connection } = await pair({ binaryType: 'transient' });
    const reading = collect(connection);
    const payloads = Array.from({ length: 50 }, (_, i) => Buffer.alloc(1000, i));
    for (const payload of payloads) client.send({ opcode: Opcode.BINARY, payload });
    client.socket.end(bye);
    expect(await reading).toEqual(payloads);
  });
});

describe('leaving the loop', () => {
  it('holds what comes until the next loop', async () => {
    const { client, connection } = await pair();
    client.write(texts('one', 'two', 'three'));
    for await (const message of connection) {
      expect(message).toBe('one');
      break;
    }
    client.text('four');
    const reading = collect(connection);
    client.socket.end(bye);
    expect(await reading).toEqual(['two', 'three', 'four']);
  });

  it('keeps the connection open', async () => {
    const { client, connection } = await pair();
    client.text('one');
    for await (const _ of connection) break;
    expect(connection.isOpen).toBe(true);
    connection.send('still open');
    expect((await client.frame()).payload.toString()).toBe('still open');
  });

  it('by an exception passes it on', async () => {
    const { client, connection } = await pair();
    client.text('one');
    const reading = (async () => {
      for await (const message of connection) throw new Error(`no ${message}`);
    })();
    await expect(reading).rejects.toThrow('no one');
    expect(connection.isOpen).toBe(true);
  });

  it('lets the peer get stuck and not the memory grow', async () => {
    const { client, connection, server } = await pair();
    client.text('first');
    for await (const _ of connection) break;
    const before = server.stats().bytesReceived;
    for (let i = 0; i < 32; i++) client.send({ opcode: Opcode.BINARY, payload: Buffer.alloc(MIB) });
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(server.stats().bytesReceived - before).toBeLessThan(8 * MIB);
    let bytes = 0;
    for await (const message of connection) {
      bytes += message.length;
      if (bytes === 32 * MIB) break;
    }
  });
});

describe('buffering', () => {
  it('stops reading when more than 64 KiB wait unread, and goes on when they are read', async () => {
    const { client, connection, server } = await pair();
    const iterator = connection[Symbol.asyncIterator]();
    const count = 400;
    const payload = Buffer.alloc(64 * 1024);
    for (let i = 0; i < count; i++) client.send({ opcode: Opcode.BINARY, payload });
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    /* what one turn brings at most: 4 MiB */
    expect(server.stats().messagesReceived).toBeLessThan(100);
    for (let i = 0; i < count; i++) expect((await iterator.next()).value?.length).toBe(payload.length);
  });

  it('reads ahead while little waits', async () => {
    const { client, connection, server } = await pair();
    connection[Symbol.asyncIterator]();
    client.write(texts('one', 'two', 'three'));
    await turnUntil(() => server.stats().messagesReceived === 3);
    client.send({ opcode: Opcode.PING, payload: 'p' });
    expect((await client.frame()).payload.toString()).toBe('p');
  });
});

describe('misuse is said:', () => {
  it('beside a message handler', async () => {
    const { connection } = await pair({ message() {} });
    expect(() => connection[Symbol.asyncIterator]()).toThrow(LwsError);
    expect(() => connection[Symbol.asyncIterator]()).toThrow(
      'Expected no message or fragment handler beside an async iterator; use one or the other',
    );
  });

  it('two loops at once', async () => {
    const { client, connection } = await pair();
    const reading = collect(connection);
    expect(() => connection[Symbol.asyncIterator]()).toThrow('Expected one loop over a connection at a time');
    client.socket.end(bye);
    await reading;
  });

  it('next() before the one before has settled', async () => {
    const { client, connection } = await pair();
    const iterator = connection[Symbol.asyncIterator]();
    const first = iterator.next();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    client.text('x');
    expect(await first).toEqual({ value: 'x', done: false });
  });

  it('next() after return() tells the end', async () => {
    const { connection } = await pair();
    const iterator = connection[Symbol.asyncIterator]();
    expect(await iterator.return!()).toEqual({ value: undefined, done: true });
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });
});
