import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inputs, managersNode } from './inputs.js';

/** A command and its first arguments. */
export type Command = readonly [string, ...string[]];

/** A user's project in a temporary folder, far from this repository and its node_modules. */
export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'lws-package-'));

  constructor(files: Record<string, string> = {}) {
    this.write('package.json', JSON.stringify({ name: 'user', version: '1.0.0', private: true }));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  write(name: string, text: string | Buffer): string {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Copies files of test/package/fixtures. */
  fixtures(...names: string[]): this {
    for (const name of names)
      cpSync(join(import.meta.dirname, '..', 'fixtures', name), join(this.path, name));
    return this;
  }

  /** Puts the package there without a package manager. */
  unpack(): this {
    const target = join(this.path, 'node_modules', 'libwebsockets');
    mkdirSync(target, { recursive: true });
    const result = spawnSync('tar', ['-xzf', inputs.tarball, '-C', target, '--strip-components=1']);
    if (result.status !== 0) throw new Error(`tar failed: ${result.stderr}`);
    return this;
  }

  /** Installs the tarball with a package manager and returns all that it said. */
  install(manager: string, args: readonly string[]): string {
    const program = inputs.managers[manager]!;
    const { code, said } = this.run([managersNode, program], args);
    if (code !== 0) throw new Error(`${manager} failed with ${code}:\n${said}`);
    return said;
  }

  /** Runs a command to its end; nothing but Node itself is on its path. */
  run([program, ...first]: Command, args: readonly string[], env: Record<string, string> = {}): Result {
    const options = { cwd: this.path, env: this.#environment(env), encoding: 'utf8' } as const;
    const result = spawnSync(program, [...first, ...args], { ...options, timeout: 110_000 });
    if (result.error) throw result.error;
    return { code: result.status, said: `${result.stdout}${result.stderr}`.trim(), stdout: result.stdout };
  }

  start([program, ...first]: Command, args: readonly string[], env: Record<string, string> = {}) {
    return spawn(program, [...first, ...args], {
      cwd: this.path,
      env: this.#environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Settings of the registry stay, all else of the machine goes: no compiler, no other Node. */
  #environment(more: Record<string, string>): NodeJS.ProcessEnv {
    const kept = Object.entries(process.env).filter(([name]) =>
      /^(?:HOME|npm_config_(?:registry|userconfig|cafile)|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy)$/i.test(
        name,
      ),
    );
    return {
      ...Object.fromEntries(kept),
      PATH: dirname(managersNode),
      CI: 'true',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_GLOBAL_FOLDER: join(this.path, '.yarn-global'),
      YARN_CACHE_FOLDER: join(this.path, '.yarn-cache'),
      ...more,
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface Result {
  code: number | null;
  /** stdout and stderr */
  said: string;
  stdout: string;
}
