import { describe, expect, test } from 'vitest';
import { watch } from '../helpers/lifecycle.js';
import { BINARY, frame, TEXT } from './fixtures/wire.mjs';

/* A large message is shown where the socket was read to; what is read later must lie elsewhere. */

/** A sequence that is the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const sizes = [1, 20, 4096, 4097, 5000, 16_384, 40_000, 65_536, 100_000, 128 * 1024, 128 * 1024 + 1, 200_000];

/** Of so many letters that no window of it is another's. */
const content = (connection: number, index: number, size: number) =>
  Buffer.alloc(size, `${connection}/${index}:${(connection * 7919 + index) * 104_729} `);

function pieces(bytes: Buffer, next: (below: number) => number): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + next(150_000);
    all.push(bytes.subarray(at, end));
    at = end;
  }
  return all;
}

/** A message of one frame or of several. */
function framed(opcode: number, payload: Buffer, parts: number): Buffer {
  const step = Math.max(1, Math.ceil(payload.length / parts));
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += step) {
    const last = at + step >= payload.length;
    frames.push(frame(at === 0 ? opcode : 0, payload.subarray(at, at + step), last));
  }
  return Buffer.concat(frames);
}

describe.each([['buffer'], ['transient']] as const)('with binaryType %s', (binaryType) => {
  test('what was kept of 12 connections is as it was sent, whatever came after it', async () => {
    const next = numbers(binaryType === 'buffer' ? 1 : 2);
    const kept: { connection: number; data: string | Buffer }[] = [];
    const w = await watch({
      binaryType,
      message(connection, data) {
        const copy = binaryType === 'transient' && typeof data !== 'string' ? Buffer.from(data) : data;
        kept.push({ connection: Number(connection.request.query.get('n')), data: copy });
      },
    });
    const wanted: { opcode: number; payload: Buffer }[][] = [];
    await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const { client } = await w.join({ path: `/?n=${n}` });
        const messages = Array.from({ length: 40 }, (_, i) => ({
          opcode: next(4) === 0 ? TEXT : BINARY,
          payload: content(n, i, sizes[next(sizes.length)]! - next(2)),
        }));
        wanted[n] = messages;
        const parts = messages.map(({ opcode, payload }) => framed(opcode, payload, next(5) === 0 ? 3 : 1));
        for (const piece of pieces(Buffer.concat(parts), next)) {
          client.write(piece);
          if (next(3) === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    await w.until('message', 12 * 40);
    for (const [n, messages] of wanted.entries()) {
      const own = kept.filter(({ connection }) => connection === n).map(({ data }) => data);
      expect(own).toHaveLength(messages.length);
      for (const [i, { opcode, payload }] of messages.entries()) {
        expect(typeof own[i]).toBe(opcode === TEXT ? 'string' : 'object');
        expect(Buffer.from(own[i] as string).equals(payload), `message ${i} of connection ${n}`).toBe(true);
      }
    }
  });
});
