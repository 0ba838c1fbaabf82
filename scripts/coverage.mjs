// npm run coverage: which lines of lib/ and native/core run in the tests; arguments go to vitest.
// Fails below 90 % of either, and when a test fails. The lines that never ran: build/coverage.txt.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './build.mjs';
import { coreLines } from './tools/gcov.mjs';
import { withBuildLock } from './tools/lock.mjs';
import { main, passThrough, root } from './tools/run.mjs';
import { prepareSuite, runSuite } from './tools/suite.mjs';

const atLeast = 90;
const builds = { tests: join(root, 'build', 'native-coverage'), addon: join(root, 'build', 'coverage') };
const library = join(root, 'build', 'coverage-lib');

/** Runs the C tests, then the suite with an addon that counts. */
async function count(args) {
  await prepareSuite();
  mkdirSync(builds.addon, { recursive: true });
  const flags = '-O1 --coverage -fprofile-update=atomic';
  await withBuildLock(() => compile(builds.addon, { LWSN_FLAGS: flags }));
  for (const folder of Object.values(builds)) forget(folder);
  const native = passThrough(process.execPath, [join('scripts', 'test-native.mjs'), 'coverage']);
  const { code } = runSuite({
    name: 'coverage',
    args: ['--config', 'test/coverage/vitest.config.ts', ...args],
    env: { LIBWEBSOCKETS_BINARY: join(builds.addon, 'Release', 'lws.node') },
  });
  return native === 0 && code === 0;
}

/** Counts of earlier runs, which may be of other sources. */
function forget(folder) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder, { recursive: true }))
    if (name.endsWith('.gcda')) rmSync(join(folder, name));
}

/** Lines by file: `{ name, total, missed }`, of which `missed` are those that never ran. */
function coreRows() {
  return [...coreLines(Object.values(builds))].map(([name, counts]) => ({
    name,
    total: counts.size,
    missed: [...counts].filter(([, times]) => times === 0).map(([line]) => line),
  }));
}

function libraryRows() {
  const files = JSON.parse(readFileSync(join(library, 'coverage-final.json'), 'utf8'));
  return Object.entries(files).map(([file, { statementMap, s }]) => {
    const lines = new Map();
    for (const [id, { start }] of Object.entries(statementMap))
      lines.set(start.line, Math.max(lines.get(start.line) ?? 0, s[id]));
    const missed = [...lines].filter(([, times]) => times === 0).map(([line]) => line);
    return { name: file.slice(root.length + 1), total: lines.size, missed };
  });
}

function percentage(rows) {
  const sum = (of) => rows.reduce((total, row) => total + of(row), 0);
  const total = sum((row) => row.total);
  return (100 * (total - sum((row) => row.missed.length))) / total;
}

/** Consecutive lines as ranges: `3-5 9`. */
function ranges(lines) {
  const sorted = lines.toSorted((a, b) => a - b);
  const parts = [];
  for (const line of sorted) {
    const last = parts.at(-1);
    if (last && last[1] === line - 1) last[1] = line;
    else parts.push([line, line]);
  }
  return parts.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(' ');
}

await main(async (args) => {
  const ok = await count(args);
  const parts = { 'lib/': libraryRows(), 'native/core': coreRows() };
  const report = Object.values(parts)
    .flat()
    .filter(({ missed }) => missed.length > 0)
    .sort((a, b) => b.missed.length - a.missed.length)
    .map((row) => `${percentage([row]).toFixed(1).padStart(5)} %  ${row.name}: ${ranges(row.missed)}\n`);
  writeFileSync(join(root, 'build', 'coverage.txt'), report.join(''));
  console.log('lines that never ran: build/coverage.txt');
  let low = 0;
  for (const [name, rows] of Object.entries(parts)) {
    const found = percentage(rows);
    if (found < atLeast) low++;
    console.log(
      `${name.padEnd(12)} ${found.toFixed(1)} % of lines${found < atLeast ? `, below ${atLeast} %` : ''}`,
    );
  }
  return ok && low === 0 ? 0 : 1;
});
