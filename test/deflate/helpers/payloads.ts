/** Message payloads of a size, each a different kind of work for a compressor. */

/** Bytes without any pattern; the same ones each time. */
function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state >>> 11;
  }
  return bytes;
}

/** Words in an order of their own; most bytes compress, none is the same run. */
function words(size: number): string {
  let text = '';
  for (let i = 0; text.length < size; i++) text += `word${(i * i) % 1009} `;
  return text.slice(0, size);
}

/** Sequences of one to four bytes that fill `size` bytes exactly. */
function unicode(size: number): string {
  const cycle = ['a', 'ü', '漢', '𝄞'];
  let text = '';
  let left = size;
  for (let i = 0; left > 0; i++) {
    const next = cycle[i % 4]!;
    const length = Buffer.byteLength(next);
    text += length <= left ? next : 'z'.repeat(left);
    left -= Math.min(length, left);
  }
  return text;
}

export const kinds: Record<string, (size: number) => string | Buffer> = {
  'text that compresses': words,
  'text of all UTF-8 lengths': unicode,
  'bytes that compress': (size) => Buffer.alloc(size, 'abcabcabd'),
  'bytes that do not': (size) => noise(size, 4711),
};

export const random = noise;
