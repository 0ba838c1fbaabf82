import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { process } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { version } from '../shared/version.js';
import { mainFile, ownFile } from './place.js';
import { type Attempt, explain, type Platform, prebuildName, runningPlatform } from './platform.js';

/** Where this code lies; asked for while the module is loaded. */
const here = ownFile();

/** Where binaries are looked for. */
interface Home {
  readonly folders: readonly string[];
  /** The code lies in a bundle, without the rest of the package. */
  readonly bundled: boolean;
}

/** The nearest folder above with our package.json; of a bundle, its folder and that of the main script. */
function home(): Home {
  const files = [here, mainFile()].filter((file) => file !== undefined);
  for (let folder = dirname(files[0] ?? '/'); ; folder = dirname(folder)) {
    if (isOurs(join(folder, 'package.json'))) return { folders: [folder], bundled: false };
    if (dirname(folder) === folder) break;
  }
  const folders = files.length > 0 ? files.map((file) => dirname(file)) : [process.cwd()];
  return { folders: [...new Set(folders)], bundled: true };
}

function isOurs(manifest: string): boolean {
  try {
    return JSON.parse(readFileSync(manifest, 'utf8')).name === 'libwebsockets';
  } catch {
    return false;
  }
}

/** The files to try, the first that loads wins; what was named explicitly is the only one. */
function candidates({ folders, bundled }: Home, platform: Platform): string[] {
  const override = process.env.LIBWEBSOCKETS_BINARY;
  if (override) return [resolve(override)];
  const prebuilt = folders.map((folder) => join(folder, 'prebuilds', `${prebuildName(platform)}.node`));
  return bundled
    ? prebuilt
    : [...folders.map((folder) => join(folder, 'build', 'Release', 'lws.node')), ...prebuilt];
}

function available({ folders }: Home): string[] {
  return [...new Set(folders.flatMap(prebuiltIn))].sort();
}

function prebuiltIn(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'prebuilds'))
      .filter((name) => name.endsWith('.node'))
      .map((name) => name.slice(0, -'.node'.length));
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

/** Where a bundle has to have its binaries, unless they were named. */
function bundleFolder({ folders, bundled }: Home): string | undefined {
  return bundled && !process.env.LIBWEBSOCKETS_BINARY ? folders[0] : undefined;
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
 * else the prebuilt one of this platform. In a bundle: the prebuilt one in `prebuilds` beside it or the main script.
 *
 * @throws LwsError ERR_LOAD with everything that was tried and what to do.
 */
export function loadNative(): unknown {
  const platform = runningPlatform();
  refuseForeignRuntimes(platform);
  const place = home();
  const attempts: Attempt[] = [];
  for (const file of candidates(place, platform)) {
    const result = load(file);
    if ('exports' in result) return result.exports;
    attempts.push({ file, problem: result.problem });
  }
  throw new LwsError('ERR_LOAD', explain(platform, attempts, available(place), bundleFolder(place)));
}
