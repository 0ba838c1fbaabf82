import { constants, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { DeflateOptions } from '../../lib/index.js';
import { audience, type Seat } from '../helpers/audience.js';
import type { Frame } from '../helpers/frames.js';
import { random } from './helpers/payloads.js';

const TAIL = Buffer.of(0, 0, 0xff, 0xff);
const COMPRESSED = 4;

const offer = (parameters = '') => ({
  headers: { 'Sec-WebSocket-Extensions': `permessage-deflate${parameters}` },
});

function plainOf(frame: Frame): string {
  if (frame.rsv !== COMPRESSED) return frame.payload.toString();
  const options = { finishFlush: constants.Z_SYNC_FLUSH };
  return inflateRawSync(Buffer.concat([frame.payload, TAIL]), options).toString();
}

const text = (i: number) => `message ${i}: ${'the same words again and again, '.repeat(60)}`;

async function next({ client }: Seat): Promise<Frame> {
  return client.frame();
}

describe('a publication to connections with permessage-deflate', () => {
  it('is compressed for those that have it, and plain for those that have not', async () => {
    const { server, join } = await audience({ perMessageDeflate: true });
    const with_ = await join(['news'], offer());
    const without = await join(['news']);
    server.publish('news', text(1));
    const [packed, plain] = [await next(with_), await next(without)];
    expect([packed.rsv, plain.rsv]).toEqual([COMPRESSED, 0]);
    expect(packed.payload.length).toBeLessThan(plain.payload.length / 4);
    expect([plainOf(packed), plainOf(plain)]).toEqual([text(1), text(1)]);
  });

  it('is the same bytes for equal settings, others where the window differs', async () => {
    const { server, join } = await audience({ perMessageDeflate: true });
    const seats = [
      await join(['news'], offer()),
      await join(['news'], offer()),
      await join(['news'], offer('; server_max_window_bits=9')),
      await join(['news'], offer('; server_max_window_bits=9')),
    ];
    const noise = random(2000, 1).toString('hex');
    const message = noise + noise;
    server.publish('news', message);
    const frames = [];
    for (const seat of seats) frames.push(await next(seat));
    expect(frames.map(plainOf)).toEqual(Array(4).fill(message));
    expect(frames[1]!.payload.equals(frames[0]!.payload)).toBe(true);
    expect(frames[3]!.payload.equals(frames[2]!.payload)).toBe(true);
    /* the repetition lies further back than a window of 512 bytes */
    expect(frames[2]!.payload.length).toBeGreaterThan(frames[0]!.payload.length);
  });

  it('costs one compression for all: less CPU time than one for each', async () => {
    const { server, join, seats } = await audience({
      perMessageDeflate: { level: 9 },
      maxBackpressure: 2 ** 30,
    });
    await seats(0);
    const all: Seat[] = [];
    for (let i = 0; i < 40; i++) all.push(await join(['news'], offer()));
    const message = random(300_000, 2).toString('base64');
    const cpu = async (run: () => void) => {
      const before = process.cpuUsage();
      run();
      server.stats(); /* flushes */
      const { user } = process.cpuUsage(before);
      for (const seat of all) await next(seat);
      return user;
    };
    const shared = await cpu(() => expect(server.publish('news', message)).toBe(40));
    const each = await cpu(() => {
      for (const { connection } of all) connection.send(message);
    });
    expect(shared).toBeLessThan(each / 3);
  });

  it('goes uncompressed below the threshold, and with compress: false', async () => {
    const { server, join } = await audience({ perMessageDeflate: { threshold: 100 } });
    const seat = await join(['news'], offer());
    server.publish('news', 'x'.repeat(99));
    server.publish('news', 'x'.repeat(100));
    server.publish('news', 'x'.repeat(100), { compress: false });
    const frames = await seat.client.frames(3);
    expect(frames.map(({ rsv }) => rsv)).toEqual([0, COMPRESSED, 0]);
    expect(frames.map((frame) => plainOf(frame).length)).toEqual([99, 100, 100]);
  });

  const kinds: [what: string, options: DeflateOptions, reads: number][] = [
    ['that share a compressor', {}, 0],
    ['that keep their context', { contextTakeover: true, threshold: 0 }, 1],
  ];
  it.each(kinds)('keeps its order with send for connections %s', async (_, options, takeover) => {
    const { server, join } = await audience({ perMessageDeflate: options });
    const seats = [await join(['news'], offer()), await join(['news'], offer()), await join(['news'])];
    const count = 60;
    for (let i = 0; i < count; i++) {
      if (i % 3 === 0) for (const { connection } of seats) connection.send(text(i));
      else if (i % 3 === 1) server.publish('news', text(i));
      else server.publish('news', `${i} ${random(i * 100, i + 1).toString('latin1')}`, { binary: true });
    }
    for (const seat of seats) {
      const frames = await seat.client.frames(count);
      const got = takeover === 1 ? inflateAll(frames) : frames.map(plainOf);
      expect(got.map((message) => Number.parseInt(message.replace('message ', ''), 10))).toEqual(
        Array.from({ length: count }, (_, i) => i),
      );
    }
  });
});

/** Messages of one stream whose context is kept: inflated together, cut at what each added. */
function inflateAll(frames: Frame[]): string[] {
  let stream = Buffer.alloc(0);
  let seen = 0;
  return frames.map((frame) => {
    if (frame.rsv !== COMPRESSED) return frame.payload.toString();
    stream = Buffer.concat([stream, frame.payload, TAIL]);
    const all = inflateRawSync(stream, { finishFlush: constants.Z_SYNC_FLUSH });
    const own = all.subarray(seen);
    seen = all.length;
    return own.toString();
  });
}
