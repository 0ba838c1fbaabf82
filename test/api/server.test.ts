import { createConnection } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CloseOptions, createServer, LwsError, type ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { connectRaw, handshakeText, type RawClient, rawClient } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const bye = encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(1000) });

async function started(options: ServerOptions = {}) {
  const record = recorder();
  return { ...(await startServer({ ...record.handlers, ...options })), ...record };
}

/** Answers the close frame, as a peer does that is well. */
async function answerClose(client: RawClient): Promise<{ code: number; reason: string }> {
  return readClose((await client.framesToEndOfClose()).at(-1)!);
}

describe('server.connections', () => {
  it('has the open ones, by iteration, size and id', async () => {
    const { server, open, opened, closed } = await started();
    expect([server.connections.size, [...server.connections]]).toEqual([0, []]);
    const clients = [await open(), await open(), await open()];
    const all = [await opened.next(), await opened.next(), await opened.next()];
    expect(server.connections.size).toBe(3);
    expect([...server.connections]).toEqual(all);
    for (const connection of all) expect(server.connections.get(connection.id)).toBe(connection);
    clients[1]!.socket.end(bye);
    await closed.next();
    await turnUntil(() => server.connections.size === 2);
    expect([...server.connections]).toEqual([all[0], all[2]]);
    expect(server.connections.get(all[1]!.id)).toBeUndefined();
  });

  it('has a connection inside open and close', async () => {
    const sizes: number[] = [];
    const running = await started({
      open: (c) => void sizes.push([...running.server.connections].indexOf(c)),
      close: (c, info) => {
        sizes.push([...running.server.connections].indexOf(c));
        running.closed.push(info);
      },
    });
    (await running.open()).end();
    await running.closed.next();
    expect(sizes).toEqual([0, 0]);
  });

  it('may be changed while it is walked', async () => {
    const { server, open } = await started();
    const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
    await turnUntil(() => server.connections.size === 20);
    let walked = 0;
    for (const connection of server.connections) {
      walked++;
      for (const other of server.connections) if (other !== connection) other.terminate();
      connection.terminate();
    }
    expect(walked).toBe(20);
    for (const client of clients) await client.ended;
    await turnUntil(() => server.connections.size === 0);
  });

  it.each(['', 'x', 'constructor', '00000000-c0-1', `${'0'.repeat(16)}-c0-1`, 5, null, undefined])(
    'has none by the id %j',
    async (id) => {
      const { server, open } = await started();
      await open();
      expect(server.connections.get(id as string)).toBeUndefined();
    },
  );
});

describe('server.stats()', () => {
  it('counts from createServer on', async () => {
    const { server, open, connect, messages, closed } = await started();
    expect(Object.values(server.stats()).every((value) => value === 0)).toBe(true);
    const client = await open();
    client.text('12345');
    client.send({ opcode: Opcode.BINARY, payload: '12345', fin: false });
    client.send({ opcode: Opcode.CONTINUATION, payload: '67890' });
    client.send({ opcode: Opcode.PING });
    await messages.next();
    await messages.next();
    [...server.connections][0]!.send('x');
    [...server.connections][0]!.send(Buffer.alloc(100_000));
    await client.frames(3);
    const refused = await connect();
    refused.write(handshakeText({ method: 'POST' }));
    await refused.response();
    refused.end();
    await turnUntil(() => server.stats().transports === 1);
    const sent = 2 + 1 + 10 + 100_000 + 2;
    const stats = server.stats();
    expect(stats).toMatchObject({
      accepted: 2,
      refused: 1,
      requests: 1,
      opened: 1,
      closed: 0,
      messagesReceived: 2,
      messagesSent: 2,
      bytesReceived: handshakeText().length + handshakeText({ method: 'POST' }).length + 11 + 11 + 11 + 6,
      transports: 1,
      connections: 1,
    });
    expect(stats.bytesSent).toBeGreaterThan(sent);
    expect(stats.bytesSent).toBeLessThan(sent + 1000);
    client.socket.end(bye);
    await closed.next();
    await turnUntil(() => server.stats().transports === 0);
    expect(server.stats()).toMatchObject({ opened: 1, closed: 1, transports: 0, connections: 0 });
  });

  it('still tells after close(), also when it was never asked before', async () => {
    const { server, open, messages } = await started();
    (await open()).text('x');
    await messages.next();
    await server.close({ timeout: 0 });
    expect(server.stats()).toMatchObject({
      accepted: 1,
      requests: 1,
      opened: 1,
      closed: 1,
      messagesReceived: 1,
      transports: 0,
      connections: 0,
    });
  });

  it('is a copy', async () => {
    const { server } = await started();
    server.stats().accepted = 7;
    expect(server.stats().accepted).toBe(0);
  });
});

describe('server.close()', () => {
  it('closes every connection with 1001 and resolves when all have ended', async () => {
    const { server, open, closed } = await started();
    const clients = await Promise.all(Array.from({ length: 5 }, () => open()));
    await turnUntil(() => server.connections.size === 5);
    const closing = server.close();
    for (const client of clients) expect(await answerClose(client)).toEqual({ code: 1001, reason: '' });
    expect(await closing).toEqual({ closed: 5, forced: 0 });
    expect(closed.all).toEqual(Array(5).fill({ code: 1001, reason: '', clean: true }));
  });

  it('closes with another code', async () => {
    const { server, open } = await started();
    const client = await open();
    const closing = server.close({ code: 1012 });
    expect((await answerClose(client)).code).toBe(1012);
    await closing;
  });

  it('sends first what was sent before', async () => {
    const { server, open, opened } = await started();
    const client = await open();
    (await opened.next()).send('last news');
    const closing = server.close();
    expect((await client.frame()).payload.toString()).toBe('last news');
    await answerClose(client);
    await closing;
  });

  it('drops what has not ended after its timeout', async () => {
    const { server, open, closed } = await started();
    const [polite, rude] = [await open(), await open()];
    await turnUntil(() => server.connections.size === 2);
    const started_ = performance.now();
    const closing = server.close({ timeout: 80 });
    await answerClose(polite);
    expect(await closing).toEqual({ closed: 2, forced: 1 });
    expect(performance.now() - started_).toBeGreaterThan(70);
    expect(closed.all.map(({ code }) => code).sort()).toEqual([1001, 1006]);
    await rude.ended;
  });

  it('accepts nobody any more, at once', async () => {
    const { server, open, port } = await started();
    const client = await open();
    const closing = server.close();
    await expect(connectRaw(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await answerClose(client);
    await closing;
  });

  it('ends transports on which nothing was asked', async () => {
    const { server, connect } = await started();
    const idle = await connect();
    await turnUntil(() => server.stats().transports === 1);
    const closing = server.close();
    expect(await idle.ended).toBe('fin');
    idle.end();
    expect(await closing).toEqual({ closed: 0, forced: 0 });
  });

  it('works before listen(), twice, and from inside every handler', async () => {
    const idle = createServer();
    expect(await idle.close()).toEqual({ closed: 0, forced: 0 });
    const { server, open } = await started({ message: () => void server.close() });
    const client = await open();
    client.text('go');
    await answerClose(client);
    const [first, second] = await Promise.all([server.close(), server.close({ code: 4000 })]);
    expect([first, second]).toEqual([
      { closed: 1, forced: 0 },
      { closed: 1, forced: 0 },
    ]);
  });

  it('frees the port', async () => {
    const { server, port } = await started();
    await server.close();
    await started({ port });
  });

  const bad: [options: unknown, message: string][] = [
    [{ code: 1005 }, 'Expected 1000–1003, 1007–1014 or 3000–4999 for a close code but got the number 1005'],
    [
      { code: '1001' },
      'Expected 1000–1003, 1007–1014 or 3000–4999 for a close code but got the string "1001"',
    ],
    [
      { timeout: -1 },
      'Expected an integer from 0 to 86400000 for the option "timeout" but got the number -1',
    ],
    [
      { timeout: '1' },
      'Expected an integer from 0 to 86400000 for the option "timeout" but got the string "1"',
    ],
    [{ time: 1 }, 'Unknown option "time"; did you mean "timeout"?'],
    [null, 'Expected an object of options but got null'],
  ];
  it.each(bad)('refuses the options %j and stays open', async (options, message) => {
    const { server, open, messages } = await started();
    const client = await open();
    const error: unknown = await server.close(options as CloseOptions).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LwsError);
    expect((error as LwsError).message).toBe(message);
    client.text('still open');
    expect(await messages.next()).toBe('still open');
  });
});

it('ref() and unref() return the server, before it listens, while it does and after', async () => {
  const server = createServer({ host: '127.0.0.1' });
  const both = () => [server.unref(), server.ref()];
  expect(both()).toEqual([server, server]);
  await server.listen();
  expect(both()).toEqual([server, server]);
  await server.close();
  expect(both()).toEqual([server, server]);
});

describe('maxConnections', () => {
  it('answers 503 above, and serves again below', async () => {
    const { server, open, connect } = await started({ maxConnections: 2 });
    const first = await open();
    await open();
    const third = await connect();
    third.write(handshakeText());
    const response = await third.response();
    expect([response.status, response.body, response.header('retry-after')]).toEqual([
      503,
      'too many connections\n',
      '1',
    ]);
    expect(await third.ended).toBe('fin');
    third.end();
    first.socket.end(bye);
    await turnUntil(() => server.stats().transports === 1);
    await open();
    expect(server.stats()).toMatchObject({ accepted: 4, refused: 1, opened: 3 });
  });

  it('is bounded in what it answers: the refused count for nothing after they left', async () => {
    const { server, connect, open } = await started({ maxConnections: 1 });
    for (let i = 0; i < 50; i++) {
      const [a, b] = await Promise.all([connect(), connect()]);
      a.destroy();
      b.destroy();
    }
    await turnUntil(() => server.stats().transports === 0);
    await open();
  });
});

describe('maxConnectionsPerAddress', () => {
  it('answers 503 above, to that address alone', async () => {
    const { port, server } = await started({ host: '0.0.0.0', maxConnectionsPerAddress: 2 });
    const from = async (address: string) => {
      const socket = createConnection({
        port,
        host: '127.0.0.1',
        localAddress: address,
        allowHalfOpen: true,
      });
      onTestFinished(() => void socket.destroy());
      const client = rawClient(socket);
      client.write(handshakeText());
      return { client, status: (await client.response()).status };
    };
    const answers = [];
    for (const address of ['127.0.0.2', '127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.2'])
      answers.push(await from(address));
    expect(answers.map(({ status }) => status)).toEqual([101, 101, 503, 101, 503]);
    for (const { client } of answers) client.destroy();
    await turnUntil(() => server.stats().transports === 0);
    expect((await from('127.0.0.2')).status).toBe(101);
  });
});
