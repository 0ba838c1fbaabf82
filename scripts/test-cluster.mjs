// npm run test:cluster: the long forms of test/cluster (LWS_CLUSTER=1), whose figures the documentation has; arguments go
// to vitest. About two minutes, alone on its machine.
import { main } from './tools/run.mjs';
import { prepareSuite, runSuite } from './tools/suite.mjs';

await main(async (args) => {
  await prepareSuite();
  const { code, passed, failed } = runSuite({
    name: 'cluster',
    args: ['test/cluster', '--no-file-parallelism', ...args],
    env: { LWS_CLUSTER: '1' },
  });
  console.log(`${passed} passed, ${failed} failed`);
  return code;
});
