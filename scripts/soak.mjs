// npm run soak: the long forms of the lifecycle suite (LWS_SOAK=1); arguments go to vitest.
// npm run soak -- --hostile [--minutes=N] [--seed=N]: the long form of test/hostile. With --prove: that it finds what
// its patches take out of the sources.
import { soakHostile } from './tools/hostile.mjs';
import { main } from './tools/run.mjs';
import { prepareSuite, runSuite } from './tools/suite.mjs';

await main(async (args) => {
  if (args.includes('--hostile')) {
    const { passed, failed } = await soakHostile(args);
    console.log(`${passed} passed, ${failed} failed`);
    return failed > 0 ? 1 : 0;
  }
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
