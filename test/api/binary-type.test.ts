import { setFlagsFromString } from 'node:v8';
import { describe, expect, it } from 'vitest';
import type { ServerOptions } from '../../lib/index.js';
import { encodeFrame, Opcode } from '../helpers/frames.js';
import { startServer, turnUntil } from '../helpers/server.js';

const sizes = [1, 100, 4096, 5000, 100_000, 140_000, 300_000];
const payloads = Array.from({ length: 140 }, (_, i) => Buffer.alloc(sizes[i % sizes.length]!, i + 1));
const bytes = Buffer.concat(payloads.map((payload) => encodeFrame({ opcode: Opcode.BINARY, payload })));

/** As transfer() does, which Node 20 lacks. */
function giveAway(memory: ArrayBuffer & { transfer?(): ArrayBuffer }): void {
  if (memory.transfer) memory.transfer();
  else {
    setFlagsFromString('--allow-natives-syntax');
    new Function('memory', '%ArrayBufferDetach(memory)')(memory);
  }
  expect(memory.byteLength).toBe(0);
}

/** Everything that a server was given for those payloads, taken by `keep` inside `message`. */
async function receive(options: ServerOptions, keep: (data: Buffer) => Buffer): Promise<Buffer[]> {
  const kept: Buffer[] = [];
  const { open } = await startServer({
    ...options,
    message: (_, data) => void kept.push(keep(data as Buffer)),
  });
  const client = await open();
  client.write(bytes);
  await turnUntil(() => kept.length === payloads.length);
  /* a second round, so that what was lent is written over */
  client.write(bytes);
  await turnUntil(() => kept.length === 2 * payloads.length);
  return kept.slice(0, payloads.length);
}

describe("binaryType: 'buffer'", () => {
  it('gives Buffers that are owned for ever', async () => {
    const kept = await receive({}, (data) => data);
    expect(kept.every((data) => Buffer.isBuffer(data))).toBe(true);
    expect(kept.map((data, i) => data.equals(payloads[i]!))).toEqual(payloads.map(() => true));
  });

  it('gives Buffers that may be written without harm to others', async () => {
    const kept = await receive({}, (data) => data);
    for (const data of kept.filter((_, i) => i % 2 === 0)) data.fill(0);
    expect(kept.filter((data, i) => i % 2 === 1 && !data.equals(payloads[i]!))).toEqual([]);
  });

  it('gives Buffers whose memory may be given away inside message, without harm to others', async () => {
    let count = 0;
    const kept = await receive({}, (data) => {
      if (count++ % 3 > 0) return data;
      const copy = Buffer.from(data);
      giveAway(data.buffer as ArrayBuffer);
      return copy;
    });
    /* a Buffer whose memory another one gave away is empty, as anywhere in Node; all others are whole */
    const damaged = kept.filter((data, i) => data.length > 0 && !data.equals(payloads[i]!));
    expect(damaged).toEqual([]);
    const whole = kept.filter((data, i) => data.equals(payloads[i]!)).length;
    expect(whole).toBeGreaterThanOrEqual(Math.ceil(payloads.length / 3));
  });
});

describe("binaryType: 'transient'", () => {
  it('lends Buffers that are right inside message', async () => {
    const kept = await receive({ binaryType: 'transient' }, (data) => Buffer.from(data));
    expect(kept.map((data, i) => data.equals(payloads[i]!))).toEqual(payloads.map(() => true));
  });

  it('writes over them later: they are not to be kept', async () => {
    const kept = await receive({ binaryType: 'transient' }, (data) => data);
    expect(kept.some((data, i) => !data.equals(payloads[i]!))).toBe(true);
  });

  it('may have them given away inside message, without harm to others', async () => {
    let count = 0;
    const kept = await receive({ binaryType: 'transient' }, (data) => {
      const copy = Buffer.from(data);
      if (count++ % 3 === 0) giveAway(data.buffer as ArrayBuffer);
      return copy;
    });
    expect(kept.map((data, i) => data.equals(payloads[i]!))).toEqual(payloads.map(() => true));
  });

  it('leaves strings alone', async () => {
    const kept: (string | Buffer)[] = [];
    const { open } = await startServer({
      binaryType: 'transient',
      message: (_, data) => void kept.push(data),
    });
    const client = await open();
    const texts = Array.from({ length: 200 }, (_, i) => `${i} €`.repeat(i));
    for (const text of texts) client.text(text);
    await turnUntil(() => kept.length === texts.length);
    expect(kept).toEqual(texts);
  });
});
