import { describe, expect, it } from 'vitest';
import type { ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, type Frame, Opcode, readClose } from '../helpers/frames.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const MIB = 1024 * 1024;

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await running.open();
  return { ...running, ...record, client, connection: await record.opened.next() };
}

const closeFrame = (code?: number, reason = '') =>
  encodeFrame({ opcode: Opcode.CLOSE, payload: code === undefined ? '' : closeBody(code, reason) });

/** More than the kernel takes for a peer that does not read. */
const flood = { count: 32, size: MIB };

/** Fills the socket of a peer that does not read, and more. */
async function stuck(options: ServerOptions = {}) {
  const all = await pair({ maxBackpressure: 64 * MIB, ...options });
  all.client.pause();
  for (let i = 0; i < flood.count; i++) all.connection.send(Buffer.alloc(flood.size, i));
  expect(all.connection.bufferedAmount).toBeGreaterThan(4 * MIB);
  return all;
}

function expectFlood(frames: Frame[]): void {
  expect(frames.map((frame) => [frame.payload.length, frame.payload[0]])).toEqual(
    Array.from({ length: flood.count }, (_, i) => [flood.size, i]),
  );
}

describe('a close handshake that we start (RFC 6455 7.1)', () => {
  it('sends code and reason, waits for the answer, ends TCP and tells what the peer said', async () => {
    const { client, connection, closed } = await pair();
    connection.close(1001, 'going away');
    expect(readClose(await client.frame())).toEqual({ code: 1001, reason: 'going away' });
    expect({ ended: client.isEnded, told: closed.all.length }).toEqual({ ended: false, told: 0 });
    client.write(closeFrame(1001, 'then go'));
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await closed.next()).toEqual({ code: 1001, reason: 'then go', clean: true });
  });

  it('sends 1000 without arguments', async () => {
    const { client, connection } = await pair();
    connection.close();
    expect(readClose(await client.frame())).toEqual({ code: 1000, reason: '' });
  });

  it.each([
    ['another code', 4000, 4000],
    ['no code', undefined, 1005],
  ])('tells the code of the peer, not ours: %s', async (_, code, told) => {
    const { client, connection, closed } = await pair();
    connection.close(1000);
    await client.frame();
    client.write(closeFrame(code));
    client.end();
    expect(await closed.next()).toEqual({ code: told, reason: '', clean: true });
  });

  it('sends nothing behind the close frame (5.5.1)', async () => {
    const { client, connection } = await pair();
    connection.send('before');
    connection.close();
    expect(connection.send('after')).toBe('closed');
    connection.ping('after');
    connection.close(4000);
    client.send({ opcode: Opcode.PING, payload: 'unanswered' });
    client.write(closeFrame(1000));
    const frames = await client.framesToEnd();
    expect(frames.map((frame) => frame.opcode)).toEqual([Opcode.TEXT, Opcode.CLOSE]);
  });

  it('reads over what the peer sends before its answer', async () => {
    const { server, client, connection, closed, messages, pongs } = await pair();
    connection.close();
    await client.frame();
    client.text('still talking');
    client.send({ opcode: Opcode.PONG, payload: 'x' });
    client.send({ opcode: Opcode.BINARY, payload: Buffer.alloc(MIB), fin: false });
    client.send({ opcode: Opcode.CONTINUATION, payload: Buffer.alloc(MIB) });
    client.write(closeFrame(1000));
    client.end();
    expect(await closed.next()).toEqual({ code: 1000, reason: '', clean: true });
    expect([messages.all, pongs.all]).toEqual([[], []]);
    expect(server.stats().messagesReceived).toBe(0);
  });

  it('ends on a bad frame where the answer should be', async () => {
    const { client, connection, closed } = await pair();
    connection.close();
    await client.frame();
    client.send({ opcode: Opcode.TEXT, rsv: 7 });
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await closed.next()).toMatchObject({
      code: 1006,
      clean: false,
      reason: expect.stringMatching(/reserved bit/),
    });
  });

  it('is complete when both sides close at the same time', async () => {
    const { client, connection, closed } = await pair();
    client.write(closeFrame(3001, 'me first'));
    connection.close(3002, 'no, me');
    expect((await client.framesToEnd()).map(readClose)).toEqual([{ code: 3002, reason: 'no, me' }]);
    client.end();
    expect(await closed.next()).toEqual({ code: 3001, reason: 'me first', clean: true });
  });

  it('comes after everything that was sent, however slowly the peer reads', async () => {
    const { client, connection, closed } = await stuck();
    connection.close(4001, 'that was all');
    client.resume();
    expectFlood(await client.frames(flood.count));
    expect(readClose(await client.frame())).toEqual({ code: 4001, reason: 'that was all' });
    client.write(closeFrame(4001));
    client.end();
    expect(await closed.next()).toEqual({ code: 4001, reason: '', clean: true });
  });

  it('works on a paused connection too', async () => {
    const { client, connection, closed, messages } = await pair();
    connection.pause();
    client.text('unread');
    connection.close();
    await client.frame();
    client.write(closeFrame(1000));
    client.end();
    expect(await closed.next()).toEqual({ code: 1000, reason: '', clean: true });
    expect(messages.all).toEqual([]);
  });

  it.each([
    [
      'answers nothing',
      () => undefined,
      { code: 1006, reason: expect.stringMatching(/in time/), clean: false },
    ],
    ['answers, but does not end TCP', () => closeFrame(4000, 'x'), { code: 4000, reason: 'x', clean: false }],
    [
      'sends a bad frame, but does not end TCP',
      () => Buffer.of(0xff, 0xff),
      { code: 1006, reason: expect.stringMatching(/reserved bit/), clean: false },
    ],
  ])('ends after closeTimeout when the peer %s', async (_, answer, told) => {
    const { client, connection, closed } = await pair({ closeTimeout: 60 });
    connection.close();
    await client.frame();
    const started = performance.now();
    const bytes = answer();
    if (bytes) client.write(bytes);
    expect(await closed.next()).toMatchObject(told);
    expect(performance.now() - started).toBeGreaterThan(50);
  });

  it('ends after closeTimeout when the peer does not read', async () => {
    const { connection, closed } = await stuck({ closeTimeout: 60 });
    connection.close();
    expect(await closed.next()).toMatchObject({ code: 1006, clean: false });
  });

  it.each([
    ['FIN', 'end'],
    ['RST', 'reset'],
  ] as const)('is not complete when the peer sends %s for an answer', async (_, how) => {
    const { client, connection, closed } = await pair();
    connection.close();
    await client.frame();
    client[how]();
    expect(await closed.next()).toMatchObject({
      code: 1006,
      clean: false,
      reason: expect.stringMatching(/./),
    });
  });
});

describe('a close handshake that the peer starts', () => {
  it('is answered, then TCP ends, promptly and by us (7.1.1)', async () => {
    const { client, closed } = await pair();
    const started = performance.now();
    client.write(closeFrame(4000, 'bye'));
    expect((await client.framesToEnd()).map(readClose)).toEqual([{ code: 4000, reason: 'bye' }]);
    expect(await client.ended).toBe('fin');
    expect(performance.now() - started).toBeLessThan(2000);
    client.end();
    expect(await closed.next()).toEqual({ code: 4000, reason: 'bye', clean: true });
  });

  it('is clean when the close frame and FIN come together', async () => {
    const { client, closed } = await pair();
    client.socket.end(closeFrame(4000, 'bye'));
    expect((await client.framesToEnd()).map(readClose)).toEqual([{ code: 4000, reason: 'bye' }]);
    expect(await closed.next()).toEqual({ code: 4000, reason: 'bye', clean: true });
  });

  it('is answered behind the output that waits, and told as it was', async () => {
    const { client, closed } = await stuck();
    client.write(closeFrame(4000, 'enough'));
    client.resume();
    expectFlood(await client.frames(flood.count));
    expect(readClose(await client.frame()).code).toBe(4000);
    expect(await client.ended).toBe('fin');
    client.end();
    expect(await closed.next()).toEqual({ code: 4000, reason: 'enough', clean: true });
  });

  it('is told with its code even when the peer never reads the output that waits', async () => {
    const { client, closed } = await stuck({ closeTimeout: 60 });
    client.write(closeFrame(4000, 'enough'));
    expect(await closed.next()).toEqual({ code: 4000, reason: 'enough', clean: false });
  });

  it('is not clean when TCP ends with RST', async () => {
    const { client, closed } = await pair();
    client.write(closeFrame(4000));
    await client.frame();
    client.reset();
    expect(await closed.next()).toEqual({ code: 4000, reason: '', clean: false });
  });

  it('lets nothing be sent any more, although the peer has not ended TCP', async () => {
    const { client, connection, closed } = await pair();
    client.write(closeFrame(1000));
    await turnUntil(() => !connection.isOpen);
    expect(connection.send('too late')).toBe('closed');
    connection.ping('too late');
    connection.close(4000);
    expect((await client.framesToEnd()).map((frame) => frame.opcode)).toEqual([Opcode.CLOSE]);
    expect(closed.all).toEqual([]);
    client.end();
    expect(await closed.next()).toEqual({ code: 1000, reason: '', clean: true });
  });
});

describe('input that fails the connection', () => {
  it('lets nothing be sent any more, although the peer has not ended TCP', async () => {
    const { client, connection, closed } = await pair();
    client.write(Buffer.of(0xff, 0xff));
    await turnUntil(() => !connection.isOpen);
    expect(connection.send('too late')).toBe('closed');
    expect((await client.framesToEnd()).map((frame) => frame.opcode)).toEqual([Opcode.CLOSE]);
    client.end();
    await closed.next();
  });

  it('is told with its cause, also when the peer does not end TCP', async () => {
    const { client, closed } = await pair({ closeTimeout: 60 });
    client.write(Buffer.of(0xff, 0xff));
    expect(await closed.next()).toEqual({ code: 1006, reason: 'a reserved bit is set', clean: false });
  });
});

describe('an end without close handshake', () => {
  it.each([
    ['FIN', 'end', /without a close frame/],
    ['RST', 'reset', /failed|without a close frame/],
  ] as const)('of %s is told as 1006', async (_, how, reason) => {
    const { client, closed } = await pair();
    client[how]();
    expect(await closed.next()).toMatchObject({
      code: 1006,
      reason: expect.stringMatching(reason),
      clean: false,
    });
  });

  it.each([
    ['a header', Buffer.of(0x82)],
    ['a frame', encodeFrame({ opcode: Opcode.TEXT, payload: 'half' }).subarray(0, 8)],
    ['a message', encodeFrame({ opcode: Opcode.TEXT, payload: 'half', fin: false })],
  ])('inside %s loses what was not complete', async (_, bytes) => {
    const { client, closed, messages } = await pair();
    client.text('whole');
    client.write(bytes);
    client.end();
    expect(await closed.next()).toMatchObject({ code: 1006, clean: false });
    expect(messages.all).toEqual(['whole']);
  });

  it('by terminate() sends no close frame, but what was sent before', async () => {
    const { client, connection, closed } = await pair();
    connection.send('last words');
    connection.terminate();
    expect((await client.framesToEnd()).map((frame) => frame.payload.toString())).toEqual(['last words']);
    expect(await closed.next()).toEqual({ code: 1006, reason: 'terminate() was called', clean: false });
  });

  it('by terminate() cuts a close handshake short', async () => {
    const { client, connection, closed } = await pair();
    connection.close(4000);
    await client.frame();
    connection.terminate();
    expect(await closed.next()).toMatchObject({ code: 1006, clean: false });
  });
});
