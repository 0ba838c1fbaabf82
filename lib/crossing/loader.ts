import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { process } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { version } from '../shared/version.js';
import { type Attempt, explain, type Platform, prebuildName, runningPlatform } from './platform.js';

/** The folder of this package: the nearest one above with our package.json; in a bundle, the bundle's. */
function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) return here;
  }
}

function isOurs(manifest: string): boolean {
  try {
    return JSON.parse(readFileSync(manifest, 'utf8')).name === 'libwebsockets';
  } catch {
    return false;
  }
}

/** The files to try, the first that loads wins; what was named explicitly is the only one. */
function candidates(root: string, platform: Platform): string[] {
  const override = process.env.LIBWEBSOCKETS_BINARY;
  if (override) return [resolve(override)];
  return [
    join(root, 'build', 'Release', 'lws.node'),
    join(root, 'prebuilds', `${prebuildName(platform)}.node`),
  ];
}

function available(root: string): string[] {
  try {
    return readdirSync(join(root, 'prebuilds'))
      .filter((name) => name.endsWith('.node'))
      .map((name) => name.slice(0, -'.node'.length))
      .sort();
  } catch {
    return [];
  }
}

/** The binary's exports, or the reason why it is not to be had. */
function load(file: string): { exports: unknown } | { problem: string } {
  if (!existsSync(file)) return { problem: 'not there' };
  const module = { exports: {} as { version?: unknown } };
  try {
    process.dlopen(module, file);
  } catch (error) {
    return { problem: (error as Error).message };
  }
  // The two sides agree on a memory layout that differs between versions.
  if (module.exports.version === version) return module;
  return { problem: `is of version ${module.exports.version ?? 'unknown'}, this package of ${version}` };
}

function refuseForeignRuntimes({ foreign }: Platform): void {
  if (!foreign) return;
  throw new LwsError(
    'ERR_LOAD',
    `libwebsockets needs Node.js: ${foreign} does not offer the libuv and OpenSSL that it shares with Node`,
  );
}

/**
 * Loads the native binary: `LIBWEBSOCKETS_BINARY` when set, else a local build,
 * else the prebuilt one of this platform.
 *
 * @throws LwsError ERR_LOAD with everything that was tried and what to do.
 */
export function loadNative(): unknown {
  const platform = runningPlatform();
  refuseForeignRuntimes(platform);
  const root = packageRoot();
  const attempts: Attempt[] = [];
  for (const file of candidates(root, platform)) {
    const result = load(file);
    if ('exports' in result) return result.exports;
    attempts.push({ file, problem: result.problem });
  }
  throw new LwsError('ERR_LOAD', explain(platform, attempts, available(root)));
}
