import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { prebuildName, runningPlatform } from '../../../lib/crossing/platform.js';
import { version } from '../../../lib/shared/version.js';

const root = join(import.meta.dirname, '..', '..', '..');
/** The binary of the checkout, which works. */
export const working = readFileSync(join(root, 'build', 'Release', 'lws.node'));
export const places = {
  local: join('build', 'Release', 'lws.node'),
  prebuilt: join('prebuilds', `${prebuildName(runningPlatform())}.node`),
};

/** The same binary with another version of the same length in it. */
export function ofVersion(other: string): Buffer {
  const binary = Buffer.from(working);
  const at = binary.indexOf(`\0${version}\0`);
  if (at < 0 || other.length !== version.length) throw new Error('the version in the binary was not found');
  binary.write(other, at + 1);
  return binary;
}

/** A folder like an installed package, with these files instead of the binaries. */
export class Layout implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'lws-layout-'));

  constructor(files: Record<string, Buffer | string> = {}) {
    cpSync(join(root, 'package.json'), join(this.folder, 'package.json'));
    cpSync(join(root, 'dist'), join(this.folder, 'dist'), { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, name)), { recursive: true });
      writeFileSync(join(this.folder, name), content);
    }
  }

  /** Listens and closes in a process of its own: `listening`, or the error's code and message. */
  load({ env = {}, args = [], before = '' }: LoadOptions = {}): string {
    const script = `${before}
      /* no main script whose folder could be taken for the package's */
      const [, entry] = process.argv.splice(0);
      const { createServer } = await import(entry);
      try {
        const server = createServer({ port: 0, host: '127.0.0.1' });
        await server.listen();
        await server.close();
        console.log('listening');
      } catch (error) {
        console.log(error.code + ': ' + error.message);
      }`;
    const entry = join(this.folder, 'dist', 'index.mjs');
    const child = spawnSync(process.execPath, [...args, '--input-type=module', '-e', script, entry], {
      encoding: 'utf8',
      env: { ...process.env, LIBWEBSOCKETS_BINARY: '', ...env },
      cwd: this.folder,
    });
    return `${child.stdout}${child.stderr}`.trim();
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface LoadOptions {
  env?: Record<string, string>;
  /** Arguments to Node. */
  args?: string[];
  /** Statements that run first. */
  before?: string;
}
