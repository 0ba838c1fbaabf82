// Server and load generator as child processes, each on a core of its own and bounded in time.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { project } from './prepare.mjs';

const startTimeout = 20_000;
const stopTimeout = 3_000;

/** The end of what a child wrote to stderr, on one line and without the folder of the project. */
const complaint = (errors) => {
  const text = errors.replaceAll(project, '.').replaceAll(/\s+/g, ' ').trim();
  return text === '' ? '' : `: ${text.slice(0, 400)}`;
};

function within(promise, milliseconds, what) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer for ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A child whose standard output is JSON lines and which ends when its standard input does. */
function start(what, core, command, environment = {}) {
  const child = spawn('taskset', ['-c', String(core), ...command], {
    env: { ...process.env, ...environment },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors = (errors + text).slice(-4000);
  });
  child.stdin.on('error', () => {}); // the child may be gone: `ended` tells
  const ended = new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(
        error.code === 'ENOENT'
          ? new Error('the bench needs taskset (Debian: apt-get install util-linux)')
          : error,
      );
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  ended.catch(() => {});

  return {
    pid: child.pid,
    async next(timeout) {
      const { value, done } = await within(
        Promise.race([lines.next(), ended.then(() => lines.next())]),
        timeout,
        what,
      );
      if (!done) return JSON.parse(value);
      const { code, signal } = await ended;
      throw new Error(`${what} ended (${signal ?? `exit code ${code}`})${complaint(errors)}`);
    },
    tell: (line) => child.stdin.write(`${line}\n`),
    release: () => child.stdin.end(),
    /** Waits for its end, kills it when that does not come; throws when it failed. */
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeout);
      const { code, signal } = await ended.finally(() => clearTimeout(timer));
      if (code !== 0) throw new Error(`${what} ended (${signal ?? `exit code ${code}`})${complaint(errors)}`);
    },
    kill: () => child.kill('SIGKILL'),
  };
}

const words = (options) =>
  Object.entries(options).map(([name, value]) => `--${name}=${value === true ? 1 : value}`);

/** Runs `use` with a started server, which is gone afterwards on every path. */
export async function withServer(peer, options, core, use) {
  const server = start(`server ${peer.name}`, core, [...peer.command, ...words(options)], peer.environment);
  try {
    const { port, version } = await server.next(startTimeout);
    const result = await use({
      port,
      version,
      pid: server.pid,
      async collect() {
        server.tell('collect');
        await server.next(startTimeout);
      },
    });
    await server.stop();
    return result;
  } catch (error) {
    server.kill();
    throw error;
  }
}

/** Starts a client to be measured; it connects at once. */
export function startClient(peer, options, core) {
  return start(`client ${peer.name}`, core, [...peer.client, ...words(options)], peer.environment);
}

/** Starts the load generator; `seconds` is what it may take beyond its own window. */
export function startLoad(program, options, core) {
  return start('load generator', core, [program, ...words(options)]);
}

/** Resident memory of a process in bytes. */
export function residentMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
}

/** Time that the hypervisor gave to others while one of these cores had work; milliseconds since boot. */
export function stolenTime(cores) {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = cores.map((core) =>
    Number(lines.find((line) => line.startsWith(`cpu${core} `))?.split(/\s+/)[8] ?? 0),
  );
  return ticks.reduce((sum, value) => sum + value, 0) * 10; // USER_HZ is 100 on every Linux
}
