import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { type Watched, watch } from '../helpers/lifecycle.js';

const SIZE = 64;

/** Ways to give an ArrayBuffer away; each returns who has the bytes afterwards. */
const transfers: Record<string, (memory: ArrayBuffer) => ArrayBuffer> = {
  'structuredClone()': (memory) => structuredClone(memory, { transfer: [memory] }),
  'postMessage()': (memory) => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(memory, [memory]);
    const { message } = receiveMessageOnPort(port2)!;
    port1.close();
    return message as ArrayBuffer;
  },
};
/* Node 22 and later */
if ('transfer' in ArrayBuffer.prototype)
  transfers['transfer()'] = (memory) => (memory as unknown as { transfer(): ArrayBuffer }).transfer();

async function withMemory(): Promise<Watched> {
  return watch({ memory: SIZE, message() {} });
}

describe('connection.memory', () => {
  test('is of the declared size, zeroed, and the same at every read', async () => {
    const w = await withMemory();
    const { connection } = await w.join();
    const { memory } = connection;
    expect(new Uint8Array(memory)).toEqual(new Uint8Array(SIZE));
    new Uint8Array(memory).fill(7);
    expect(connection.memory).toBe(memory);
    expect(new Uint8Array(connection.memory)).toEqual(new Uint8Array(SIZE).fill(7));
  });

  test('is empty where none was declared', async () => {
    const w = await watch({ message() {} });
    const { connection } = await w.join();
    expect(connection.memory.byteLength).toBe(0);
  });

  test('is readable in close and detached after it, for every view', async () => {
    const inside: number[] = [];
    const w = await watch({
      memory: SIZE,
      message() {},
      close: (c) => void inside.push(c.memory.byteLength, view.length, view[3]!),
    });
    const { client, connection } = await w.join();
    const { memory } = connection;
    const view = new Uint8Array(memory).fill(5);
    const words = new DataView(memory, 8);
    client.reset();
    await w.until('close');
    expect(inside).toEqual([SIZE, SIZE, 5]);
    expect([memory.byteLength, view.length, view[3], connection.memory.byteLength]).toEqual([
      0,
      0,
      undefined,
      0,
    ]);
    expect(() => words.getUint8(0)).toThrow(TypeError);
  });

  test('first asked for in close is detached as well', async () => {
    let memory!: ArrayBuffer;
    const w = await watch({
      memory: SIZE,
      message() {},
      close(c) {
        memory = c.memory;
        expect(memory.byteLength).toBe(SIZE);
      },
    });
    const { client } = await w.join();
    client.reset();
    await w.until('close');
    expect(memory.byteLength).toBe(0);
  });

  test.each(Object.entries(transfers))(
    'given away by %s belongs to its receiver for ever',
    async (_, transfer) => {
      const w = await withMemory();
      const { client, connection } = await w.join();
      new Uint8Array(connection.memory).fill(0x5a);
      const taken = transfer(connection.memory);
      expect([taken.byteLength, connection.memory.byteLength]).toEqual([SIZE, 0]);
      client.reset();
      await w.until('close');
      /* what would reuse the bytes if they belonged to the dead connection */
      const others = await Promise.all(Array.from({ length: 50 }, () => w.join()));
      for (const other of others) new Uint8Array(other.connection.memory).fill(0xff);
      expect(new Uint8Array(taken)).toEqual(new Uint8Array(SIZE).fill(0x5a));
    },
  );

  test.each(Object.entries(transfers))(
    'given away by %s inside close is not taken back',
    async (_, transfer) => {
      let taken!: ArrayBuffer;
      const w = await watch({
        memory: SIZE,
        message() {},
        close(c) {
          taken = transfer(c.memory);
        },
      });
      const { client, connection } = await w.join();
      new Uint8Array(connection.memory).fill(3);
      client.reset();
      await w.until('close');
      expect(new Uint8Array(taken)).toEqual(new Uint8Array(SIZE).fill(3));
    },
  );
});
