import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../examples/chat/server.mjs', import.meta.url));

/** The chat as `npm run demo` starts it. */
export interface Demo {
  readonly url: string;
  readonly port: number;
  /** What it wrote to its error output. */
  readonly complaints: () => string;
  /** Sends a signal, by default Ctrl-C's, and resolves with how the process ended. */
  end(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts it and resolves when it has told its address. */
export async function startDemo(port = 0, settings: Record<string, string> = {}): Promise<Demo> {
  const child: ChildProcess = spawn(process.execPath, [program], {
    env: { ...process.env, REDIS_URL: '', PORT: String(port), HOST: '127.0.0.1', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    complaints += text;
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const lines = createInterface({ input: child.stdout! });
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => line as string),
    once(child, 'close').then(() => undefined),
  ]);
  const url = first?.match(/http:\/\/\S+/)?.[0];
  if (url === undefined)
    throw new Error(`Expected the demo to tell its address but it said: ${first}${complaints}`);
  return {
    url,
    port: Number(new URL(url).port),
    complaints: () => complaints,
    async end(signal = 'SIGINT') {
      child.kill(signal);
      const [code, by] = await exited;
      return { code, signal: by };
    },
  };
}
