import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
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
  const { passed, failures } = read(report, code);
  for (const failure of failures) console.log(`FAILED ${name}: ${failure}`);
  return { code, passed, failed: failures.length };
}

/** Counts a file that could not run, and a run that failed outside any test, as a failure each. */
function read(report, code) {
  const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : [];
  let passed = 0;
  const failures = [];
  for (const { name, status, message, assertionResults } of results) {
    const file = relative(root, name);
    const broken = assertionResults.filter((test) => test.status === 'failed');
    passed += assertionResults.filter((test) => test.status === 'passed').length;
    for (const test of broken) failures.push(said(`${file}: ${test.fullName}`, test.failureMessages[0]));
    if (broken.length === 0 && status === 'failed') failures.push(said(file, message));
  }
  if (failures.length === 0 && code !== 0) failures.push(`exit code ${code} with no failed test`);
  return { passed, failures };
}

/** Of a test that took too long, Vitest reports the stack of a placeholder. */
const said = (where, message = '') =>
  `${where}: ${stripVTControlCharacters(message).split('\n')[0].replace('Error: STACK_TRACE_ERROR', 'it took too long')}`;
