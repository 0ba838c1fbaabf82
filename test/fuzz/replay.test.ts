import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/test-native.mjs', import.meta.url));

// The first run builds the core without Node.
const BUILD_AND_RUN = 600_000;

it('every input that fuzzing kept or found keeps the rules of its target', {
  timeout: BUILD_AND_RUN,
}, async () => {
  const child = spawn(process.execPath, [script, 'plain', 'core_replay'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  expect(errors).toBe('');
  expect(output).toMatch(/^1 passed, 0 failed$/m);
});
