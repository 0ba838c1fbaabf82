import { describe, expect, it } from 'vitest';
import type { Connection, ServerOptions, UpgradeAnswer, UpgradeRequest } from '../../lib/index.js';
import { encodeFrame, Opcode } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { handshakeText } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const later = <T>(value: T) => new Promise<T>((resolve) => setTimeout(resolve, 5, value));

describe('while upgrade decides', () => {
  function held(options: ServerOptions = {}) {
    const record = recorder();
    let settle!: (value: UpgradeAnswer<unknown>) => void;
    let refuse!: (reason: unknown) => void;
    const asked = queue<UpgradeRequest>();
    const upgrade = (request: UpgradeRequest) => {
      asked.push(request);
      return new Promise<UpgradeAnswer<unknown>>((resolve, reject) => {
        settle = resolve;
        refuse = reject;
      });
    };
    return {
      ...record,
      asked,
      settle: (value: UpgradeAnswer<unknown>) => settle(value),
      refuse: (reason: unknown) => refuse(reason),
      start: () => startServer({ ...record.handlers, upgrade, ...options }),
    };
  }

  it('nothing is answered, and what comes meanwhile is told in order afterwards', async () => {
    const { asked, settle, opened, messages, start } = held();
    const { connect } = await start();
    const client = await connect();
    client.write(handshakeText());
    await asked.next();
    client.text('one');
    client.send({ opcode: Opcode.PING, payload: 'p' });
    client.text('two');
    await later(0);
    expect([opened.all, messages.all]).toEqual([[], []]);
    settle({ data: 1 });
    expect((await client.response()).status).toBe(101);
    expect((await client.frame()).payload.toString()).toBe('p');
    expect([await messages.next(), await messages.next()]).toEqual(['one', 'two']);
  });

  it('a peer may send without end and gets stuck, not kept', async () => {
    const { asked, settle, messages, start } = held();
    const { connect, server } = await start();
    const client = await connect();
    client.write(handshakeText());
    await asked.next();
    const piece = encodeFrame({ opcode: Opcode.BINARY, payload: Buffer.alloc(1024 * 1024) });
    for (let i = 0; i < 32; i++) {
      client.write(piece);
      await later(0);
    }
    expect(server.stats().bytesReceived).toBeLessThan(1024 * 1024);
    expect(client.socket.writableLength).toBeGreaterThan(8 * 1024 * 1024);
    settle(undefined);
    for (let i = 0; i < 32; i++) expect((await messages.next()).length).toBe(1024 * 1024);
  });

  it.each(['end', 'reset'] as const)(
    'a peer that leaves (%s) is noticed, and a late answer does nothing',
    async (how) => {
      const { asked, settle, opened, errors, start } = held();
      const { connect, server } = await start();
      const client = await connect();
      client.write(handshakeText());
      await asked.next();
      client[how]();
      await turnUntil(() => server.stats().transports === 0);
      settle({ data: 'late' });
      await later(0);
      expect([opened.all, errors.all]).toEqual([[], []]);
      expect(server.stats()).toMatchObject({ requests: 1, opened: 0, closed: 0 });
    },
  );

  it('transport.data ends with a peer that leaves', async () => {
    const { asked, start } = held();
    const { connect, server } = await start();
    const client = await connect();
    client.write(handshakeText());
    const { transport } = await asked.next();
    transport.data = 'set';
    client.end();
    await turnUntil(() => server.stats().transports === 0);
    await turnUntil(() => transport.data === undefined);
  });

  it('handshakeTimeout answers for it with 503, and a late answer does nothing', async () => {
    const { asked, settle, opened, start } = held({ handshakeTimeout: 50 });
    const { connect } = await start();
    const client = await connect();
    client.write(handshakeText());
    await asked.next();
    const response = await client.response();
    expect([response.status, response.body]).toEqual([503, 'the upgrade was not decided in time\n']);
    settle({});
    expect((await client.bytesToEnd()).length).toBe(0);
    expect(opened.all).toEqual([]);
  });

  it('the time of the head counts too', async () => {
    const { asked, start } = held({ handshakeTimeout: 400 });
    const { connect } = await start();
    const client = await connect();
    const started = performance.now();
    client.write(handshakeText().slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.write(handshakeText().slice(20));
    await asked.next();
    expect((await client.response()).status).toBe(503);
    expect(performance.now() - started).toBeLessThan(690);
  });

  it('a late rejection is still told', async () => {
    const { asked, refuse, errors, start } = held({ handshakeTimeout: 30 });
    const { connect } = await start();
    const client = await connect();
    client.write(handshakeText());
    await asked.next();
    await client.response();
    refuse(new Error('database gone'));
    expect((await errors.next()).message).toBe('The upgrade handler failed: database gone');
  });

  it('server.close() refuses it with 503 when it decides', async () => {
    const { asked, settle, opened, start } = held();
    const { connect, server } = await start();
    const client = await connect();
    client.write(handshakeText());
    await asked.next();
    const closing = server.close();
    settle({});
    expect((await client.response()).status).toBe(503);
    client.end();
    expect(await closing).toEqual({ closed: 0, forced: 0 });
    expect(opened.all).toEqual([]);
  });

  it('many are held at once, and decided in any order', async () => {
    const waiting: { url: string; settle: (answer: UpgradeAnswer<unknown>) => void }[] = [];
    const opened: Connection[] = [];
    const { connect } = await startServer({
      upgrade: (request) =>
        new Promise<UpgradeAnswer<unknown>>((settle) => waiting.push({ url: request.url, settle })),
      open: (connection) => void opened.push(connection),
      message: () => {},
    });
    const clients = await Promise.all(Array.from({ length: 50 }, () => connect()));
    for (const [i, client] of clients.entries()) client.write(handshakeText({ target: `/${i}` }));
    await turnUntil(() => waiting.length === clients.length);
    for (const { url, settle } of waiting.reverse())
      settle(Number(url.slice(1)) % 2 === 0 ? { data: url } : { status: 403 });
    for (const [i, client] of clients.entries())
      expect((await client.response()).status).toBe(i % 2 === 0 ? 101 : 403);
    expect(opened.map(({ data, request }) => data === request.url)).toEqual(Array(25).fill(true));
  });
});
