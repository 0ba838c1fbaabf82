import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));

/** A program of examples/, as a reader starts it. */
export interface Program {
  readonly process: ChildProcess;
  /** Everything that it wrote so far, errors included. */
  output(): string;
  /** Resolves when it has written this. */
  says(text: string | RegExp): Promise<void>;
  /** Types a line. */
  type(line: string): void;
  /** Sends a signal, by default Ctrl-C's, if one is wanted, and resolves with its exit code. */
  end(signal?: NodeJS.Signals | 'none'): Promise<number | null>;
}

export interface ServerProgram extends Program {
  /** The address that it told. */
  readonly url: string;
}

/** Starts `examples/<path>`; it is killed when the test is over. */
export function start(path: string, args: string[] = [], env: Record<string, string> = {}): Program {
  const child = spawn(process.execPath, [join(examples, path), ...args], {
    env: { ...process.env, PORT: '0', HOST: '127.0.0.1', ...env },
  });
  let text = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      for (const listener of listeners) listener();
    });
  /* `close` comes when its output has ended as well */
  const exited = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return {
    process: child,
    output: () => text,
    async says(wanted) {
      const holds = () => (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text));
      const said = new Promise<boolean>((resolve) => {
        const look = () => holds() && resolve(true);
        listeners.add(look);
        look();
      });
      if (!(await Promise.race([said, exited.then(holds)])))
        throw new Error(`Expected ${path} to say ${wanted} but it ended and said: ${text}`);
    },
    type: (line) => void child.stdin.write(`${line}\n`),
    async end(signal = 'SIGINT') {
      if (signal !== 'none') child.kill(signal);
      return exited;
    },
  };
}

/** The same, once it has told its address. */
export async function serve(path: string, env: Record<string, string> = {}): Promise<ServerProgram> {
  const program = start(path, [], env);
  await program.says(/(?:wss?|https?):\/\/\S+/);
  return { ...program, url: /(?:wss?|https?):\/\/\S+/.exec(program.output())![0] };
}

/** Ends a server by Ctrl-C, and holds it to a clean end without complaints. */
export async function endCleanly(program: Program): Promise<void> {
  expect(await program.end()).toBe(0);
  expect(program.output()).not.toMatch(/error|warning/i);
}

/** A folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'lws-example-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
