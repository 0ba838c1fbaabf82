import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { buildLib } from '../../scripts/build-lib.mjs';

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Child {
  /** The next line it printed, undefined after the last one. */
  line(): Promise<string | undefined>;
  /** Writes a line to it. */
  say(line: string): void;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

const running = new Set<ChildProcess>();

/* tests that failed leave theirs behind */
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Children and workers use the package as its users do: by name, from dist/. */
const built = buildLib();

/** A fixture of this folder by its name, or another file. */
export const fixture = (name: string | URL): string =>
  fileURLToPath(new URL(typeof name === 'string' ? `fixtures/${name}` : name, import.meta.url));

/** The file of a fixture that may run now. */
export async function ready(name: string | URL): Promise<string> {
  await built;
  return fixture(name);
}

export interface StartOptions {
  /** Options of Node. */
  node?: string[];
  /** Soft and hard limit of descriptors. */
  descriptors?: number;
}

/** Starts a fixture; freed memory is overwritten there, so that use after free does not pass by luck. */
export async function start(
  name: string | URL,
  args: string[] = [],
  options: StartOptions = {},
): Promise<Child> {
  const file = await ready(name);
  const command = [process.execPath, ...(options.node ?? []), file, ...args];
  const limited = options.descriptors !== undefined;
  const child = spawn(
    limited ? 'sh' : command[0]!,
    limited ? ['-c', `ulimit -n ${options.descriptors}; exec "$@"`, 'sh', ...command] : command.slice(1),
    { env: { ...process.env, NODE_OPTIONS: '', MALLOC_PERTURB_: '165' }, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  running.add(child);
  let stdout = '';
  let stderr = '';
  const lines: string[] = [];
  const readers: ((line: string | undefined) => void)[] = [];
  let over = false;
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    const next = readers.shift();
    if (next) next(line);
    else lines.push(line);
  });
  reader.on('close', () => {
    over = true;
    for (const next of readers.splice(0)) next(undefined);
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal, stdout, stderr });
    });
  });
  return {
    ended,
    line: () =>
      lines.length > 0 || over
        ? Promise.resolve(lines.shift())
        : new Promise((resolve) => readers.push(resolve)),
    say: (line) => void child.stdin.write(`${line}\n`),
    kill: (signal) => void child.kill(signal),
  };
}

/** Runs a fixture to its end. */
export async function run(
  name: string | URL,
  args: string[] = [],
  options: StartOptions = {},
): Promise<Ended> {
  return (await start(name, args, options)).ended;
}
