import { describe, expect, it } from 'vitest';
import type { FragmentInfo, ServerOptions } from '../../lib/index.js';
import { closeBody, encodeFrame, Opcode, readClose } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { startServer, turnUntil } from '../helpers/server.js';

interface Piece extends FragmentInfo {
  data: Buffer;
}

async function streaming(options: ServerOptions = {}) {
  const pieces = queue<Piece>();
  const closed = queue<number>();
  const running = await startServer({
    fragment: (_, data, info) => pieces.push({ data: Buffer.from(data), ...info }),
    close: (_, { code }) => closed.push(code),
    ...options,
  });
  return { ...running, pieces, closed, client: await running.open() };
}

/** Puts pieces together to messages and checks where each one stands. */
function assemble(pieces: readonly Piece[]): { text: boolean; data: Buffer }[] {
  const messages: { text: boolean; data: Buffer }[] = [];
  let open = false;
  for (const { data, first, final, text } of pieces) {
    expect(first).toBe(!open);
    if (first) messages.push({ text, data });
    else {
      const last = messages.at(-1)!;
      expect(text).toBe(last.text);
      last.data = Buffer.concat([last.data, data]);
    }
    open = !final;
  }
  expect(open).toBe(false);
  return messages;
}

const { TEXT, BINARY, CONTINUATION, PING } = Opcode;

describe('fragment', () => {
  it('tells a small message as one piece, first and final', async () => {
    const { client, pieces } = await streaming();
    client.send({ opcode: TEXT, payload: 'ä' });
    client.send({ opcode: BINARY, payload: 'x' });
    expect(await pieces.next()).toEqual({ data: Buffer.from('ä'), first: true, final: true, text: true });
    expect(await pieces.next()).toEqual({ data: Buffer.from('x'), first: true, final: true, text: false });
  });

  it('tells each frame as it comes', async () => {
    const { client, pieces } = await streaming();
    client.send({ opcode: BINARY, payload: 'one', fin: false });
    expect(await pieces.next()).toMatchObject({ first: true, final: false });
    client.send({ opcode: PING, payload: 'between' });
    expect((await client.frame()).payload.toString()).toBe('between');
    client.send({ opcode: CONTINUATION, payload: 'two', fin: false });
    expect(await pieces.next()).toMatchObject({ data: Buffer.from('two'), first: false, final: false });
    client.send({ opcode: CONTINUATION, payload: 'three' });
    expect(await pieces.next()).toMatchObject({ data: Buffer.from('three'), first: false, final: true });
  });

  it('tells a large frame in pieces, before it is complete', async () => {
    const { client, pieces } = await streaming();
    const payload = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 0xff));
    const frame = encodeFrame({ opcode: BINARY, payload });
    client.write(frame.subarray(0, 1000));
    expect(await pieces.next()).toMatchObject({ first: true, final: false, data: payload.subarray(0, 986) });
    client.write(frame.subarray(1000));
    await turnUntil(() => pieces.all.at(-1)!.final);
    const messages = assemble(pieces.all);
    expect(messages.map(({ text, data }) => [text, data.equals(payload)])).toEqual([[false, true]]);
  });

  it('tells empty messages and empty fragments', async () => {
    const { client, pieces } = await streaming();
    client.send({ opcode: TEXT });
    client.send({ opcode: BINARY, fin: false });
    client.send({ opcode: CONTINUATION });
    await turnUntil(() => pieces.all.length === 3);
    expect(assemble(pieces.all)).toEqual([
      { text: true, data: Buffer.alloc(0) },
      { text: false, data: Buffer.alloc(0) },
    ]);
  });

  it.each([1, 2, 3, 7, 100])('is right whatever the reads: %i bytes each', async (size) => {
    const { client, server, pieces } = await streaming();
    const sent = [
      { text: true, data: Buffer.from('Grüße an alle €😀') },
      { text: false, data: Buffer.alloc(300, 1) },
      { text: true, data: Buffer.alloc(0) },
      { text: false, data: Buffer.alloc(126, 2) },
    ];
    const bytes = Buffer.concat(
      sent.flatMap(({ text, data }) => [
        encodeFrame({ opcode: text ? TEXT : BINARY, fin: false, payload: data.subarray(0, 5) }),
        encodeFrame({ opcode: PING }),
        encodeFrame({ opcode: CONTINUATION, payload: data.subarray(5) }),
      ]),
    );
    let expected = server.stats().bytesReceived;
    for (let at = 0; at < bytes.length; at += size) {
      client.write(bytes.subarray(at, at + size));
      expected += Math.min(size, bytes.length - at);
      await turnUntil(() => server.stats().bytesReceived >= expected);
    }
    await turnUntil(() => server.stats().messagesReceived === sent.length && pieces.all.at(-1)!.final);
    expect(assemble(pieces.all)).toEqual(sent);
  });

  it('holds text to UTF-8, across fragments and at their end', async () => {
    for (const frames of [
      [{ opcode: TEXT, payload: Buffer.of(0x61, 0xff) }],
      [
        { opcode: TEXT, payload: Buffer.of(0xe2, 0x82), fin: false },
        { opcode: CONTINUATION, payload: 'x' },
      ],
      [{ opcode: TEXT, payload: Buffer.of(0xe2, 0x82) }],
    ]) {
      const { client, closed } = await streaming();
      for (const frame of frames) client.send(frame);
      expect(readClose((await client.framesToEndOfClose()).at(-1)!).code).toBe(1007);
      expect(await closed.next()).toBe(1006);
    }
  });

  it('holds messages to maxPayload', async () => {
    const { client, closed, pieces } = await streaming({ maxPayload: 1000 });
    client.send({ opcode: BINARY, payload: Buffer.alloc(900), fin: false });
    client.send({ opcode: CONTINUATION, payload: Buffer.alloc(101) });
    expect(readClose((await client.framesToEndOfClose()).at(-1)!).code).toBe(1009);
    await closed.next();
    expect(pieces.all.length).toBe(1);
  });

  it('takes messages larger than all memory one would give them', async () => {
    let bytes = 0;
    const finals = queue<number>();
    const { client } = await streaming({
      maxPayload: 2 ** 31 - 1,
      fragment(_, data, { final }) {
        bytes += data.length;
        if (final) finals.push(bytes);
      },
    });
    const before = process.memoryUsage().rss;
    const part = encodeFrame({
      opcode: CONTINUATION,
      payload: Buffer.alloc(1024 * 1024),
      fin: false,
      mask: Buffer.alloc(4),
    });
    client.send({ opcode: BINARY, fin: false });
    for (let i = 0; i < 200; i++) {
      client.write(part);
      if (client.socket.writableLength > 8 * 1024 * 1024)
        await new Promise((resolve) => client.socket.once('drain', resolve));
    }
    client.send({ opcode: CONTINUATION });
    expect(await finals.next()).toBe(200 * 1024 * 1024);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  });

  it('stops with pause() and goes on with resume()', async () => {
    const pieces: string[] = [];
    const { client, server } = await streaming({
      fragment(connection, data) {
        pieces.push(data.toString());
        connection.pause();
        setImmediate(() => connection.resume());
      },
    });
    for (let i = 0; i < 50; i++) client.send({ opcode: TEXT, payload: `${i}` });
    await turnUntil(() => pieces.length === 50);
    expect(pieces).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
    expect(server.stats().messagesReceived).toBe(50);
  });

  it('ends with the connection, also inside a message', async () => {
    const { client, closed, pieces } = await streaming();
    client.send({ opcode: BINARY, payload: 'begun', fin: false });
    await pieces.next();
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(4000) });
    client.end();
    expect(await closed.next()).toBe(4000);
    expect(pieces.all.length).toBe(1);
  });
});
