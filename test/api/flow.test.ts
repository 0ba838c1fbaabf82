import { describe, expect, it } from 'vitest';
import type { Connection, ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, Opcode } from '../helpers/frames.js';
import { handshakeText } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await running.open();
  return { ...running, ...record, client, connection: await record.opened.next() };
}

const texts = (...payloads: string[]) =>
  Buffer.concat(payloads.map((payload) => encodeFrame({ opcode: Opcode.TEXT, payload })));

/** Some whole turns, for what must not happen. */
async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('pause()', () => {
  it('keeps what comes until resume(), in order', async () => {
    const { client, connection, messages } = await pair();
    connection.pause();
    client.write(texts('one', 'two', 'three'));
    await turns();
    expect(messages.all).toEqual([]);
    connection.resume();
    expect([await messages.next(), await messages.next(), await messages.next()]).toEqual([
      'one',
      'two',
      'three',
    ]);
  });

  it('inside message holds back what came along in the same turn', async () => {
    const got: string[] = [];
    const { client, connection, server } = await pair({
      message(c, data) {
        got.push(data as string);
        c.pause();
      },
    });
    client.write(texts('one', 'two', 'three'));
    await turnUntil(() => server.stats().messagesReceived === 3);
    await turns();
    expect(got).toEqual(['one']);
    for (const expected of [
      ['one', 'two'],
      ['one', 'two', 'three'],
    ]) {
      connection.resume();
      await turns();
      expect(got).toEqual(expected);
    }
  });

  it('lets a peer get stuck that sends without end', async () => {
    const { client, connection, messages, server } = await pair();
    connection.pause();
    const before = server.stats().bytesReceived;
    const frame = encodeFrame({ opcode: Opcode.BINARY, payload: Buffer.alloc(MIB) });
    for (let i = 0; i < 32; i++) client.write(frame);
    await turns(50);
    expect(client.socket.writableLength).toBeGreaterThan(8 * MIB);
    expect(server.stats().bytesReceived - before).toBeLessThan(MIB);
    connection.resume();
    for (let i = 0; i < 32; i++) expect((await messages.next()).length).toBe(MIB);
  });

  it('does not keep anything from being sent', async () => {
    const { client, connection } = await pair();
    connection.pause();
    expect(connection.send('out')).toBe('sent');
    expect((await client.frame()).payload.toString()).toBe('out');
  });

  it('twice needs one resume()', async () => {
    const { client, connection, messages } = await pair();
    connection.pause();
    connection.pause();
    connection.resume();
    client.text('x');
    expect(await messages.next()).toBe('x');
  });

  it('and resume() in one turn change nothing', async () => {
    const { client, connection, messages } = await pair();
    for (let i = 0; i < 100; i++) {
      connection.pause();
      connection.resume();
    }
    client.text('x');
    expect(await messages.next()).toBe('x');
  });

  it('in open() comes before the first message, also one that came with the request', async () => {
    const record = recorder();
    const { connect } = await startServer({
      ...record.handlers,
      open(c) {
        c.pause();
        record.opened.push(c);
      },
    });
    const client = await connect();
    client.write(Buffer.concat([Buffer.from(handshakeText()), texts('early')]));
    await client.response();
    const connection = await record.opened.next();
    await turns();
    expect(record.messages.all).toEqual([]);
    connection.resume();
    expect(await record.messages.next()).toBe('early');
  });

  it('may be called for each message, and none is lost', async () => {
    const got: number[] = [];
    const { client } = await pair({
      message(c, data) {
        got.push(Number(data));
        c.pause();
        setImmediate(() => c.resume());
      },
    });
    for (let i = 0; i < 10; i++)
      client.write(texts(...Array.from({ length: 50 }, (_, j) => `${i * 50 + j}`)));
    await turnUntil(() => got.length === 500);
    expect(got).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it('keeps what came before the close of the peer, which is told after it', async () => {
    const story: string[] = [];
    const { client, connection, closed } = await pair({
      message(c, data) {
        story.push(`${data}`);
        if (data === 'one') c.pause();
      },
      close: (_, info) => {
        story.push('close');
        closed.push(info);
      },
    });
    client.write(
      Buffer.concat([
        texts('one', 'two', 'three'),
        encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(4000) }),
      ]),
    );
    client.end();
    await client.ended;
    await turns();
    expect(story).toEqual(['one']);
    connection.resume();
    expect(await closed.next()).toMatchObject({ code: 4000, clean: true });
    expect(story).toEqual(['one', 'two', 'three', 'close']);
  });

  it('does not keep server.close() from ending', async () => {
    const { client, connection, server, closed, messages } = await pair({
      message: (c, data) => {
        messages.push(data);
        c.pause();
      },
    });
    client.write(Buffer.concat([texts('one', 'two'), encodeFrame({ opcode: Opcode.CLOSE })]));
    client.end();
    await client.ended;
    await turns();
    expect(connection.isOpen).toBe(false);
    await server.close();
    expect([closed.all.length, messages.all]).toEqual([1, ['one']]);
  });

  it('does not keep terminate() from ending', async () => {
    const { client, connection, closed } = await pair({ message: (c) => c.pause() });
    client.write(Buffer.concat([texts('one', 'two'), encodeFrame({ opcode: Opcode.CLOSE })]));
    client.end();
    await client.ended;
    await turns();
    connection.terminate();
    await closed.next();
  });
});

describe('after close() or terminate()', () => {
  it.each([
    ['close()', (c: Connection) => c.close()],
    ['terminate()', (c: Connection) => c.terminate()],
  ])('%s no message follows, not even one of the same turn', async (_, end) => {
    const got: unknown[] = [];
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      message(c, data) {
        got.push(data);
        end(c);
      },
    });
    const client = await open();
    client.write(texts('one', 'two', 'three'));
    client.socket.end(encodeFrame({ opcode: Opcode.CLOSE }));
    await record.closed.next();
    expect(got).toEqual(['one']);
  });

  it.each(['close', 'terminate'] as const)(
    'no message follows %s(), not even one that a pause kept while the peer left',
    async (end) => {
      const got: unknown[] = [];
      const record = recorder();
      const { open } = await startServer({
        ...record.handlers,
        message(c, data) {
          got.push(data);
          if (data === 'one') c.pause();
          else c[end]();
        },
      });
      const client = await open();
      const connection = await record.opened.next();
      client.write(texts('one', 'two', 'three', 'four'));
      await turnUntil(() => got.length > 0);
      client.reset();
      await turnUntil(() => !connection.isOpen);
      connection.resume();
      await record.closed.next();
      expect(got).toEqual(['one', 'two']);
    },
  );

  it('resume() brings back nothing that was held', async () => {
    const { client, connection, messages, closed, server } = await pair();
    connection.pause();
    client.write(texts('one', 'two'));
    await turnUntil(() => server.stats().accepted === 1);
    connection.close();
    connection.resume();
    client.socket.end(encodeFrame({ opcode: Opcode.CLOSE }));
    await closed.next();
    expect(messages.all).toEqual([]);
  });
});

describe('an async open()', () => {
  it('is awaited before the first message', async () => {
    let finish!: () => void;
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      open: (c) => {
        record.opened.push(c);
        return new Promise<void>((resolve) => {
          finish = resolve;
        });
      },
    });
    const client = await open();
    const connection = await record.opened.next();
    client.write(texts('one', 'two'));
    connection.send('may be sent');
    expect((await client.frame()).payload.toString()).toBe('may be sent');
    await turns();
    expect(record.messages.all).toEqual([]);
    finish();
    expect([await record.messages.next(), await record.messages.next()]).toEqual(['one', 'two']);
  });

  it('that takes longer than handshakeTimeout closes with 1011', async () => {
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      open: () => new Promise<void>(() => {}),
      handshakeTimeout: 60,
    });
    const client = await open();
    expect((await client.frame()).payload.readUInt16BE(0)).toBe(1011);
    client.socket.end(encodeFrame({ opcode: Opcode.CLOSE }));
    expect((await record.errors.next()).message).toBe(
      'The open handler failed: open did not settle within 60 ms',
    );
    await record.closed.next();
  });

  it('that rejects closes with 1011, and its messages are not told', async () => {
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      open: async () => Promise.reject(new Error('no')),
    });
    const client = await open();
    client.text('x');
    expect((await client.frame()).payload.readUInt16BE(0)).toBe(1011);
    client.socket.end(encodeFrame({ opcode: Opcode.CLOSE }));
    expect((await record.errors.next()).message).toBe('The open handler failed: no');
    await record.closed.next();
    expect(record.messages.all).toEqual([]);
  });
});
