// npm test: builds what is out of date and runs the suite; arguments go to vitest.
import { main } from './tools/run.mjs';
import { prepareSuite, runSuite } from './tools/suite.mjs';

await main(async (args) => {
  await prepareSuite();
  const { code, passed, failed } = runSuite({ args });
  console.log(`${passed} passed, ${failed} failed`);
  return code;
});
