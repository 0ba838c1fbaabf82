import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import WebSocket from 'ws';
import type { Command, Folder } from './folder.js';

const text = readFileSync(join(import.meta.dirname, '..', '..', '..', 'README.md'), 'utf8');

/** The README's first example, on a free port of loopback. */
export function readmeExample(): string {
  const [, code] = /^```js\n([\s\S]*?)^```/m.exec(text) ?? [];
  if (!code?.includes('port: 8080,')) throw new Error('README.md starts with another example');
  return code.replace('port: 8080,', "port: 0, host: '127.0.0.1',");
}

/** The same in CommonJS, as a user would turn it. */
export function readmeInCommonJs(): string {
  const code = readmeExample();
  const body = code.replace(
    /^import (\{.*\}) from '(.*)';$/m,
    (_, names: string, from: string) => `const ${names} = require('${from}');`,
  );
  return `(async () => {\n${body}\n})();\n`;
}

export const forms = { ESM: readmeExample, CommonJS: readmeInCommonJs } as const;
export type Form = keyof typeof forms;

/** Runs the example in the folder and uses it as its reader would: greeting, message, leaving. */
export async function useExample(folder: Folder, node: Command, form: Form): Promise<void> {
  const name = form === 'ESM' ? 'example.mjs' : 'example.cjs';
  folder.write(name, forms[form]());
  const server = folder.start(node, [name]);
  const said: string[] = [];
  const errors: string[] = [];
  server.stderr.on('data', (chunk) => errors.push(String(chunk)));
  const ended = once(server, 'exit');
  const lines = createInterface(server.stdout);
  const wait = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(said.join('\n'));
      if (match) return match;
      await Promise.race([
        once(lines, 'line'),
        ended.then(() => {
          throw new Error(`the example ended:\n${said.join('\n')}\n${errors.join('')}`);
        }),
      ]);
    }
  };
  lines.on('line', (line) => said.push(line));
  try {
    const [, port] = await wait(/^ws:\/\/localhost:(\d+)\/\?name=you$/m);
    const client = new WebSocket(`ws://127.0.0.1:${port}/?name=you`);
    expect(await nextMessage(client)).toBe('hello you');
    client.send('to all');
    expect(await nextMessage(client)).toBe('to all');
    client.close(1000);
    await once(client, 'close');
    await wait(/^you left with 1000$/m);
    expect(errors.join('')).toBe('');
  } finally {
    server.kill();
    await ended;
  }
}

async function nextMessage(client: WebSocket): Promise<string> {
  const [data] = await once(client, 'message');
  return String(data);
}
