import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { type Connection, connect, type DeflateOptions } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

/* Messages of one turn to one connection share a record of the ring; a real peer tells whether they stay apart. */

type Message = string | Buffer;

/** Says that it is short; to copy it fails in the middle of an append, as it has more than the ring holds. */
class Liar extends Uint8Array {
  override get length() {
    return 20;
  }
}

interface Way {
  connection: Connection;
  /** What the peer received: text as string, pings as `ping …`. */
  received: ReturnType<typeof queue<Message>>;
  /** How many messages were sent, as stats count them; a client has none. */
  sent(): number | undefined;
  /** The same for a second connection. */
  another(): Promise<{ connection: Connection; received: ReturnType<typeof queue<Message>> }>;
}

function listen(socket: WebSocket) {
  const received = queue<Message>();
  socket.on('message', (data: Buffer, isBinary) => received.push(isBinary ? data : data.toString()));
  socket.on('ping', (data) => received.push(`ping ${data}`));
  return received;
}

async function asServer(perMessageDeflate?: DeflateOptions): Promise<Way> {
  const record = recorder();
  const { url, server } = await startServer({
    ...record.handlers,
    ...(perMessageDeflate && { perMessageDeflate }),
  });
  const another = async () => {
    const socket = new WebSocket(url, { perMessageDeflate: perMessageDeflate !== undefined });
    onTestFinished(() => socket.terminate());
    const received = listen(socket);
    await once(socket, 'open');
    return { connection: await record.opened.next(), received };
  };
  return { ...(await another()), another, sent: () => server.stats().messagesSent };
}

async function asClient(): Promise<Way> {
  const sockets = queue<WebSocket>();
  const peer = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => void peer.close());
  peer.on('connection', (socket) => sockets.push(socket));
  await once(peer, 'listening');
  const another = async () => {
    const connection = await connect(`ws://127.0.0.1:${(peer.address() as AddressInfo).port}`, {
      message() {},
    });
    onTestFinished(() => connection.terminate());
    return { connection: connection as unknown as Connection, received: listen(await sockets.next()) };
  };
  return { ...(await another()), another, sent: () => undefined };
}

const ways: [name: string, make: () => Promise<Way>][] = [
  ['a server', () => asServer()],
  ['a server that compresses everything', () => asServer({ threshold: 0 })],
  ['a server that compresses long ones', () => asServer({ threshold: 100 })],
  ['a client', asClient],
];

const letters = (count: number, letter: string) => letter.repeat(count);

/** Around 125 bytes, where another form of the header begins (RFC 6455 5.2), and the longest that share a record. */
const various: Message[] = [
  '',
  Buffer.alloc(0),
  'one',
  Buffer.from('two'),
  ...[41, 42, 124, 125, 126, 127, 1366].flatMap((count) => [
    letters(count, 'a'),
    letters(count, 'ä'),
    letters(count, '漢'),
    letters(count, '😀'),
    Buffer.alloc(count, count),
  ]),
  Buffer.alloc(4096, 1),
  Buffer.alloc(4097, 2),
  'three',
  Buffer.from('four'),
];

describe.each(ways)('what %s sends in one turn', (_, make) => {
  test('arrives one by one, in order, as text or as bytes', async () => {
    const { connection, received, sent } = await make();
    const before = sent();
    const all = [...various, ...various.toReversed(), ...various];
    for (const message of all) expect(connection.send(message)).not.toBe('closed');
    for (const message of all) expect(await received.next()).toEqual(message);
    if (before !== undefined) expect(sent()! - before).toBe(all.length);
  });

  test('arrives whole where it fills the ring several times', async () => {
    const { connection, received } = await make();
    const count = 20_000;
    for (let i = 0; i < count; i++) connection.send(i % 3 === 0 ? `text ${i}` : Buffer.from(`bytes of ${i}`));
    for (let i = 0; i < count; i++) {
      const message = await received.next();
      expect(message.toString()).toBe(i % 3 === 0 ? `text ${i}` : `bytes of ${i}`);
    }
  });

  test('keeps its order with pings and with what goes past the ring', async () => {
    const { connection, received } = await make();
    const large = Buffer.alloc(5_000, 7);
    for (let i = 0; i < 3; i++) {
      connection.send(`before ${i}`);
      connection.ping(`${i}`);
      connection.send(`between ${i}`);
      connection.send(large);
      connection.send(`behind ${i}`);
    }
    for (let i = 0; i < 3; i++)
      for (const message of [`before ${i}`, `ping ${i}`, `between ${i}`, large, `behind ${i}`])
        expect(await received.next()).toEqual(message);
  });

  test('is not taken for what lay in its place in an earlier turn', async () => {
    const { connection, received } = await make();
    for (let size = 0; size < 16; size++) {
      connection.send('earlier');
      expect(await received.next()).toBe('earlier');
      connection.ping('p'.repeat(size));
      connection.send(`behind ${size}`);
      expect(await received.next()).toBe(`ping ${'p'.repeat(size)}`);
      expect(await received.next()).toBe(`behind ${size}`);
    }
  });

  test('reaches each of two connections that it is for, in turn', async () => {
    const { connection, received, another } = await make();
    const other = await another();
    for (let i = 0; i < 100; i++) {
      connection.send(`first ${i}`);
      if (i % 3 === 0) connection.send(`first again ${i}`);
      other.connection.send(`second ${i}`);
    }
    for (let i = 0; i < 100; i++) {
      expect(await received.next()).toBe(`first ${i}`);
      if (i % 3 === 0) expect(await received.next()).toBe(`first again ${i}`);
      expect(await other.received.next()).toBe(`second ${i}`);
    }
  });

  test('goes on behind a message that could not be copied', async () => {
    const { connection, received, another } = await make();
    const other = await another();
    const liar = new Liar(1024 * 1024);
    for (let i = 0; i < 3; i++) {
      connection.send(`before ${i}`);
      expect(() => other.connection.send(liar)).toThrow(RangeError);
      other.connection.send(`other ${i}`);
      expect(() => connection.send(liar)).toThrow(RangeError);
      connection.send(`behind ${i}`);
    }
    for (let i = 0; i < 3; i++) {
      expect(await received.next()).toBe(`before ${i}`);
      expect(await received.next()).toBe(`behind ${i}`);
      expect(await other.received.next()).toBe(`other ${i}`);
    }
  });
});

test('what a server sends in one turn keeps its order with what it publishes', async () => {
  const record = recorder();
  const { url, server } = await startServer(record.handlers);
  const socket = new WebSocket(url);
  onTestFinished(() => socket.terminate());
  const received = listen(socket);
  const connection = await record.opened.next();
  connection.subscribe('news');
  for (let i = 0; i < 50; i++) {
    connection.send(`sent ${i}`);
    connection.send(`sent again ${i}`);
    expect(server.publish('news', `published ${i}`)).toBe(1);
    if (i % 7 === 0) expect(server.subscribers('news')).toBe(1);
  }
  for (let i = 0; i < 50; i++)
    for (const text of [`sent ${i}`, `sent again ${i}`, `published ${i}`])
      expect(await received.next()).toBe(text);
  await turnUntil(() => connection.bufferedAmount === 0);
  expect(server.stats().messagesSent).toBe(150);
});

test('bytes of one turn count for bufferedAmount by their payload until they leave', async () => {
  const { connection, received } = await asServer();
  let size = 0;
  for (const message of various) {
    connection.send(message);
    size += Buffer.byteLength(message);
    if (size > 4096) break;
    expect(connection.bufferedAmount).toBe(size);
  }
  for (const message of various.slice(0, 5)) expect(await received.next()).toEqual(message);
  await turnUntil(() => connection.bufferedAmount === 0);
});
