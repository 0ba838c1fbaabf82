import v8 from 'node:v8';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { watch } from '../helpers/lifecycle.js';
import { BINARY, frame, TEXT } from './fixtures/wire.mjs';

v8.setFlagsFromString('--allow-natives-syntax');
/* what transfer() does to the buffer, on every Node */
const detach = new Function('buffer', '%ArrayBufferDetach(buffer)') as (buffer: ArrayBufferLike) => void;
v8.setFlagsFromString('--no-allow-natives-syntax');

/** Node copies what it may not transfer (20), or refuses (22 and later). */
function offer(transfer: () => void): void {
  try {
    transfer();
  } catch (error) {
    expect((error as Error).name).toBe('DataCloneError');
  }
}

/** Everything user code may do to the memory behind a message, the shared slab. */
const outrages: Record<string, (data: Buffer) => void> = {
  detached: (data) => detach(data.buffer),
  'given to structuredClone()': (data) =>
    offer(() => structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] })),
  'posted away': (data) => {
    const { port1 } = new MessageChannel();
    offer(() => port1.postMessage(data.buffer, [data.buffer as ArrayBuffer]));
    port1.close();
  },
  'filled with 255': (data) => data.fill(255),
};
if ('transfer' in ArrayBuffer.prototype)
  outrages.transferred = (data) => void (data.buffer as unknown as { transfer(): void }).transfer();

/** Sizes that lie in small slabs, in large ones, and in memory of their own. */
const sizes = [0, 1, 20, 125, 4096, 4097, 20_000, 128 * 1024, 128 * 1024 + 1];

const content = (i: number, size: number) => Buffer.alloc(size, i + 1);

describe.each(Object.entries(outrages))('a message whose buffer is %s inside message', (_, outrage) => {
  test.each([0, 3, 7, 'all'])('costs no other message of the batch a byte (message %s)', async (which) => {
    const seen: Buffer[] = [];
    const w = await watch({
      message(_connection, data) {
        seen.push(Buffer.from(data as Buffer));
        if (which === 'all' || seen.length - 1 === which) outrage(data as Buffer);
      },
    });
    const { client } = await w.join();
    const wanted = [...sizes, ...sizes].map((size, i) => content(i, size));
    client.write(...wanted.map((bytes) => frame(BINARY, bytes)));
    await w.until('message', wanted.length);
    expect(seen.map((bytes) => bytes.length)).toEqual(wanted.map((bytes) => bytes.length));
    for (const [i, bytes] of seen.entries()) expect(bytes.equals(wanted[i]!)).toBe(true);
    /* and none of the next batches, which would write where the slab was */
    client.write(...wanted.map((bytes) => frame(BINARY, bytes)));
    await w.until('message', 2 * wanted.length);
    for (const [i, bytes] of seen.slice(wanted.length).entries()) expect(bytes.equals(wanted[i]!)).toBe(true);
  });
});

describe.each(Object.entries(outrages))('a message whose buffer is %s', (_, outrage) => {
  test.each(sizes.filter((size) => size > 0))('costs the next batch nothing (%i bytes)', async (size) => {
    const seen: Buffer[] = [];
    const w = await watch({
      message(_connection, data) {
        seen.push(Buffer.from(data as Buffer));
        outrage(data as Buffer);
      },
    });
    const { client } = await w.join();
    for (let i = 0; i < 4; i++) {
      client.write(frame(BINARY, content(i, size)));
      await w.until('message', i + 1);
    }
    for (const [i, bytes] of seen.entries()) expect(bytes.equals(content(i, size))).toBe(true);
  });

  test.each(['buffer', 'transient'] as const)(
    'costs nothing of what lies between in other slabs, nor a connection that comes (%s)',
    async (binaryType) => {
      const seen: (string | Buffer)[] = [];
      const w = await watch({
        binaryType,
        message(connection, data) {
          seen.push(`${connection.request.path} ${data.length} ${data.slice(0, 5)}`);
          if (typeof data !== 'string' && data.buffer.byteLength > 0) outrage(data);
        },
      });
      const { client } = await w.join();
      const wanted: string[] = [];
      for (let i = 0; i < 4; i++) {
        const parts: Uint8Array[] = [];
        for (const size of [20, 5000, 200_000]) {
          parts.push(frame(BINARY, Buffer.alloc(size, 'bytes')), frame(TEXT, `text ${i}`));
          wanted.push(`/ ${size} bytes`, `/ 6 text `);
        }
        client.write(...parts);
        await w.until('message', wanted.length);
        const { client: late } = await w.join({ path: '/late' });
        late.write(frame(TEXT, 'here'));
        wanted.push('/late 4 here');
        await w.until('message', wanted.length);
      }
      expect(seen).toEqual(wanted);
    },
  );
});

describe('a text after a detached message', () => {
  test.each(['plain', 'grüße, 世界'])('is whole: %s', async (text) => {
    const texts: unknown[] = [];
    const w = await watch({
      binaryType: 'transient',
      message(_connection, data) {
        if (typeof data === 'string') texts.push(data);
        else detach(data.buffer);
      },
    });
    const { client } = await w.join();
    /* lent bytes and texts share their slab */
    client.write(
      frame(BINARY, 'lent'),
      frame(TEXT, text),
      frame(BINARY, 'lent'),
      frame(TEXT, text),
      frame(TEXT, ''),
    );
    await w.until('message', 5);
    expect(texts).toEqual([text, text, '']);
    client.write(frame(TEXT, text));
    await w.until('message', 6);
    expect(texts[3]).toBe(text);
  });
});

describe('a message that is kept', () => {
  test('stays as it was while much more arrives', async () => {
    const kept: Buffer[] = [];
    const w = await watch({
      message(_connection, data) {
        if (kept.length < 300) kept.push(data as Buffer);
      },
    });
    const { client } = await w.join();
    const wanted = Array.from({ length: 300 }, (_, i) => content(i % 250, sizes[i % 6]!));
    client.write(...wanted.map((bytes) => frame(BINARY, bytes)));
    await w.until('message', 300);
    const other = sizes.slice(0, 6).map((size) => frame(BINARY, Buffer.alloc(size, 0xee)));
    for (let round = 0; round < 200; round++) client.write(...other);
    await w.until('message', 300 + 1200);
    for (const [i, bytes] of kept.entries()) expect(bytes.equals(wanted[i]!)).toBe(true);
  });

  test('stays as it was after its connection and server are gone', async () => {
    const kept: Buffer[] = [];
    const w = await watch({ message: (_, data) => void kept.push(data as Buffer) });
    const { client } = await w.join();
    client.write(...sizes.map((size, i) => frame(BINARY, content(i, size))));
    await w.until('message', sizes.length);
    client.reset();
    await w.until('close');
    await w.server.close();
    for (const [i, bytes] of kept.entries()) expect(bytes.equals(content(i, sizes[i]!))).toBe(true);
  });
});

/** What may happen to the sender's own buffer once send() has returned. */
const misuses: Record<string, (bytes: Buffer<ArrayBuffer>) => void> = {
  overwritten: (bytes) => bytes.fill(0),
  transferred: (bytes) => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] }),
};

describe.each(Object.entries(misuses))('bytes that are %s right after send()', (_, misuse) => {
  const lengths = [1, 125, 126, 4096, 4097, 100_000, 3_000_000];

  test.each([false, true])('arrive as they were (peer reads %s)', async (reads) => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    if (!reads) client.socket.pause();
    for (const [i, length] of lengths.entries()) {
      const bytes = Buffer.from(new ArrayBuffer(length)).fill(i + 1);
      expect(['sent', 'buffered']).toContain(connection.send(bytes));
      misuse(bytes);
      const plain = new Uint8Array(length).fill(i + 1);
      expect(['sent', 'buffered']).toContain(connection.send(plain.buffer));
      misuse(Buffer.from(plain.buffer));
    }
    client.socket.resume();
    for (const [i, length] of lengths.entries())
      for (let twice = 0; twice < 2; twice++) {
        const { payload } = (await client.next())!;
        expect([payload.length, payload.equals(Buffer.alloc(length, i + 1))]).toEqual([length, true]);
      }
  });
});

test('an echo of the received view is sent as it was, though the view is overwritten at once', async () => {
  const w = await watch({
    message(connection, data) {
      connection.send(data);
      (data as Buffer).fill(0);
    },
  });
  const { client } = await w.join();
  client.write(...sizes.map((size, i) => frame(BINARY, content(i, size))));
  for (const [i, size] of sizes.entries())
    expect((await client.next())?.payload.equals(content(i, size))).toBe(true);
});
