import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { encodeFrame, Opcode } from '../helpers/frames.js';
import { startServer, turnUntil } from '../helpers/server.js';

/** Bytes without a period near a power of two, so that misplaced or wrongly unmasked ones show. */
function pattern(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + ((i / 251) | 0) * 7) & 0xff;
  return bytes;
}

const letters = (size: number) =>
  Buffer.from(pattern(size).map((byte) => 0x61 + (byte % 26))).toString('latin1');

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Every short one, then both sides of what is special to RFC 6455 5.2 or to memory pages and powers of two. */
const sizes = [
  ...range(0, 300),
  ...[512, 1024, 1365, 2048, 4096, 8192, 16384, 32768, 131072, 262144].flatMap((size) =>
    range(size - 2, size + 2),
  ),
  ...range(65520, 65550),
];

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it.each([
  ['binary', Opcode.BINARY, pattern],
  ['text', Opcode.TEXT, letters],
] as const)(
  '%s messages of %# sizes come back as they went, in minimal frames (RFC 6455 5.2)',
  async (_, opcode, make) => {
    const { open } = await startServer({ message: (c, data) => void c.send(data) });
    const client = await open();
    for (const size of sizes) {
      const payload = Buffer.from(make(size));
      client.write(encodeFrame({ opcode, payload }));
      const frame = await client.frame();
      expect({ size, opcode: frame.opcode, fin: frame.fin, masked: frame.masked }).toEqual({
        size,
        opcode,
        fin: true,
        masked: false,
      });
      expect(frame.payload.equals(payload), `payload of ${size} bytes`).toBe(true);
    }
  },
);

it.each([
  [125, 2],
  [126, 4],
  [65535, 4],
  [65536, 10],
])('a message of %i bytes leaves behind a header of %i bytes (RFC 6455 5.2)', async (size, header) => {
  const { open } = await startServer({
    message(connection) {
      connection.send(Buffer.alloc(size));
      connection.terminate();
    },
  });
  const client = await open();
  client.text('go');
  expect((await client.bytesToEnd()).length).toBe(header + size);
});

it.each([1, 2, 3, 5, 7, 13, 64, 125, 126, 1000, 4095, 4096, 16384, 65535, 65536])(
  'messages read in pieces of %i bytes are whole',
  async (piece) => {
    const got: string[] = [];
    const { server, open } = await startServer({
      message: (_, data) => void got.push(digest(data as Buffer)),
    });
    const client = await open();
    const payloads = [0, 1, 3, 125, 126, 127, 1000, 65535, 65536, 200_000]
      .filter((size) => size / piece < 1100)
      .map(pattern);
    const bytes = Buffer.concat(payloads.map((payload) => encodeFrame({ opcode: Opcode.BINARY, payload })));
    let expected = server.stats().bytesReceived;
    for (let at = 0; at < bytes.length; at += piece) {
      client.write(bytes.subarray(at, at + piece));
      expected += Math.min(piece, bytes.length - at);
      await turnUntil(() => server.stats().bytesReceived >= expected);
    }
    await turnUntil(() => got.length === payloads.length);
    expect(got).toEqual(payloads.map(digest));
  },
);

it('a message may be 16 MiB by default, and no byte more', async () => {
  const { open } = await startServer({ message: (c, data) => void c.send(digest(data as Buffer)) });
  const client = await open();
  const payload = pattern(16 * 1024 * 1024);
  client.send({ opcode: Opcode.BINARY, payload });
  expect((await client.frame()).payload.toString()).toBe(digest(payload));
  client.send({ opcode: Opcode.BINARY, length: payload.length + 1 });
  expect((await client.frame()).payload.readUInt16BE(0)).toBe(1009);
});

it('twenty thousand messages in one write are all told, in order, and answered in order', async () => {
  const count = 20_000;
  const { open } = await startServer({ message: (c, data) => void c.send(data) });
  const client = await open();
  client.write(
    Buffer.concat(
      Array.from({ length: count }, (_, i) => encodeFrame({ opcode: Opcode.TEXT, payload: `${i}` })),
    ),
  );
  const frames = await client.frames(count);
  expect(frames.map((frame) => Number(frame.payload))).toEqual(Array.from({ length: count }, (_, i) => i));
});

it('messages of all sizes in one write, fragmented and whole, are told in order', async () => {
  const got: string[] = [];
  const { open } = await startServer({ message: (_, data) => void got.push(digest(data as Buffer)) });
  const client = await open();
  const payloads = range(0, 600).map((i) => pattern((i * 37) % 5000));
  client.write(
    Buffer.concat(
      payloads.flatMap((payload, i) => {
        if (i % 3 > 0) return [encodeFrame({ opcode: Opcode.BINARY, payload })];
        const half = payload.length >> 1;
        return [
          encodeFrame({ opcode: Opcode.BINARY, fin: false, payload: payload.subarray(0, half) }),
          encodeFrame({ opcode: Opcode.CONTINUATION, payload: payload.subarray(half) }),
        ];
      }),
    ),
  );
  await turnUntil(() => got.length === payloads.length);
  expect(got).toEqual(payloads.map(digest));
});
