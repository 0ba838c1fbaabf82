import { describe, expect, it } from 'vitest';
import { audience, heard, type Seat } from '../helpers/audience.js';
import { Opcode, readClose } from '../helpers/frames.js';

async function texts(seat: Seat, count: number): Promise<string[]> {
  return (await seat.client.frames(count)).map((frame) => frame.payload.toString('latin1'));
}

describe('the order of one connection is that of the calls', () => {
  it('of send and publish in one turn', async () => {
    const { server, seats } = await audience();
    const [one, two] = await seats(2);
    one!.connection.send('1');
    server.publish('news', '2');
    one!.connection.send('3');
    two!.connection.publish('news', '4');
    one!.connection.send('5');
    server.publish('news', '6');
    expect(await texts(one!, 6)).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(await texts(two!, 2)).toEqual(['2', '6']);
  });

  it('of messages of every size, on every way, to several connections', async () => {
    const { server, seats } = await audience({ maxBackpressure: 2 ** 30 });
    const all = await seats(4);
    const sizes = [0, 10, 125, 126, 1000, 1024, 1025, 4096, 4097, 70_000];
    const expected: string[][] = all.map(() => []);
    let seed = 7;
    const draw = (below: number) => {
      seed = (seed * 48271) % 0x7fffffff;
      return seed % below;
    };
    for (let i = 0; i < 1500; i++) {
      const text = `${i} `.padEnd(sizes[draw(sizes.length)]!, '.');
      const who = draw(all.length);
      const how = draw(4);
      if (how === 0) all[who]!.connection.send(text);
      else if (how === 1) all[who]!.connection.publish('news', text);
      else server.publish('news', text);
      expected.forEach((list, i) => {
        if (how === 0 ? i === who : how === 1 ? i !== who : true) list.push(text);
      });
      if (draw(200) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const [i, seat] of all.entries())
      expect(await texts(seat, expected[i]!.length)).toEqual(expected[i]);
  });

  it('behind bytes that a full socket refused', async () => {
    const { server, seats } = await audience({ maxBackpressure: 2 ** 30 });
    const [slow, fast] = await seats(2);
    slow!.client.pause();
    while (slow!.connection.send(Buffer.alloc(2 ** 20)) === 'sent');
    const filled = server.stats().messagesSent;
    for (let i = 0; i < 100; i++) {
      server.publish('news', `${i} `.padEnd(i % 3 === 0 ? 10 : 5000, '.'));
      slow!.connection.send(`sent ${i}`);
      if (i % 10 === 0) await heard(fast!);
    }
    slow!.client.resume();
    await slow!.client.frames(filled);
    const got = await texts(slow!, 200);
    expect(got.map((text) => text.split('.')[0]!.trim())).toEqual(
      Array.from({ length: 100 }, (_, i) => [`${i}`, `sent ${i}`]).flat(),
    );
  });

  it('around a ping and before a close', async () => {
    const { server, seats } = await audience();
    const [one] = await seats(1);
    server.publish('news', 'before');
    one!.connection.ping('ping');
    server.publish('news', 'behind');
    one!.connection.close(4000, 'bye');
    expect(server.publish('news', 'too late')).toBe(0);
    const frames = await one!.client.framesToEndOfClose();
    expect(frames.map(({ opcode }) => opcode)).toEqual([Opcode.TEXT, Opcode.PING, Opcode.TEXT, Opcode.CLOSE]);
    expect(readClose(frames.at(-1)!)).toEqual({ code: 4000, reason: 'bye' });
  });

  it('where more is published in one turn than one flush holds', async () => {
    const { server, seats } = await audience();
    const all = await seats(20);
    for (let i = 0; i < 10_000; i++) {
      expect(server.publish('news', `${i}`)).toBe(20);
      if (i % 1000 === 0) all[0]!.connection.send(`sent ${i}`);
    }
    const expected = Array.from({ length: 10_000 }, (_, i) => `${i}`);
    for (const seat of all.slice(1)) expect(await texts(seat, 10_000)).toEqual(expected);
    const mixed = expected.flatMap((text, i) => (i % 1000 === 0 ? [text, `sent ${i}`] : [text]));
    expect(await texts(all[0]!, mixed.length)).toEqual(mixed);
  });
});

it('what is published and sent in one turn leaves in one write', async () => {
  const { server, seats } = await audience();
  const [one] = await seats(1);
  let chunks = 0;
  one!.client.socket.on('data', () => chunks++);
  for (let i = 0; i < 50; i++) {
    server.publish('news', `published ${i}`);
    one!.connection.send(`sent ${i}`);
  }
  await one!.client.frames(100);
  expect(chunks).toBe(1);
});
