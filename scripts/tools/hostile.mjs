// Runs test/hostile: processes that load the sanitized addon, side by side, each with a seed of its own.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildSanitized } from '../build.mjs';
import { buildLib } from '../build-lib.mjs';
import { attempt, Failure, root, run } from './run.mjs';
import { SANITIZER_EXIT, sanitizerEnvironment } from './sanitize.mjs';

const program = join(root, 'test', 'hostile', 'play.mjs');
/** Processes at a time. */
const WIDTH = 2;
/** Longest output that is shown of a process that failed. */
const SHOWN = 160;
/** Seconds beyond its own that a process may take: for its last round, whose own patience ends before. */
const LATE = 120;

/** Node 20 has `ArrayBuffer.prototype.transfer` behind a flag. */
function flagsOf(node) {
  const has = attempt(node, ['-p', 'typeof ArrayBuffer.prototype.transfer']).stdout.trim() === 'function';
  return ['--expose-gc', ...(has ? [] : ['--harmony-rab-gsab-transfer'])];
}

/** One process to its end: { code, said }. */
function play(node, args, addon, seconds) {
  return new Promise((resolve) => {
    const child = spawn(node, [...flagsOf(node), program, ...args], {
      cwd: root,
      env: { ...process.env, ...sanitizerEnvironment(), LIBWEBSOCKETS_BINARY: addon },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const hear = (data) => {
      said += data;
    };
    child.stdout.setEncoding('utf8').on('data', hear);
    child.stderr.setEncoding('utf8').on('data', hear);
    const timer = setTimeout(() => child.kill('SIGKILL'), (seconds + LATE) * 1000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal, said });
    });
  });
}

/** Runs one and tells of it in a line, or in many where it failed. */
async function tell(node, args, addon, seconds) {
  const started = Date.now();
  const { code, said } = await play(node, args, addon, seconds);
  const ok = code === 0;
  const took = ((Date.now() - started) / 1000).toFixed(1);
  const last = ok ? said.trimEnd().split('\n').at(-1) || 'exited in a handler' : `ended with ${code}`;
  console.log(`${ok ? 'ok    ' : 'FAILED'} hostile  ${args.join(' ').padEnd(28)} ${last}, ${took} s`);
  if (!ok) console.log(said.split('\n').slice(0, SHOWN).join('\n'));
  return ok;
}

/** Does the tasks, a few at a time; how many came true. */
async function each(tasks) {
  let passed = 0;
  const left = [...tasks];
  const lane = async () => {
    for (let task = left.shift(); task; task = left.shift()) if (await task()) passed++;
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
  return { passed, failed: tasks.length - passed };
}

/**
 * So many seconds on each of two processes, and a few more that exit in a handler. `seed` names their decisions; a
 * failure prints the arguments that play it again. Returns { passed, failed }.
 */
export async function runHostile({
  seconds,
  seed = String(Date.now() % 1_000_000),
  exits = 3,
  node = process.execPath,
}) {
  const addon = await buildSanitized();
  await buildLib();
  console.log(
    `hostile suite, seed ${seed}: ${seconds} s on ${WIDTH} processes, ${exits} that exit in a handler`,
  );
  const long = Array.from({ length: WIDTH }, (_, i) => [`--seed=${seed}${'ab'[i]}`, `--seconds=${seconds}`]);
  const short = Array.from({ length: exits }, (_, i) => [
    `--seed=${seed}x${i}`,
    `--exit-after=${5 + i * i * 40}`,
  ]);
  return each([...long, ...short].map((args) => () => tell(node, args, addon, seconds)));
}

/** A file of test/hostile that takes a mend out of the sources again. */
export const undoings = () =>
  readdirSync(join(root, 'test', 'hostile')).filter((name) => name.endsWith('.patch'));

/** Whether it still fits the sources. */
export function fits(patch) {
  const { ok, stderr } = attempt('git', ['apply', '--check', join('test', 'hostile', patch)]);
  if (!ok) console.log(`FAILED hostile  ${patch} does not fit the sources any more:\n${stderr}`);
  return ok;
}

/** Builds the addon without that mend, in a copy; returns its file. */
function buildWithout(patch) {
  const copy = join(root, 'build', 'hostile', 'without');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const name of ['native', 'lib', 'cmake', 'patches', 'scripts', 'CMakeLists.txt', 'package.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  /* --directory: the copy lies in the repository, whose paths git would take */
  run('git', ['apply', '--directory=build/hostile/without', join('test', 'hostile', patch)], { quiet: true });
  run(process.execPath, [join(copy, 'scripts', 'build.mjs'), '--sanitize'], { cwd: copy, quiet: true });
  return join(copy, 'build', 'sanitize', 'Release', 'lws.node');
}

/** Plays rounds against sources without a mend: true when the suite finds what is missing. */
export async function findsWithout(patch, node = process.execPath) {
  const addon = buildWithout(patch);
  await buildLib();
  const fixed = JSON.stringify({ temper: 'memory', shape: 'message', transport: 'plain', upgrade: 'none' });
  const args = ['--seed=1', '--workers', '--seconds=60', `--fixed=${fixed}`];
  const { code, said } = await play(node, args, addon, 60);
  const ok = code === SANITIZER_EXIT && said.includes('heap-use-after-free');
  console.log(`${ok ? 'ok    ' : 'FAILED'} hostile  without the mend of ${patch}: ended with ${code}`);
  console.log(
    said
      .split('\n')
      .slice(0, ok ? 12 : SHOWN)
      .join('\n'),
  );
  return ok;
}

/** `--minutes=N`, `--seed=N`, `--prove` of `npm run soak -- --hostile`. */
export async function soakHostile(args) {
  const value = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const wrong = args.find((arg) => !/^--(hostile|prove|minutes=.+|seed=.+)$/.test(arg));
  const minutes = Number(value('minutes') ?? 20);
  if (wrong || !(minutes > 0))
    throw new Failure(`${wrong ?? args} is not known; --minutes=N --seed=N --prove are`);
  if (!args.includes('--prove')) return runHostile({ seconds: minutes * 60, seed: value('seed') });
  let passed = 0;
  for (const patch of undoings()) if (fits(patch) && (await findsWithout(patch))) passed++;
  return { passed, failed: undoings().length - passed };
}
