import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { buildNative } from '../build.mjs';
import { buildLib } from '../build-lib.mjs';
import { chromium, need } from './prerequisites.mjs';
import { passThrough, root } from './run.mjs';

/** Everything the test suite needs: programs, the addon, dist/. */
export async function prepareSuite() {
  need('build', 'browser', 'redis', 'proxies');
  await buildNative();
  await buildLib();
}

/**
 * Runs vitest under the given Node executable and returns `{ code, passed, failed }`. Child processes
 * of the tests find the same executable first.
 */
export function runSuite({ node = process.execPath, name = 'vitest', args = [], env = {} } = {}) {
  const report = join(root, 'build', 'reports', `${name}.json`);
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = passThrough(node, [vitest, 'run', ...reporters, ...args], {
    env: {
      CHROMIUM: chromium(),
      PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
      ...env,
    },
  });
  return { code, ...count(report, code) };
}

/** Counts a file that could not run, and a run that failed outside any test, as a failure each. */
function count(report, code) {
  let passed = 0;
  let failed = 0;
  if (existsSync(report)) {
    for (const file of JSON.parse(readFileSync(report, 'utf8')).testResults) {
      const statuses = file.assertionResults.map((test) => test.status);
      const broken = statuses.filter((status) => status === 'failed').length;
      passed += statuses.filter((status) => status === 'passed').length;
      failed += broken === 0 && file.status === 'failed' ? 1 : broken;
    }
  }
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed };
}
