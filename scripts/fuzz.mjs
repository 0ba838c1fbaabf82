// npm run fuzz [-- --minutes=N] [--keep] [target]...: libFuzzer over the C core, with ASan and UBSan.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { seeds, words } from '../test/fuzz/seeds.mjs';
import { buildCore } from './tools/native-build.mjs';
import { need } from './tools/prerequisites.mjs';
import { Failure, main, root } from './tools/run.mjs';

const usage =
  `usage: npm run fuzz [-- --minutes=N] [--keep] [target]...\n` +
  `  --minutes=N  processor minutes for each target; default 1\n` +
  `  --keep       afterwards makes test/fuzz/corpus from what was found, as small as it can be\n` +
  `targets: ${Object.keys(seeds).join(', ')}`;

/** The longest input by target; 1000 bytes for the others. */
const longest = { mask: 400, deflate: 2000, server: 2000, client: 2000, frames: 1500 };

/** Comparisons guide the parsers; the others they would only slow down. */
const parsers = ['http_head', 'http_body', 'proxy_header'];

/** Bytes that one target's corpus may take in the repository. */
const kept = { server: 70_000, client: 60_000, frames: 50_000 };
const KEPT = 15_000;

function parse(args) {
  const minutes = args.find((arg) => arg.startsWith('--minutes='))?.slice('--minutes='.length) ?? '1';
  const targets = args.filter((arg) => !arg.startsWith('--'));
  const known = (arg) => arg === '--keep' || arg.startsWith('--minutes=');
  const wrong = args.find((arg) => (arg.startsWith('--') ? !known(arg) : !seeds[arg]));
  if (wrong || !(Number(minutes) > 0))
    throw new Failure(`${wrong ?? `--minutes=${minutes}`} is not known\n${usage}`);
  return {
    seconds: Math.max(1, Math.round(Number(minutes) * 60)),
    keep: args.includes('--keep'),
    targets: targets.length > 0 ? targets : Object.keys(seeds),
  };
}

function write(folder, inputs) {
  mkdirSync(folder, { recursive: true });
  for (const [i, input] of inputs.entries()) writeFileSync(join(folder, `seed-${i}`), input);
}

const flagsOf = (target) => [`-max_len=${longest[target] ?? 1000}`, '-timeout=20', '-rss_limit_mb=3000'];

/** Runs a program whose output may be endless: it goes to a file, which is read afterwards. */
function follow(log, program, args, env) {
  const file = openSync(log, 'w');
  const { status } = spawnSync(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', file],
  });
  closeSync(file);
  return { ok: status === 0, said: readFileSync(log, 'utf8') };
}

/** Fuzzes one target for so long; true when nothing was found. */
function fuzz(program, target, seconds) {
  const home = join(root, 'build', 'fuzz', target);
  const found = join(home, 'found');
  const findings = join(root, 'test', 'fuzz', 'findings', target);
  const corpus = join(root, 'test', 'fuzz', 'corpus', target);
  for (const folder of [found, findings, corpus]) mkdirSync(folder, { recursive: true });
  const dictionary = join(home, 'words');
  write(join(home, 'seeds'), seeds[target]);
  writeFileSync(dictionary, `${(words[target] ?? []).join('\n')}\n`);
  const { ok, said } = follow(
    join(home, 'log'),
    program,
    [
      ...flagsOf(target),
      '-print_final_stats=1',
      `-use_value_profile=${Number(parsers.includes(target))}`,
      `-dict=${dictionary}`,
      `-artifact_prefix=${findings}/`,
      found,
      corpus,
      findings,
      join(home, 'seeds'),
    ],
    { FUZZ_CPU_SECONDS: String(seconds), UBSAN_OPTIONS: 'print_stacktrace=1' },
  );
  const number = (pattern) => Number([...said.matchAll(pattern)].at(-1)?.[1] ?? 0);
  const executions = number(/number_of_executed_units: (\d+)/g);
  const coverage = number(/ cov: (\d+)/g);
  console.log(
    `${ok ? 'ok    ' : 'FAILED'} ${target.padEnd(13)} ${seconds} s of processor time, ${executions} executions ` +
      `(${Math.round(executions / seconds)}/s), ${coverage} edges`,
  );
  if (!ok) console.log(said.split('\n').slice(-60).join('\n'));
  return ok;
}

/** The smallest inputs that together reach what all reach, up to the target's share. */
function keep(program, target) {
  const home = join(root, 'build', 'fuzz', target);
  const corpus = join(root, 'test', 'fuzz', 'corpus', target);
  const merged = mkdtempSync(join(tmpdir(), 'lwsn-fuzz-'));
  const sources = [corpus, join(home, 'seeds'), join(home, 'found')];
  // One bit per edge: the counts of libFuzzer would keep ten times as much.
  const args = [...flagsOf(target), '-merge=1', '-use_counters=0', merged, ...sources];
  const { ok, said } = follow(join(home, 'log'), program, args);
  if (!ok) throw new Failure(`${basename(program)} could not merge its corpus:\n${said.slice(-2000)}`);
  const inputs = readdirSync(merged).map((name) => ({ name, size: statSync(join(merged, name)).size }));
  inputs.sort((a, b) => a.size - b.size || (a.name < b.name ? -1 : 1));
  rmSync(corpus, { recursive: true });
  mkdirSync(corpus, { recursive: true });
  let total = 0;
  let count = 0;
  for (const { name, size } of inputs) {
    if (total + size > (kept[target] ?? KEPT)) break;
    writeFileSync(join(corpus, name), readFileSync(join(merged, name)));
    total += size;
    count++;
  }
  rmSync(merged, { recursive: true });
  console.log(`kept   ${target.padEnd(13)} ${count} of ${inputs.length} inputs, ${total} bytes`);
}

await main(async (args) => {
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  const { seconds, keep: keeps, targets } = parse(args);
  need('build', 'test', 'fuzz');
  const folder = await buildCore({
    name: 'native-fuzz',
    flags: '-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer',
    settings: ['-DLWSN_FUZZ=ON', '-DCMAKE_C_COMPILER=clang'],
  });
  const program = (target) => join(folder, 'fuzz', `fuzz_${target}`);
  let failed = 0;
  for (const target of targets) {
    if (!fuzz(program(target), target, seconds)) failed++;
    else if (keeps) keep(program(target), target);
  }
  console.log(`${targets.length - failed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
});
