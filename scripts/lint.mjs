// npm run lint: formatting, types and static analysis of everything; every step runs.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { buildNative } from './build.mjs';
import { entryPoints } from './build-lib.mjs';
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
  { name: 'Biome', command: () => [bin('biome'), 'ci', '--colors=off'] },
  { name: 'types', command: () => [bin('tsc'), '--noEmit', '--pretty', 'false'] },
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
    input: () => core().join('\n'),
    digest: (said) => said.replace(/^\d+ warnings?.* generated\.$\n?/gm, ''),
  },
  {
    name: 'gcc -fanalyzer',
    command: () => ['xargs', '-P', jobs, '-d', '\n', '-n', '1', 'sh', '-c'],
    input: () => analyses().join('\n'),
  },
  { name: 'cppcheck', command: () => [...words(cppcheck), ...core()] },
];

/**
 * The compiler's commands for the core, to analyze instead of to compile. The analyzer loses sight of memory
 * that is stored in a structure and calls it leaked; AddressSanitizer and valgrind look for leaks.
 */
function analyses() {
  const commands = JSON.parse(readFileSync(join(root, 'build', 'compile_commands.json'), 'utf8'));
  const flags = '-O1 -fno-lto -fanalyzer -Wno-analyzer-malloc-leak -o /dev/null';
  return commands
    .filter(({ file }) => file.startsWith(join(root, 'native', 'core')))
    .map(({ command }) => `${command.replace(/ -o \S+/, '')} ${flags}`);
}

function unformatted(said) {
  return [...new Set([...said.matchAll(/^([^:\n]+):\d+:\d+: error: /gm)].map((match) => match[1]))];
}

/** An entry point that package.json promises and no source makes. */
function promisedOnly() {
  return Object.values(entryPoints()).filter((source) => !existsSync(join(root, source)));
}

await main(async () => {
  need('build', 'lint');
  // clang-tidy reads the compile commands and libwebsockets' generated configuration.
  await buildNative();
  let failed = 0;
  for (const { name, command, input, digest = (said) => said } of steps) {
    const [program, ...args] = command();
    const started = Date.now();
    const result = attempt(program, args, { input: input?.() });
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`${result.ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
    if (result.ok) continue;
    failed++;
    console.log(digest(`${result.stdout}${result.stderr}`).trim());
  }
  if (promisedOnly().length > 0) {
    failed++;
    console.log(`FAILED entry points: package.json names ${promisedOnly().join(', ')}, which does not exist`);
  }
  console.log(`lint: ${failed} of ${steps.length + 1} steps failed`);
  return failed > 0 ? 1 : 0;
});
