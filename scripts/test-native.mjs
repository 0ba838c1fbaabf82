// Builds the C tests without Node and runs them: node scripts/test-native.mjs [asan|valgrind|plain|arm64|coverage]... [name]...
// With asan comes the short form of test/hostile, unless names are given and `hostile` is none of them.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { arm64Launcher, arm64Settings } from './tools/arm64.mjs';
import { fits, runHostile, undoings } from './tools/hostile.mjs';
import { buildCore } from './tools/native-build.mjs';
import { need } from './tools/prerequisites.mjs';
import { attemptBeside, Failure, inLanes, main, root } from './tools/run.mjs';

const modes = {
  plain: { build: 'native-plain', flags: '', launcher: [], timeout: 120_000 },
  asan: {
    build: 'native-asan',
    flags: '-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer',
    launcher: [],
    timeout: 300_000,
  },
  // Leaves the counts of gcov beside the objects, for scripts/coverage.mjs.
  coverage: {
    build: 'native-coverage',
    flags: '--coverage -fprofile-update=atomic',
    launcher: [],
    timeout: 300_000,
  },
  // Cross compiled, under QEMU.
  arm64: { build: 'native-arm64', flags: '', launcher: arm64Launcher, more: arm64Settings, timeout: 600_000 },
  valgrind: {
    build: 'native-plain',
    flags: '',
    launcher: [
      'valgrind',
      '--quiet',
      '--leak-check=full',
      '--show-leak-kinds=definite,indirect,possible',
      '--errors-for-leak-kinds=definite,indirect,possible',
      '--error-exitcode=99',
      '--num-callers=30',
    ],
    timeout: 600_000,
  },
};

const environment = {
  ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=99',
  UBSAN_OPTIONS: 'print_stacktrace=1',
};

/** Runs one program; it reports `N passed, N failed` itself, and dying otherwise is one failure more. */
async function runOne(program, { launcher, timeout }) {
  const command = [...launcher, program];
  const started = Date.now();
  const result = await attemptBeside(command[0], command.slice(1), { env: environment, timeout });
  const report = /^(\d+) passed, (\d+) failed$/m.exec(result.stdout);
  const passed = report ? Number(report[1]) : 0;
  let failed = report ? Number(report[2]) : 0;
  if (!result.ok && failed === 0) failed = 1;
  if (result.ok && passed + failed === 0) failed = 1;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  return { passed, failed, seconds, output: failed > 0 ? `${result.stdout}${result.stderr}` : '' };
}

/** Seconds of rounds in the short form of the hostile suite; what it takes in all is printed with it. */
const HOSTILE_SECONDS = 15;

async function runShortHostile(total) {
  const started = Date.now();
  const { passed, failed } = await runHostile({ seconds: HOSTILE_SECONDS });
  const unfit = undoings().filter((patch) => !fits(patch));
  console.log(`hostile suite: ${Math.round((Date.now() - started) / 1000)} s`);
  total.passed += passed;
  total.failed += failed + unfit.length;
}

await main(async (args) => {
  const chosen = args.filter((name) => name in modes);
  const wanted = args.filter((name) => !(name in modes));
  const onlyHostile = wanted.length === 1 && wanted[0] === 'hostile';
  const total = { passed: 0, failed: 0 };
  need('build', 'test');
  const names = chosen.length > 0 ? chosen : ['asan', 'valgrind'];
  for (const name of onlyHostile ? [] : names) {
    if (name === 'valgrind') need('sanitize');
    const { build, flags, more = () => [] } = modes[name];
    const folder = join(await buildCore({ name: build, flags, settings: more() }), 'tests');
    const sources = readdirSync(join(root, 'test', 'native')).filter((file) => file.endsWith('_test.c'));
    const programs = sources
      .map((file) => file.slice(0, -2))
      .filter((test) => wanted.length === 0 || wanted.some((w) => test.includes(w)));
    if (programs.length === 0) throw new Failure(`no C test matches ${wanted.join(' ')}`);
    await inLanes(programs, availableParallelism(), async (test) => {
      const { passed, failed, seconds, output } = await runOne(join(folder, test), modes[name]);
      console.log(
        `${failed ? 'FAILED' : 'ok    '} ${name.padEnd(8)} ${test.padEnd(28)} ${passed} checks, ${seconds} s`,
      );
      if (output) console.log(output.trimEnd());
      if (failed > 0) total.failed++;
      else total.passed++;
    });
  }
  if (onlyHostile || (names.includes('asan') && wanted.length === 0)) await runShortHostile(total);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
});
