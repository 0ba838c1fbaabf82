import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { handshakeText, type RawClient } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;
const blank = '\r\n\r\n';

/** Writes until the peer ended; true when it ever refused to take more. */
async function writeWithoutEnd(client: RawClient, piece: Buffer, most: number): Promise<void> {
  for (let sent = 0; sent < most && !client.isEnded; sent += piece.length) {
    client.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** That the server still serves is part of every answer to bad input. */
async function expectAlive(running: Awaited<ReturnType<typeof startServer>>): Promise<void> {
  const client = await running.open();
  client.send({ opcode: Opcode.PING, payload: 'alive' });
  expect((await client.frame()).payload.toString()).toBe('alive');
}

describe('junk where a request should be', () => {
  const junk: [what: string, bytes: Buffer, status: number][] = [
    ['an empty request', Buffer.from(' \r\n\r\n'), 400],
    ['random bytes and an empty line', Buffer.concat([randomBytes(500), Buffer.from(blank)]), 400],
    ['zeros and an empty line', Buffer.concat([Buffer.alloc(500), Buffer.from(blank)]), 400],
    ['an SSH greeting', Buffer.from(`SSH-2.0-OpenSSH_9.2${blank}`), 400],
    ['the HTTP/2 preface', Buffer.from(`PRI * HTTP/2.0${blank}SM${blank}`), 505],
    [
      'a WebSocket frame',
      Buffer.concat([encodeFrame({ opcode: Opcode.TEXT, payload: 'x' }), Buffer.from(blank)]),
      400,
    ],
    ['random bytes without end', randomBytes(20_000), 400],
    ['zeros without end', Buffer.alloc(20_000), 400],
    ['empty lines without end', Buffer.from('\r\n'.repeat(10_000)), 431],
  ];
  it.each(junk)('%s gets an answer, and the next client its connection', async (_, bytes, status) => {
    const running = await startServer({ ...recorder().handlers });
    const client = await running.connect();
    client.write(bytes);
    expect((await client.response()).status).toBe(status);
    expect(await client.ended).toBe('fin');
    await expectAlive(running);
  });

  it('a TLS greeting gets 400 at its first byte, which can begin no request', async () => {
    const running = await startServer({ ...recorder().handlers });
    const client = await running.connect();
    client.write(Buffer.of(22));
    expect((await client.response()).status).toBe(400);
    client.write(Buffer.concat([Buffer.of(3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3), randomBytes(300)]));
    expect(await client.ended).toBe('fin');
  });
});

describe('maxHeaderSize', () => {
  const padded = (size: number) => {
    const bare = handshakeText({ headers: { 'X-Padding': '' } }).length;
    return handshakeText({ headers: { 'X-Padding': 'x'.repeat(size - bare) } });
  };

  it.each([
    ['the default', undefined, 16 * 1024],
    ['an own', 1000, 1000],
    ['the least', 256, 256],
  ])('%s limit is what a head may have, and not a byte more', async (_, maxHeaderSize, size) => {
    const running = await startServer({ ...recorder().handlers, ...(maxHeaderSize && { maxHeaderSize }) });
    expect(padded(size).length).toBe(size);
    const fits = await running.connect();
    fits.write(padded(size));
    expect((await fits.response()).status).toBe(101);
    const tooLong = await running.connect();
    tooLong.write(padded(size + 1));
    const response = await tooLong.response();
    expect([response.status, response.body]).toEqual([
      431,
      'the request head is larger than maxHeaderSize\n',
    ]);
  });

  it.each([
    ['in one line', 'x'.repeat(1000)],
    ['in many fields', 'X: y\r\n'.repeat(100)],
    ['in the target', 'GET /'],
  ])('a head without end %s gets 431 and is not kept', async (_, piece) => {
    const { connect, server } = await startServer({ ...recorder().handlers, closeTimeout: 100 });
    const client = await connect();
    if (piece !== 'GET /') client.write('GET / HTTP/1.1\r\nHost: x\r\nX: ');
    const before = process.memoryUsage().rss;
    await writeWithoutEnd(client, Buffer.from(piece.padEnd(64 * 1024, 'x')), 64 * MIB);
    expect((await client.response()).status).toBe(431);
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * MIB);
    client.end();
    await turnUntil(() => server.stats().transports === 0);
  });
});

describe('handshakeTimeout', () => {
  it('answers a head that came in part with 408', async () => {
    const { connect } = await startServer({ ...recorder().handlers, handshakeTimeout: 60 });
    const client = await connect();
    const started = performance.now();
    client.write('GET / HTTP/1.1\r\nHost: x\r\n');
    const response = await client.response();
    expect([response.status, response.body]).toEqual([408, 'the request head did not arrive in time\n']);
    expect(performance.now() - started).toBeGreaterThan(55);
    expect(await client.ended).toBe('fin');
  });

  it('is not put off by a byte now and then', async () => {
    const { connect } = await startServer({ ...recorder().handlers, handshakeTimeout: 100 });
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nX: ');
    const drip = setInterval(() => client.write('x'), 10);
    const started = performance.now();
    const response = await client.response();
    clearInterval(drip);
    expect(response.status).toBe(408);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('ends a transport on which nothing was asked, without an answer', async () => {
    const { connect, server } = await startServer({ ...recorder().handlers, handshakeTimeout: 60 });
    const client = await connect();
    expect((await client.bytesToEnd()).length).toBe(0);
    await turnUntil(() => server.stats().transports === 0);
  });

  it('does not touch a connection that was opened', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, handshakeTimeout: 30 });
    const client = await open();
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.text('still here');
    expect(await record.messages.next()).toBe('still here');
  });
});

describe('a peer that is silent', () => {
  it('is ended after idleTimeout, and the reason is told', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, idleTimeout: 80, pingInterval: 0 });
    const started = performance.now();
    const client = await open();
    expect(await record.closed.next()).toEqual({
      code: 1006,
      reason: 'nothing came from the peer for idleTimeout',
      clean: false,
    });
    expect(performance.now() - started).toBeGreaterThan(75);
    expect((await client.bytesToEnd()).length).toBe(0);
  });

  it('is pinged once per silence', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, idleTimeout: 400, pingInterval: 50 });
    const client = await open();
    const frames = await client.framesToEnd();
    expect(frames).toEqual([
      { fin: true, rsv: 0, opcode: Opcode.PING, masked: false, payload: Buffer.alloc(0) },
    ]);
    expect((await record.closed.next()).reason).toMatch(/idleTimeout/);
  });

  it('lives as long as it answers pings', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, idleTimeout: 800, pingInterval: 40 });
    const client = await open();
    const started = performance.now();
    while (performance.now() - started < 1100) {
      expect((await client.frame()).opcode).toBe(Opcode.PING);
      client.send({ opcode: Opcode.PONG });
    }
    expect(record.closed.all).toEqual([]);
  });

  it('is not one that sends anything: messages, pings, or pongs nobody asked for', async () => {
    const record = recorder();
    const { open, server } = await startServer({ ...record.handlers, idleTimeout: 600, pingInterval: 0 });
    const opcodes = [Opcode.TEXT, Opcode.PING, Opcode.PONG];
    const clients = await Promise.all(opcodes.map(() => open()));
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 80));
      for (const [n, opcode] of opcodes.entries()) clients[n]!.send({ opcode });
    }
    expect(server.stats().connections).toBe(3);
    for (const _ of opcodes) expect((await record.closed.next()).reason).toMatch(/idleTimeout/);
  });

  it('is left alone with both turned off', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, idleTimeout: 0, pingInterval: 0 });
    const client = await open();
    await new Promise((resolve) => setTimeout(resolve, 150));
    client.text('here');
    expect(await record.messages.next()).toBe('here');
    client.write(encodeFrame({ opcode: Opcode.CLOSE }));
    expect((await client.framesToEnd()).map((frame) => frame.opcode)).toEqual([Opcode.CLOSE]);
  });

  it('is not one whose input the server itself holds', async () => {
    const record = recorder();
    const { open, server } = await startServer({ ...record.handlers, idleTimeout: 60, pingInterval: 0 });
    const client = await open();
    const connection = await record.opened.next();
    connection.pause();
    const drip = setInterval(() => client.text('x'), 20);
    await new Promise((resolve) => setTimeout(resolve, 250));
    clearInterval(drip);
    expect(server.stats().connections).toBe(1);
    connection.resume();
    expect(await record.messages.next()).toBe('x');
  });

  it('has its whole time again when the server goes on reading', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, idleTimeout: 500, pingInterval: 0 });
    const client = await open();
    const connection = await record.opened.next();
    connection.pause();
    /* the timer looks at 500 and at 1000 ms */
    await new Promise((resolve) => setTimeout(resolve, 900));
    connection.resume();
    await new Promise((resolve) => setTimeout(resolve, 250));
    client.text('in time');
    expect(await record.messages.next()).toBe('in time');
  });
});

describe('floods', () => {
  it('of pings whose answers nobody reads make no queue, and the latest is answered (RFC 6455 5.5.3)', async () => {
    const record = recorder();
    const { open, server } = await startServer({ ...record.handlers });
    const client = await open();
    const connection = await record.opened.next();
    client.pause();
    const count = 400_000;
    const block = 2000;
    for (let i = 0; i < count; i += block) {
      client.write(
        Buffer.concat(
          Array.from({ length: block }, (_, j) =>
            encodeFrame({ opcode: Opcode.PING, payload: `${i + j}`.padStart(100) }),
          ),
        ),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    await turnUntil(() => server.stats().bytesReceived > count * 106);
    expect(connection.bufferedAmount).toBeGreaterThan(0);
    expect(connection.bufferedAmount).toBeLessThan(1024);
    client.resume();
    client.text('done');
    const answered: number[] = [];
    while (answered.at(-1) !== count - 1) answered.push(Number((await client.frame()).payload));
    expect(answered.every((value, i) => i === 0 || value > answered[i - 1]!)).toBe(true);
    expect(await record.messages.next()).toBe('done');
  }, 30_000);

  it('of pongs, which nobody hears, cost nothing', async () => {
    const { open, server } = await startServer({ message: (c, data) => void c.send(data) });
    const client = await open();
    const pongs = Buffer.concat(Array.from({ length: 50_000 }, () => encodeFrame({ opcode: Opcode.PONG })));
    client.write(pongs);
    client.text('after');
    expect((await client.frame()).payload.toString()).toBe('after');
    expect(server.stats().messagesReceived).toBe(1);
  });

  it('of empty fragments stay within maxPayload and end in their message', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, maxPayload: 10 });
    const client = await open();
    const fragment = encodeFrame({ opcode: Opcode.CONTINUATION, fin: false });
    client.send({ opcode: Opcode.TEXT, fin: false, payload: 'start' });
    client.write(Buffer.concat(Array.from({ length: 100_000 }, () => fragment)));
    client.send({ opcode: Opcode.CONTINUATION, payload: ' end' });
    expect(await record.messages.next()).toBe('start end');
  });

  it.each([1, 16])(
    'of announced messages of %i MiB reserve no memory before their bytes come',
    async (size) => {
      const record = recorder();
      const { open } = await startServer({ ...record.handlers });
      const before = process.memoryUsage().rss;
      const clients = await Promise.all(Array.from({ length: 64 }, () => open()));
      for (const client of clients)
        client.send({ opcode: Opcode.BINARY, length: size * MIB, payload: Buffer.alloc(100) });
      for (const client of clients) client.send({ opcode: Opcode.BINARY, payload: '' });
      await turnUntil(() => record.opened.all.length === clients.length);
      expect(process.memoryUsage().rss - before).toBeLessThan(32 * MIB);
    },
  );

  it('of half-open handshakes end with the server', async () => {
    const { connect, server } = await startServer({ ...recorder().handlers });
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect()));
    for (const client of clients) client.write('GET / HTTP/1.1\r\n');
    await turnUntil(() => server.stats().bytesReceived === 200 * 16);
    await server.close({ timeout: 50 });
    for (const client of clients) await client.ended;
  });

  it('of messages beyond one turn are all told', async () => {
    let count = 0;
    const { open } = await startServer({ message: () => void count++ });
    const clients = await Promise.all(Array.from({ length: 10 }, () => open()));
    const frames = Buffer.concat(
      Array.from({ length: 10_000 }, () => encodeFrame({ opcode: Opcode.TEXT, payload: 'x' })),
    );
    for (const client of clients) client.write(frames);
    await turnUntil(() => count === 100_000);
    for (const client of clients) client.write(encodeFrame({ opcode: Opcode.CLOSE }));
    for (const client of clients) expect(readClose(await client.frame()).code).toBe(1005);
    expect(count).toBe(100_000);
  });
});
