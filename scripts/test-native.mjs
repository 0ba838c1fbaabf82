// Builds the C tests without Node and runs them: node scripts/test-native.mjs [asan|valgrind|plain|arm64]... [name]...
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { prepareSources } from './fetch-lws.mjs';
import { arm64Launcher, arm64Settings } from './tools/arm64.mjs';
import { withBuildLock } from './tools/lock.mjs';
import { need } from './tools/prerequisites.mjs';
import { attempt, Failure, main, root, run } from './tools/run.mjs';

const modes = {
  plain: { build: 'native-plain', flags: '', launcher: [], timeout: 120_000 },
  asan: {
    build: 'native-asan',
    flags: '-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer',
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

async function build({ build: name, flags, more = () => [] }) {
  const folder = join(root, 'build', name);
  await withBuildLock(async () => {
    const settings = [
      `-DLWSN_LWS_SOURCE=${await prepareSources()}`,
      '-DLWSN_TESTS=ON',
      `-DLWSN_FLAGS=${flags}`,
      `-DLWSN_JOBS=${availableParallelism()}`,
      // The sources state their own level of optimization; CMake adds none.
      '-DCMAKE_BUILD_TYPE=None',
      ...more(),
    ];
    const key = createHash('sha256')
      .update(JSON.stringify([realpathSync(root), settings]))
      .digest('hex');
    const stamp = join(folder, 'configured');
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== key) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      run('cmake', ['-S', root, '-B', folder, ...generator(), ...settings], { quiet: true });
      writeFileSync(stamp, key);
    }
    run('cmake', ['--build', folder, '--parallel', String(availableParallelism())], { quiet: true });
  });
  return join(folder, 'tests');
}

function generator() {
  return attempt('ninja', ['--version']).ok ? ['-G', 'Ninja'] : [];
}

/** Runs one program; it reports `N passed, N failed` itself, and dying otherwise is one failure more. */
function runOne(program, { launcher, timeout }) {
  const command = [...launcher, program];
  const started = Date.now();
  const result = attempt(command[0], command.slice(1), { env: environment, timeout });
  const report = /^(\d+) passed, (\d+) failed$/m.exec(result.stdout);
  const passed = report ? Number(report[1]) : 0;
  let failed = report ? Number(report[2]) : 0;
  if (!result.ok && failed === 0) failed = 1;
  if (result.ok && passed + failed === 0) failed = 1;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  return { passed, failed, seconds, output: failed > 0 ? `${result.stdout}${result.stderr}` : '' };
}

await main(async (args) => {
  const chosen = args.filter((name) => name in modes);
  const wanted = args.filter((name) => !(name in modes));
  const total = { passed: 0, failed: 0 };
  need('build', 'test');
  for (const name of chosen.length > 0 ? chosen : ['asan', 'valgrind']) {
    if (name === 'valgrind') need('sanitize');
    const folder = await build(modes[name]);
    const sources = readdirSync(join(root, 'test', 'native')).filter((file) => file.endsWith('_test.c'));
    const programs = sources
      .map((file) => file.slice(0, -2))
      .filter((test) => wanted.length === 0 || wanted.some((w) => test.includes(w)));
    if (programs.length === 0) throw new Failure(`no C test matches ${wanted.join(' ')}`);
    for (const test of programs) {
      const { passed, failed, seconds, output } = runOne(join(folder, test), modes[name]);
      console.log(
        `${failed ? 'FAILED' : 'ok    '} ${name.padEnd(8)} ${test.padEnd(28)} ${passed} checks, ${seconds} s`,
      );
      if (output) console.log(output.trimEnd());
      if (failed > 0) total.failed++;
      else total.passed++;
    }
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
});
