import { expect, test } from 'vitest';
import { start } from './children.js';
import { BINARY, CLOSE, frame, join, TEXT } from './fixtures/wire.mjs';

const ends = {
  'in the message handler': 0,
  'in a timer': 0,
  'in a promise': 0,
  'in an exit listener': 0,
  'before an exception': 1,
  'behind a close': 0,
};

test.each(Object.entries(ends))(
  'what was sent right before the process ended arrives: %s',
  async (where, code) => {
    const child = await start('flush.mjs', [where]);
    const client = await join(Number(await child.line()));
    client.write(frame(TEXT, 'go'));
    for (let i = 0; i < 100; i++) {
      const { opcode, payload } = (await client.next())!;
      expect([opcode, payload.toString()]).toEqual([TEXT, `message ${i}`]);
    }
    const large = (await client.next())!;
    expect([large.opcode, large.payload.equals(Buffer.alloc(40_000, 7))]).toEqual([BINARY, true]);
    for (const size of [20, 2000, 200_000])
      expect((await client.next())?.payload.toString()).toBe('x'.repeat(size));
    expect((await client.next())?.payload.toString()).toBe('the last one');
    if (where === 'behind a close') {
      const close = (await client.next())!;
      expect([close.opcode, close.payload.readUInt16BE()]).toEqual([CLOSE, 4001]);
    }
    expect(await client.next()).toBeUndefined();
    client.shut();
    expect(await client.over).toEqual({ fin: true, error: undefined });
    expect(await child.ended).toMatchObject({ code, signal: null });
  },
);
