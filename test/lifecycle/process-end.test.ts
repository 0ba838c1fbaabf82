import { describe, expect, test } from 'vitest';
import { run } from './children.js';
import { between, inside } from './fixtures/stages.mjs';

const betweenStages = Object.keys(between);
const insideStages = Object.keys(inside);

const clean = { code: 0, signal: null, stdout: 'reached', stderr: '' };

/* a process each, so a few at a time */
describe.concurrent('a process ends with its code and without a signal', () => {
  test.each(betweenStages)('by process.exit() while %s', async (stage) => {
    expect(await run('stage.mjs', ['between', stage, 'process.exit()'])).toEqual(clean);
  });

  test.each(betweenStages)('by itself, once the server is closed, after %s', async (stage) => {
    expect(await run('stage.mjs', ['between', stage, 'its natural end'])).toEqual(clean);
  });

  test.each(insideStages)('by process.exit() inside %s', async (stage) => {
    expect(await run('stage.mjs', ['inside', stage, 'process.exit()'])).toEqual(clean);
  });

  test.each(insideStages)('by an exception inside %s that no error handler takes', async (stage) => {
    const { code, signal, stdout, stderr } = await run('stage.mjs', ['inside', stage, 'an exception']);
    expect({ code, signal, stdout }).toEqual({ code: 1, signal: null, stdout: 'reached' });
    expect(stderr).toContain('Error: nobody catches this');
  });

  test.each(['listening', 'upgrading', 'open', 'sending', 'closing'])(
    'by an exception while %s',
    async (stage) => {
      const { code, signal, stderr } = await run('stage.mjs', ['between', stage, 'an exception']);
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toContain('Error: nobody catches this');
    },
  );
});

describe.concurrent('SIGTERM keeps its default', () => {
  test.each(['listening', 'upgrading', 'open', 'sending', 'closing'])('while %s', async (stage) => {
    const ended = await run('stage.mjs', ['between', stage, 'SIGTERM']);
    expect(ended).toEqual({ code: null, signal: 'SIGTERM', stdout: 'reached', stderr: '' });
  });
});
