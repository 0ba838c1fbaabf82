// Builds the addon to build/Release/lws.node: sources fetched and patched, then CMake through cmake-js.
// --sanitize: with ASan and UBSan instead, to build/sanitize/Release/lws.node, which test/hostile runs.
import { createHash } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { prepareSources } from './fetch-lws.mjs';
import { withBuildLock } from './tools/lock.mjs';
import { nodeInclude } from './tools/node-dev.mjs';
import { need } from './tools/prerequisites.mjs';
import { attempt, Failure, isMain, main, root, run } from './tools/run.mjs';
import { sanitizerEnvironment, sanitizerSettings } from './tools/sanitize.mjs';

const build = join(root, 'build');
export const addon = join(build, 'Release', 'lws.node');

/** Builds what is out of date and returns the addon's path. */
export function buildNative() {
  return buildChecked(build, {}, {});
}

/** The same with ASan and UBSan; whoever loads it needs `sanitizerEnvironment`. */
export function buildSanitized() {
  return buildChecked(join(build, 'sanitize'), sanitizerSettings, sanitizerEnvironment());
}

async function buildChecked(folder, settings, env) {
  need('build');
  return withBuildLock(async () => {
    const file = join(folder, 'Release', 'lws.node');
    const before = changedAt(file);
    await compile(folder, settings);
    if (changedAt(file) !== before) {
      check(file, env);
      console.log(`built ${relative(root, file)}`);
    }
    return file;
  });
}

/** Compiles the addon in `folder`, with further CMake settings, for `arch`; the caller holds the lock. */
export async function compile(folder, settings = {}, arch = process.arch) {
  const sources = await prepareSources();
  const jobs = String(availableParallelism());
  const all = {
    LWSN_LWS_SOURCE: sources,
    LWSN_NODE_INCLUDE: nodeInclude(),
    LWSN_VERSION: packageVersion(),
    LWSN_JOBS: jobs,
    ...settings,
  };
  configure(folder, all, arch);
  cmakeJs(['build', '--out', folder, '--parallel', jobs]);
  removeOthers(folder, basename(sources));
}

/** The version that every binary carries; the loader refuses one of another. */
function packageVersion() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const stated = /version = '([^']+)'/.exec(
    readFileSync(join(root, 'lib', 'shared', 'version.ts'), 'utf8'),
  )?.[1];
  if (stated !== version)
    throw new Failure(`package.json is of version ${version}, lib/shared/version.ts says ${stated}`);
  return version;
}

/** Configures only when the settings changed: CMake itself notices new and edited files. */
function configure(folder, settings, arch) {
  const stamp = join(folder, 'configured');
  const key = createHash('sha256')
    .update(JSON.stringify([realpathSync(root), settings, arch, process.version]))
    .digest('hex');
  const cache = join(folder, 'CMakeCache.txt');
  if (existsSync(cache) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  console.log(`configuring ${relative(root, folder)}; the first build takes about half a minute`);
  // A cache from another place or generator would be refused.
  for (const name of ['CMakeCache.txt', 'CMakeFiles', ...moved(folder)])
    rmSync(join(folder, name), { recursive: true, force: true });
  const definitions = Object.entries(settings).map(([name, value]) => `--CD${name}=${value}`);
  cmakeJs(['configure', '--out', folder, '--arch', arch, ...definitions]);
  writeFileSync(stamp, key);
}

/** Folders in it that CMake configured where the checkout was before it was moved or copied. */
function moved(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => {
    if (!/^lws-[0-9a-f]{12}$/.test(name)) return false;
    const cache = join(folder, name, 'CMakeCache.txt');
    const place =
      existsSync(cache) && /^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'));
    return !place || !existsSync(place[1]) || realpathSync(place[1]) !== realpathSync(join(folder, name));
  });
}

function cmakeJs(args) {
  let program;
  try {
    program = join(
      dirname(createRequire(import.meta.url).resolve('cmake-js/package.json')),
      'bin',
      'cmake-js',
    );
  } catch {
    throw new Failure('cmake-js is not installed; run: npm ci');
  }
  const [command, ...rest] = args;
  run(process.execPath, [program, command, '--log-level', 'error', ...rest], { quiet: true });
}

/** Builds of sources that are no longer used. */
function removeOthers(folder, key) {
  for (const name of readdirSync(folder)) {
    if (/^lws-[0-9a-f]{12}$/.test(name) && name !== `lws-${key}`)
      rmSync(join(folder, name), { recursive: true });
  }
}

/** Loads it in a process of its own: a missing symbol shows here, in the loader's own words. */
function check(file, env) {
  const load = 'process.dlopen({ exports: {} }, process.argv[1])';
  const result = attempt(process.execPath, ['-e', load, file], { env });
  if (!result.ok) throw new Failure(`the addon was built but does not load: ${result.stderr.trim()}`);
}

function changedAt(file) {
  return existsSync(file) ? statSync(file).mtimeMs : undefined;
}

if (isMain(import.meta.url)) {
  await main(async (args) => {
    if (args.includes('--sanitize')) await buildSanitized();
    else await buildNative();
  });
}
