// npm run lint: formatting, types and static analysis of everything; every step runs.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { buildNative } from './build.mjs';
import { entryPoints } from './build-lib.mjs';
import { cleanFiles } from './tools/clean-files.mjs';
import { joinedLua } from './tools/lua-files.mjs';
import { formatted, nativeFiles } from './tools/native-files.mjs';
import { need } from './tools/prerequisites.mjs';
import { attempt, main, root } from './tools/run.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);
const core = () => nativeFiles(['native/core'], ['.c']);
const jobs = String(availableParallelism());

const cppcheck = [
  'cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1',
  '--suppress=missingIncludeSystem',
  // Numbers in shared memory have the type their reader gives them; UBSan checks the alignment.
  '--suppress=invalidPointerCast',
  `-j ${jobs} -Inative/core`,
];
const words = (lines) => lines.join(' ').split(' ');

const steps = [
  { name: 'floors', command: () => [process.execPath, join('scripts', 'floors.mjs')] },
  { name: 'Biome', command: () => [bin('biome'), 'ci', '--colors=off'] },
  {
    name: 'types',
    command: () => [
      bin('tsc'),
      '--noEmit',
      '--pretty',
      'false',
      '--incremental',
      '--tsBuildInfoFile',
      'build/lint/types.json',
    ],
  },
  {
    name: 'clang-format',
    command: () => ['clang-format', '--dry-run', '-Werror', '-ferror-limit=0', ...formatted()],
    digest: (said) => `not formatted (npm run format does it): ${unformatted(said).join(' ')}`,
  },
  {
    name: 'clang-tidy',
    // the commands are gcc's, and one of its flags for link-time optimization is unknown to clang
    command: () =>
      words([
        `xargs -P ${jobs} -n 2 clang-tidy --quiet -p build --extra-arg=-Wno-ignored-optimization-argument`,
      ]),
    files: core,
    input: (files) => files.join('\n'),
    digest: (said) => said.replace(/^\d+ warnings?.* generated\.$\n?/gm, ''),
  },
  {
    name: 'gcc -fanalyzer',
    command: () => ['xargs', '-P', jobs, '-d', '\n', '-n', '1', 'sh', '-c'],
    files: core,
    input: (files) => analyses(files).join('\n'),
  },
  { name: 'StyLua', command: () => [process.execPath, join('scripts', 'tools', 'lua-files.mjs')] },
  { name: 'luacheck', command: () => ['luacheck', '--no-color', '--codes', joinedLua()] },
  { name: 'cppcheck', files: core, command: (files) => [...words(cppcheck), ...files] },
];

/**
 * The compiler's commands for the core, to analyze instead of to compile. The analyzer loses sight of memory
 * that is stored in a structure and calls it leaked; AddressSanitizer and valgrind look for leaks.
 */
function analyses(files) {
  const commands = JSON.parse(readFileSync(join(root, 'build', 'compile_commands.json'), 'utf8'));
  const flags = '-O1 -fno-lto -fanalyzer -Wno-analyzer-malloc-leak -o /dev/null';
  return commands
    .filter(({ file }) => files.includes(relative(root, file)))
    .map(({ command }) => `${command.replace(/ -o \S+/, '')} ${flags}`);
}

function unformatted(said) {
  return [...new Set([...said.matchAll(/^([^:\n]+):\d+:\d+: error: /gm)].map((match) => match[1]))];
}

/** An entry point that package.json promises and no source makes. */
function promisedOnly() {
  return Object.values(entryPoints()).filter((source) => !existsSync(join(root, source)));
}

/** What the verdict of an analyzer of C hangs on, beside the file and what it includes of the project. */
function surroundings() {
  const folders = ['cmake', 'patches'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return [join(root, 'scripts', 'lint.mjs'), join(root, '.clang-tidy'), ...folders.sort()]
    .map((file) => readFileSync(file, 'utf8'))
    .join('\0');
}

/** Runs a step, of C files only on those that it did not find clean before; returns what it has to say. */
function take({ name, command, files, input, digest = (said) => said }) {
  const spared = files && cleanFiles(name, files(), surroundings());
  if (spared?.stale.length === 0) return { ok: true };
  const [program, ...args] = command(spared?.stale);
  const result = attempt(program, args, { input: input?.(spared?.stale) });
  if (result.ok) spared?.remember();
  return { ok: result.ok, said: digest(`${result.stdout}${result.stderr}`).trim() };
}

await main(async () => {
  need('build', 'lint');
  // clang-tidy reads the compile commands and libwebsockets' generated configuration.
  await buildNative();
  let failed = 0;
  for (const step of steps) {
    const started = Date.now();
    const { ok, said } = take(step);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${step.name} (${seconds} s)`);
    if (ok) continue;
    failed++;
    console.log(said);
  }
  if (promisedOnly().length > 0) {
    failed++;
    console.log(`FAILED entry points: package.json names ${promisedOnly().join(', ')}, which does not exist`);
  }
  console.log(`lint: ${failed} of ${steps.length + 1} steps failed`);
  return failed > 0 ? 1 : 0;
});
