import { expect, test } from 'vitest';
import { watch } from '../helpers/lifecycle.js';
import { BINARY, frame } from './fixtures/wire.mjs';

/* Node 20 copies what a list may not take */
const refuses = 'transfer' in ArrayBuffer.prototype;

/** What a transfer list makes of the memory of a message: whether it was taken, and what arrived. */
async function offered(size: number, binaryType: 'buffer' | 'transient') {
  const results: unknown[] = [];
  const w = await watch({
    binaryType,
    message(_, data) {
      const { buffer, byteOffset } = data as Buffer;
      try {
        const there = structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] });
        results.push([buffer.byteLength === 0, Buffer.from(there, byteOffset, size).toString()]);
      } catch (error) {
        results.push((error as Error).name);
      }
    },
  });
  const { client } = await w.join();
  client.write(frame(BINARY, Buffer.alloc(size, 'bytes')));
  await w.until('message');
  return results;
}

const content = (size: number) => Buffer.alloc(size, 'bytes').toString();

test.each([
  [20, 'buffer'],
  [20_000, 'buffer'],
  [128 * 1024, 'buffer'],
  [20, 'transient'],
] as const)(
  'a transfer list does not take memory that messages share (%i bytes, %s)',
  async (size, binaryType) => {
    expect(await offered(size, binaryType)).toEqual([refuses ? 'DataCloneError' : [false, content(size)]]);
  },
);

test.each([128 * 1024 + 1, 500_000, 2_000_000])(
  'a transfer list takes the memory of a large message (%i bytes)',
  async (size) => {
    expect(await offered(size, 'buffer')).toEqual([[refuses, content(size)]]);
  },
);
