// npm run soak: the long forms of the lifecycle suite (LWS_SOAK=1); arguments go to vitest.
import { main } from './tools/run.mjs';
import { prepareSuite, runSuite } from './tools/suite.mjs';

await main(async (args) => {
  await prepareSuite();
  const hours = 60 * 60_000;
  const limits = [`--testTimeout=${hours}`, `--hookTimeout=${hours}`, '--no-file-parallelism'];
  const { code, passed, failed } = runSuite({
    name: 'soak',
    args: ['test/lifecycle', ...limits, ...args],
    env: { LWS_SOAK: '1' },
  });
  console.log(`${passed} passed, ${failed} failed`);
  return code;
});
