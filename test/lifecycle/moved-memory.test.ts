import { describe, expect, test } from 'vitest';
import { run } from './children.js';

/* Node 20 has transfer() behind a flag */
const node = ['--expose-gc', ...('transfer' in ArrayBuffer.prototype ? [] : ['--harmony-rab-gsab-transfer'])];

/** How many cases the fixture has for each: sizes, and ways to move. */
const cases = { message: 5, transient: 3, fragment: 3, body: 3, pong: 1 };
const ends = ['terminate', 'exit', 'close', 'throw'];

describe('memory that a handler moved to another thread', () => {
  describe.each(ends)('whose own ends by %s', (end) => {
    test.each(Object.entries(cases))(
      'stays whole, and its holder alone writes it: %s',
      async (what, count) => {
        expect(await run('moved.mjs', [what, end], { node })).toMatchObject({
          code: 0,
          stdout: `ok ${count}\n`,
        });
      },
    );
  });
});
