import { describe, expect, it } from 'vitest';
import { connect } from '../../lib/index.js';
import { closeBody, encodeFrame, type FrameFields, Opcode, readClose } from '../helpers/frames.js';
import { recorder, turnUntil } from '../helpers/server.js';
import { rawServer } from './helpers/raw-server.js';

async function joined(options: { maxPayload?: number } = {}) {
  const record = recorder();
  const { url, asked } = await rawServer((one) => one.accept());
  const connection = await connect(url, { ...record.handlers, ...options });
  return { record, connection, peer: (await asked.next()).peer };
}

const server = (fields: FrameFields) => encodeFrame({ mask: false, ...fields });

describe('what a client sends (RFC 6455 5.1, 5.3)', () => {
  it.each([0, 1, 125, 126, 127, 65535, 65536, 300_000])(
    'is masked, unmasks to what it was, and stays as it was with the caller: %i bytes',
    async (size) => {
      const { connection, peer } = await joined();
      const payload = Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) & 0xff));
      const copy = Buffer.from(payload);
      connection.send(payload);
      const frame = await peer.frame();
      expect(frame).toMatchObject({ masked: true, fin: true, rsv: 0, opcode: Opcode.BINARY });
      expect(frame.payload.equals(copy)).toBe(true);
      expect(payload.equals(copy)).toBe(true);
      connection.terminate();
    },
  );

  it('has a fresh masking key in each frame, also in those sent in one batch', async () => {
    const { connection, peer } = await joined();
    const count = 500;
    for (let i = 0; i < count; i++) connection.send(Buffer.alloc(8));
    connection.close();
    await turnUntil(() => connection.bufferedAmount === 0);
    peer.end();
    const bytes = await peer.bytesToEnd();
    /* 2 bytes of header, 4 of key, 8 of payload, which is all zero and so shows the key again */
    const keys = Array.from({ length: count }, (_, i) => bytes.toString('hex', i * 14 + 2, i * 14 + 6));
    expect(keys.map((key) => key + key)).toEqual(
      Array.from({ length: count }, (_, i) => bytes.toString('hex', i * 14 + 6, i * 14 + 14)),
    );
    expect(new Set(keys).size).toBeGreaterThan(count - 5);
  });

  it('masks pings, pongs and close frames too', async () => {
    const { connection, peer } = await joined();
    connection.ping('ask');
    expect(await peer.frame()).toMatchObject({
      opcode: Opcode.PING,
      masked: true,
      payload: Buffer.from('ask'),
    });
    peer.write(server({ opcode: Opcode.PING, payload: 'you' }));
    expect(await peer.frame()).toMatchObject({
      opcode: Opcode.PONG,
      masked: true,
      payload: Buffer.from('you'),
    });
    connection.close(4000, 'bye');
    const close = await peer.frame();
    expect(close.masked).toBe(true);
    expect(readClose(close)).toEqual({ code: 4000, reason: 'bye' });
  });
});

const refused: [what: string, code: number, bytes: Buffer][] = [
  ['a masked text frame (5.1)', 1002, encodeFrame({ opcode: Opcode.TEXT, payload: 'hi' })],
  ['a masked ping', 1002, encodeFrame({ opcode: Opcode.PING })],
  ['a masked close frame', 1002, encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(1000) })],
  [
    'a masked frame of key 0',
    1002,
    encodeFrame({ opcode: Opcode.TEXT, payload: 'hi', mask: Uint8Array.of(0, 0, 0, 0) }),
  ],
  ['a reserved bit (5.2)', 1002, server({ opcode: Opcode.TEXT, rsv: 4 })],
  ['a reserved opcode (5.2)', 1002, server({ opcode: 3 })],
  [
    'a length that is not minimal (5.2)',
    1002,
    server({ opcode: Opcode.TEXT, payload: 'hi', lengthForm: 16 }),
  ],
  ['a continuation of nothing (5.4)', 1002, server({ opcode: Opcode.CONTINUATION })],
  ['a fragmented ping (5.5)', 1002, server({ opcode: Opcode.PING, fin: false })],
  ['a ping of 126 bytes (5.5)', 1002, server({ opcode: Opcode.PING, payload: 'a'.repeat(126) })],
  ['a close body of one byte (5.5.1)', 1002, server({ opcode: Opcode.CLOSE, payload: 'x' })],
  ['close code 1005 (7.4.1)', 1002, server({ opcode: Opcode.CLOSE, payload: closeBody(1005) })],
  ['text that is not UTF-8 (8.1)', 1007, server({ opcode: Opcode.TEXT, payload: Uint8Array.of(0xc3, 0x28) })],
  ['a message above maxPayload', 1009, server({ opcode: Opcode.BINARY, length: 5000, payload: 'a' })],
];

describe('what a server sends', () => {
  it.each(refused)('%s is refused with %i', async (_, code, bytes) => {
    const { connection, record, peer } = await joined({ maxPayload: 1000 });
    peer.write(bytes);
    const frames = await peer.framesToEnd();
    expect(frames.map(readClose).map((close) => close.code)).toEqual([code]);
    peer.end();
    expect(await connection.closed).toMatchObject({
      code: 1006,
      clean: false,
      reason: expect.stringMatching(/./),
    });
    expect(record.messages.all).toEqual([]);
    expect(record.errors.all).toEqual([]);
  });

  it('behind its 101 in one write comes after open, in order', async () => {
    const record = recorder();
    const { url } = await rawServer(({ accept, peer }) => {
      peer.socket.cork();
      accept();
      for (let i = 0; i < 200; i++) peer.write(server({ opcode: Opcode.TEXT, payload: `message ${i}` }));
      peer.write(server({ opcode: Opcode.CLOSE, payload: closeBody(4001, 'enough') }));
      peer.socket.uncork();
    });
    const connection = await connect(url, record.handlers);
    expect(await connection.closed).toMatchObject({ code: 4001, reason: 'enough' });
    expect(record.opened.all).toEqual([connection]);
    expect(record.messages.all).toEqual(Array.from({ length: 200 }, (_, i) => `message ${i}`));
  });

  it('arrives byte by byte, its 101 included', async () => {
    const record = recorder();
    const { url, asked } = await rawServer(async ({ accept, peer }) => {
      const bytes: Buffer[] = [];
      const write = peer.write;
      peer.write = (data) => void bytes.push(Buffer.from(data));
      accept();
      peer.write(server({ opcode: Opcode.TEXT, payload: 'one' }));
      for (const byte of Buffer.concat(bytes)) {
        write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const connection = await connect(url, record.handlers);
    expect(await record.messages.next()).toBe('one');
    connection.close(1000);
    const { peer } = await asked.next();
    expect(readClose(await peer.frame()).code).toBe(1000);
  });

  it('ends in order when it answers the close frame and sends its FIN at once', async () => {
    const { connection, peer } = await joined();
    connection.close(1000, 'done');
    await peer.frame();
    peer.write(server({ opcode: Opcode.CLOSE, payload: closeBody(1000, 'done') }));
    peer.end();
    expect(await connection.closed).toEqual({ code: 1000, reason: 'done', clean: true });
  });
});
