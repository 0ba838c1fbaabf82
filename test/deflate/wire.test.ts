import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { connect, type DeflateOptions, type FragmentInfo, type ServerOptions } from '../../lib/index.js';
import { rawServer } from '../client/helpers/raw-server.js';
import { closeBody, type Frame, type FrameFields, Opcode, readClose } from '../helpers/frames.js';
import type { RawClient } from '../helpers/raw-client.js';
import { type Recorder, recorder, startServer, turnUntil } from '../helpers/server.js';
import { random } from './helpers/payloads.js';

const RSV1 = 4;
const TAIL = Buffer.of(0, 0, 0xff, 0xff);

/** RFC 7692 7.2.1, with zlib of Node. */
function deflated(data: string | Buffer, level = 6): Buffer {
  const bytes = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, level });
  return bytes.subarray(0, -4);
}

function inflated(frame: Frame): string {
  return inflateRawSync(Buffer.concat([frame.payload, TAIL]), {
    finishFlush: constants.Z_SYNC_FLUSH,
  }).toString();
}

interface Wire {
  client: RawClient;
  record: Recorder;
  bytesReceived: () => number;
}

async function wire(deflate: DeflateOptions = {}, more: ServerOptions = {}): Promise<Wire> {
  const record = recorder();
  const { server, open } = await startServer({ ...record.handlers, perMessageDeflate: deflate, ...more });
  const client = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
  return { client, record, bytesReceived: () => server.stats().bytesReceived };
}

const text = (payload: Uint8Array, more: Partial<FrameFields> = {}): FrameFields => ({
  opcode: Opcode.TEXT,
  rsv: RSV1,
  payload,
  ...more,
});

describe('a compressed message is read', () => {
  const hello = deflated('Hello');
  const forms: [what: string, section: string, payload: Buffer, expected: string][] = [
    ['of a fixed block', '7.2.3.1', Buffer.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00), 'Hello'],
    [
      'of a stored block',
      '7.2.3.3',
      Buffer.of(0, 5, 0, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0),
      'Hello',
    ],
    ['of a block with BFINAL', '7.2.3.4', Buffer.of(0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00), 'Hello'],
    ['that ends with BFINAL', '7.2.3.4', Buffer.of(0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00), 'Hello'],
    [
      'of two blocks',
      '7.2.3.5',
      Buffer.of(0xf2, 0x48, 0x05, 0, 0, 0, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00),
      'Hello',
    ],
    ['that is empty', '7.2.3.6', Buffer.of(0), ''],
    ['that is empty, without a byte', '7.2.2', Buffer.alloc(0), ''],
    [
      'with empty blocks before it',
      '7.2.1',
      Buffer.concat([Buffer.of(0), TAIL, Buffer.of(0), TAIL, hello]),
      'Hello',
    ],
    ['whose tail was left in place', '7.2.1', Buffer.concat([hello, TAIL, Buffer.of(0)]), 'Hello'],
  ];

  it.each(forms)('%s (RFC 7692 %s)', async (_, __, payload, expected) => {
    for (const peerContextTakeover of [false, true]) {
      const { client, record } = await wire({ peerContextTakeover });
      for (const one of [payload, hello, payload, payload, hello]) client.send(text(one));
      const got = [];
      while (got.length < 5) got.push(await record.messages.next());
      expect(got).toEqual([expected, 'Hello', expected, expected, 'Hello']);
    }
  });

  it('that refers to the one before it, where the context is kept (RFC 7692 7.2.3.2)', async () => {
    const { client, record } = await wire({ peerContextTakeover: true });
    client.send(text(Buffer.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00)));
    client.send(text(Buffer.of(0xf2, 0x00, 0x11, 0x00, 0x00)));
    expect([await record.messages.next(), await record.messages.next()]).toEqual(['Hello', 'Hello']);
  });

  it('that refers back across a block with BFINAL, as the window is that of the connection (RFC 7692 7.2.3.4)', async () => {
    const final = Buffer.of(0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00);
    const back = Buffer.of(0xf2, 0x00, 0x11, 0x00, 0x00);
    const { client, record } = await wire({ peerContextTakeover: true });
    for (const payload of [
      Buffer.concat([final, Buffer.of(0)]),
      back,
      final,
      back,
      Buffer.concat([final, back]),
    ])
      client.send(text(payload));
    const got = [];
    while (got.length < 5) got.push(await record.messages.next());
    expect(got).toEqual(['Hello', 'Hello', 'Hello', 'Hello', 'HelloHello']);
  });

  it('of a flood of final blocks, at a cost that its length bounds', async () => {
    const { client, record } = await wire({ peerContextTakeover: true });
    client.send(text(deflated('x'.repeat(40_000))));
    await record.messages.next();
    const before = process.cpuUsage();
    client.send(text(Buffer.alloc(2_000_000, Buffer.of(0x03, 0x00))));
    expect(await record.messages.next()).toBe('');
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(2);
  });

  it('in frames cut at every byte, with control frames between them (RFC 7692 6.1, RFC 6455 5.4)', async () => {
    const { client, record } = await wire();
    const whole = deflated('cut at every single byte of it');
    for (let at = 0; at <= whole.length; at++) {
      client.send(text(whole.subarray(0, at), { fin: false }));
      client.send({ opcode: Opcode.PING, payload: `${at}` });
      client.send({ opcode: Opcode.CONTINUATION, payload: whole.subarray(at) });
      expect(await record.messages.next()).toBe('cut at every single byte of it');
      expect(await client.frame()).toMatchObject({
        opcode: Opcode.PONG,
        rsv: 0,
        payload: Buffer.from(`${at}`),
      });
    }
  });

  it('that comes byte by byte, one frame each', async () => {
    const { client, record } = await wire();
    const whole = deflated('one frame for each byte, and an empty one at the end');
    client.send(text(whole.subarray(0, 1), { fin: false }));
    for (const byte of whole.subarray(1))
      client.send({ opcode: Opcode.CONTINUATION, fin: false, payload: Buffer.of(byte) });
    client.send({ opcode: Opcode.CONTINUATION });
    expect(await record.messages.next()).toBe('one frame for each byte, and an empty one at the end');
  });

  it('among messages that are not compressed, as the sender pleases (RFC 7692 6)', async () => {
    const { client, record } = await wire({ peerContextTakeover: true });
    for (let i = 0; i < 20; i++)
      client.send(i % 3 ? text(deflated(`message ${i}`)) : { opcode: Opcode.TEXT, payload: `message ${i}` });
    for (let i = 0; i < 20; i++) expect(await record.messages.next()).toBe(`message ${i}`);
  });

  it('of many connections at once, piece by piece in turn', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, perMessageDeflate: true });
    const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
    const clients = await Promise.all(Array.from({ length: 8 }, () => open({ headers })));
    const wholes = clients.map((_, i) => deflated(`client ${i} `.repeat(500)));
    const pieces = Math.max(...wholes.map((whole) => whole.length));
    for (let at = 0; at < pieces; at++)
      clients.forEach((client, i) => {
        const payload = wholes[i]!.subarray(at, at + 1);
        client.send({
          opcode: at ? Opcode.CONTINUATION : Opcode.TEXT,
          rsv: at ? 0 : RSV1,
          fin: at === pieces - 1,
          payload,
        });
      });
    const came = await Promise.all(clients.map(() => record.messages.next()));
    expect(came.sort()).toEqual(clients.map((_, i) => `client ${i} `.repeat(500)).sort());
  });
});

describe('with a fragment handler', () => {
  it.each([false, true])(
    'a compressed message comes in pieces as it arrives (peer context kept: %s)',
    async (kept) => {
      const pieces: [Buffer, FragmentInfo][] = [];
      const { server, open } = await startServer({
        fragment: (_, data, info) => void pieces.push([Buffer.from(data), info]),
        perMessageDeflate: { peerContextTakeover: kept },
      });
      const client = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
      const data = random(300_000, 5);
      const whole = deflated(data);
      for (const round of [1, 2]) {
        const third = Math.ceil(whole.length / 3);
        for (let i = 0; i < 3; i++) {
          client.send({
            opcode: i ? Opcode.CONTINUATION : Opcode.BINARY,
            rsv: i ? 0 : RSV1,
            fin: i === 2,
            payload: whole.subarray(i * third, (i + 1) * third),
          });
          client.send({ opcode: Opcode.PING });
        }
        await turnUntil(() => server.stats().messagesReceived === round && pieces.at(-1)?.[1].final === true);
        expect(Buffer.concat(pieces.map(([piece]) => piece)).equals(data)).toBe(true);
        expect(pieces.length).toBeGreaterThan(1);
        expect(pieces.map(([, info]) => info.first)).toEqual(pieces.map((_, i) => i === 0));
        expect(pieces.map(([, info]) => info.final)).toEqual(pieces.map((_, i) => i === pieces.length - 1));
        expect(pieces.every(([, info]) => !info.text)).toBe(true);
        pieces.length = 0;
      }
    },
  );

  it('a bomb is stopped at maxPayload, whatever pieces it comes in', async () => {
    let told = 0;
    const { open } = await startServer({
      fragment(_, data) {
        told += data.length;
      },
      maxPayload: 100_000,
      perMessageDeflate: true,
    });
    const client = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
    const whole = deflated(Buffer.alloc(10_000_000));
    for (let at = 0; at < whole.length; at += 100)
      client.send({
        opcode: at ? Opcode.CONTINUATION : Opcode.BINARY,
        rsv: at ? 0 : RSV1,
        fin: false,
        payload: whole.subarray(at, at + 100),
      });
    expect(readClose(await client.frame()).code).toBe(1009);
    expect(told).toBeLessThanOrEqual(100_000);
  });
});

describe('a peer is failed', () => {
  const failures: [what: string, code: number, frames: FrameFields[]][] = [
    [
      'RSV1 on a continuation frame (RFC 7692 6.1)',
      1002,
      [text(deflated('ab'), { fin: false }), { opcode: Opcode.CONTINUATION, rsv: RSV1 }],
    ],
    [
      'RSV1 on the continuation of a plain message',
      1002,
      [
        { opcode: Opcode.TEXT, payload: 'a', fin: false },
        { opcode: Opcode.CONTINUATION, rsv: RSV1 },
      ],
    ],
    ['RSV1 on a ping', 1002, [{ opcode: Opcode.PING, rsv: RSV1 }]],
    ['RSV1 on a pong', 1002, [{ opcode: Opcode.PONG, rsv: RSV1 }]],
    ['RSV1 on a close frame', 1002, [{ opcode: Opcode.CLOSE, rsv: RSV1, payload: closeBody(1000) }]],
    ['RSV2 beside RSV1', 1002, [text(deflated('a'), { rsv: 6 })]],
    ['RSV3 beside RSV1', 1002, [text(deflated('a'), { rsv: 5 })]],
    ['RSV2 alone', 1002, [text(deflated('a'), { rsv: 2 })]],
    ['a reserved block type', 1007, [text(Buffer.of(0x06))]],
    ['lengths of a stored block that do not fit', 1007, [text(Buffer.of(0, 5, 0, 5, 0, 0x48))]],
    ['a distance before the start', 1007, [text(Buffer.of(0xf2, 0x00, 0x11, 0x00, 0x00))]],
    ['noise', 1007, [text(Buffer.alloc(64, 0xff))]],
    [
      'a stream that is cut off',
      1007,
      [text(deflated('a stream that is cut off in the middle').subarray(0, 20))],
    ],
    ['a stored block that is cut off', 1007, [text(Buffer.of(0, 50, 0, 0xcd, 0xff, 0x61, 0x62))]],
    ['a code that is cut off', 1007, [text(deflated('a stream that is cut off').subarray(0, -1))]],
    ['bytes that are not compressed at all', 1007, [text(Buffer.from('not compressed'))]],
    ['text that is not UTF-8 when inflated', 1007, [text(deflated(Buffer.of(0x61, 0xc3, 0x28)))]],
    ['text that ends inside a sequence', 1007, [text(deflated(Buffer.of(0x61, 0xe6, 0xbc)))]],
    [
      'text that is not UTF-8, before the message ends',
      1007,
      [text(deflated(Buffer.of(0x61, 0xc3, 0x28)), { fin: false })],
    ],
  ];

  it.each(failures)('for %s with %i', async (_, code, frames) => {
    for (const peerContextTakeover of [false, true]) {
      const { client, record } = await wire({ peerContextTakeover });
      for (const frame of frames) client.send(frame);
      const [last, ...others] = (await client.framesToEnd()).reverse();
      expect(readClose(last!).code).toBe(code);
      expect(others).toEqual([]);
      client.end();
      expect(await record.closed.next()).toMatchObject({ code: 1006, clean: false });
      expect(record.messages.all).toEqual([]);
      expect(record.errors.all).toEqual([]);
    }
  });

  it('for RSV1 when nothing was negotiated (RFC 6455 5.2)', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, perMessageDeflate: true });
    const client = await open();
    client.send(text(deflated('a')));
    expect(readClose(await client.frame()).code).toBe(1002);
  });

  it('and others do not notice: a broken stream leaves the shared one fit for use', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, perMessageDeflate: true });
    const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
    const good = await open({ headers });
    for (let i = 0; i < 5; i++) {
      const bad = await open({ headers });
      bad.send(text(Buffer.alloc(20, 0xff)));
      await bad.framesToEnd();
      good.send(text(deflated(`still ${i}`)));
      expect(await record.messages.next()).toBe(`still ${i}`);
    }
  });

  it.each([0, 1, 1000, 65_536])(
    'with 1009 for one inflated byte above a maxPayload of %i, not for the last one allowed',
    async (maxPayload) => {
      const { client, record } = await wire({}, { maxPayload });
      client.send({ opcode: Opcode.BINARY, rsv: RSV1, payload: deflated(Buffer.alloc(maxPayload, 7)) });
      expect(await record.messages.next()).toEqual(Buffer.alloc(maxPayload, 7));
      client.send({ opcode: Opcode.BINARY, rsv: RSV1, payload: deflated(Buffer.alloc(maxPayload + 1, 7)) });
      expect(readClose(await client.frame()).code).toBe(1009);
    },
  );

  it('with 1009 for a bomb before all of it came, and holds no more than maxPayload of it', async () => {
    const { client, record } = await wire({}, { maxPayload: 1_000_000 });
    const bomb = deflated(Buffer.alloc(100_000_000), 9);
    const before = process.memoryUsage().rss;
    /* announced whole, sent by half: what decides is what it inflates to */
    client.write(
      Buffer.concat([
        Buffer.of(0xc2, 0xff),
        lengthOf(bomb),
        Buffer.alloc(4),
        bomb.subarray(0, bomb.length / 2),
      ]),
    );
    expect(readClose(await client.frame()).code).toBe(1009);
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
    client.end();
    expect(await record.closed.next()).toMatchObject({
      code: 1006,
      reason: expect.stringContaining('maxPayload'),
    });
  });
});

function lengthOf(payload: Buffer): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(payload.length));
  return bytes;
}

describe('what is sent', () => {
  it.each([0, 1, 100, 1024, 70_000])('is compressed from the threshold of %i bytes on', async (threshold) => {
    const { client, record } = await wire({ threshold });
    const connection = await record.opened.next();
    for (const size of [threshold - 1, threshold, threshold + 1].filter((one) => one >= 0)) {
      connection.send('a'.repeat(size));
      const frame = await client.frame();
      expect({ size, rsv: frame.rsv, fin: frame.fin }).toEqual({
        size,
        rsv: size >= threshold ? RSV1 : 0,
        fin: true,
      });
      expect(frame.rsv ? inflated(frame) : frame.payload.toString()).toBe('a'.repeat(size));
    }
  });

  it('goes uncompressed with compress: false, and the context stays right for the next', async () => {
    const { client, record } = await wire({ threshold: 0, contextTakeover: true });
    const connection = await record.opened.next();
    connection.send('one', { compress: false });
    expect(await client.frame()).toMatchObject({ rsv: 0, payload: Buffer.from('one') });
    connection.send('two');
    connection.send('between', { compress: false });
    connection.send('two');
    const [first, plain, second] = await client.frames(3);
    expect([first!.rsv, plain!.rsv, second!.rsv]).toEqual([RSV1, 0, RSV1]);
    const both = Buffer.concat([first!.payload, TAIL, second!.payload, TAIL]);
    expect(inflateRawSync(both, { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe('twotwo');
  });

  it.each([false, true])(
    'may be an empty message, time and again (own context kept: %s)',
    async (contextTakeover) => {
      const { client, record } = await wire({ threshold: 0, contextTakeover });
      const connection = await record.opened.next();
      for (const message of ['', '', 'x', '', '']) {
        connection.send(message);
        const frame = await client.frame();
        expect(frame.rsv ? frame.payload.length : 1).toBeGreaterThan(0);
        if (!contextTakeover || message === '')
          expect(frame.rsv ? inflated(frame) : frame.payload.toString()).toBe(message);
      }
    },
  );

  it('is smaller when it repeats, and smaller still with the context kept', async () => {
    const data = random(2000, 3).toString('hex');
    const lengths: number[] = [];
    for (const contextTakeover of [false, true]) {
      const { client, record } = await wire({ contextTakeover });
      const connection = await record.opened.next();
      connection.send(data);
      connection.send(data);
      const [first, second] = await client.frames(2);
      lengths.push(first!.payload.length, second!.payload.length);
    }
    const [first, second, kept, repeated] = lengths as [number, number, number, number];
    expect(first).toBeLessThan(data.length * 0.7);
    expect(second).toBe(first);
    expect(kept).toBe(first);
    expect(repeated).toBeLessThan(first / 20);
  });

  it('never marks pings, pongs and close frames as compressed', async () => {
    const { client, record } = await wire({ threshold: 0 });
    const connection = await record.opened.next();
    connection.ping('a'.repeat(125));
    client.send({ opcode: Opcode.PING, payload: 'b'.repeat(125) });
    expect((await client.frames(2)).map((frame) => frame.rsv)).toEqual([0, 0]);
    connection.close(1000, 'c'.repeat(123));
    expect(await client.frame()).toMatchObject({ opcode: Opcode.CLOSE, rsv: 0 });
  });

  it('leaves the bytes of the caller as they were, from a client too', async () => {
    const { url, asked } = await rawServer((one) =>
      one.accept({ 'Sec-WebSocket-Extensions': 'permessage-deflate; server_no_context_takeover' }),
    );
    const connection = await connect(url, { perMessageDeflate: { threshold: 0 } });
    const { peer } = await asked.next();
    for (const size of [10, 5000, 300_000]) {
      const bytes = random(size, size);
      const copy = Buffer.from(bytes);
      connection.send(bytes);
      const frame = await peer.frame();
      expect(bytes.equals(copy)).toBe(true);
      expect(frame).toMatchObject({ rsv: RSV1, masked: true });
    }
    connection.terminate();
  });
});
