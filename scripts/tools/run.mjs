import { execFile, spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A failure whose message is the whole story: printed without a stack. */
export class Failure extends Error {}

/** Runs a command; its output is shown unless `quiet`, and then only when it fails. */
export function run(command, args, { cwd = root, env, quiet = false, timeout } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout,
  });
  if (result.error) throw new Failure(`${command} could not be run: ${result.error.message}`);
  if (result.status !== 0) {
    const how = result.signal ? `was ended by ${result.signal}` : `failed with exit code ${result.status}`;
    const said = quiet ? `\n${result.stdout}${result.stderr}`.trimEnd() : '';
    throw new Failure(`${[command, ...args].join(' ')} ${how}${said}`);
  }
  return result.stdout ?? '';
}

/** Runs a command and returns `{ ok, stdout, stderr }` without judging it. */
export function attempt(command, args, { cwd = root, env, timeout, input } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout,
  });
  const stderr = result.error ? result.error.message : result.stderr;
  return { ok: result.status === 0, status: result.status, stdout: result.stdout ?? '', stderr };
}

/** As {@link attempt} without input, beside others; `status` is null where a signal ended it. */
export function attemptBeside(command, args, { cwd = root, env, timeout } = {}) {
  const options = { cwd, env: { ...process.env, ...env }, timeout, maxBuffer: 1 << 28 };
  return new Promise((resolve) => {
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const unstarted = error && child.pid === undefined;
      const said = unstarted ? error.message : stderr;
      resolve({ ok: error === null, status: child.exitCode, stdout, stderr: said });
    });
    child.stdin?.end();
  });
}

/** Runs `work(item)` for every item, at most `lanes` at a time, in their order. */
export async function inLanes(items, lanes, work) {
  const rest = items.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Runs a command with everything inherited and returns its exit code (128 + n after a signal). */
export function passThrough(command, args, { cwd = root, env, stdin = 'ignore' } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [stdin, 'inherit', 'inherit'],
  });
  if (result.error) throw new Failure(`${command} could not be run: ${result.error.message}`);
  return result.status ?? 1;
}

/** Runs a script's main function; a `Failure` ends the process with its message and code 1. */
export async function main(body) {
  try {
    process.exitCode = (await body(process.argv.slice(2))) ?? 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

/** True when `module` (an `import.meta.url`) is the script that Node was started with. */
export function isMain(module) {
  return process.argv[1] !== undefined && fileURLToPath(module) === resolve(process.argv[1]);
}
