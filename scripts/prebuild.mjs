// npm run prebuilds [-- target...]: the binaries of the published package, in prebuilds/<target>.node.
// With --complete <version> it builds none, and checks that a release of that version has all.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './build.mjs';
import { obstacles, readElf } from './tools/elf.mjs';
import { withBuildLock } from './tools/lock.mjs';
import { need } from './tools/prerequisites.mjs';
import { attempt, Failure, isMain, main, root } from './tools/run.mjs';

/** Every binary that a release carries. */
export const targets = [
  'linux-x64',
  'linux-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
];
/** Targets that another machine than their own can build, with the machines. */
const crossed = { 'linux-arm64': 'linux-x64' };
const sizeLimit = 1 << 20;

export const prebuilt = (target) => join(root, 'prebuilds', `${target}.node`);

/** The target of the machine that this runs on. */
export function ownTarget() {
  const { header } = process.report.getReport();
  const musl = process.platform === 'linux' && !header.glibcVersionRuntime;
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
}

/** What this machine can build. */
export function buildable() {
  const own = ownTarget();
  return targets.filter((target) => target === own || crossed[target] === own);
}

/** Builds what is out of date of these targets. */
export async function prebuild(wanted = buildable()) {
  need('build', ...(wanted.some((target) => target !== ownTarget()) ? ['cross'] : []));
  await withBuildLock(async () => {
    for (const target of wanted) await buildTarget(target);
  });
}

async function buildTarget(target) {
  const folder = join(root, 'build', `prebuild-${target}`);
  const settings = { LWSN_PORTABLE: 'ON' };
  if (target !== ownTarget())
    settings.CMAKE_TOOLCHAIN_FILE = join(root, 'cmake', 'toolchains', `${target}.cmake`);
  mkdirSync(folder, { recursive: true });
  await compile(folder, settings, target.split('-')[1]);
  const built = join(folder, 'Release', 'lws.node');
  inspect(built, target);
  mkdirSync(join(root, 'prebuilds'), { recursive: true });
  // A new file: an old one may be mapped into a process that runs.
  rmSync(prebuilt(target), { force: true });
  copyFileSync(built, prebuilt(target));
  console.log(`prebuilds/${target}.node: ${statSync(built).size} bytes`);
}

/** Refuses a release that lacks a binary, or has one that was not built for `version`. */
function complete(version) {
  const { version: stated } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  if (version !== stated) throw new Failure(`package.json is of version ${stated}, not of ${version}`);
  const lacking = targets.filter((target) => !existsSync(prebuilt(target)));
  if (lacking.length > 0) throw new Failure(`prebuilds/ lacks ${lacking.join(', ')}`);
  for (const target of targets) {
    inspect(prebuilt(target), target);
    if (!readFileSync(prebuilt(target)).includes(`\0${version}\0`))
      throw new Failure(`prebuilds/${target}.node is of another version than ${version}`);
  }
  console.log(`all ${targets.length} binaries of ${version} are there`);
}

/** Refuses a binary that would not load where it is promised to. */
function inspect(file, target) {
  const faults = target.startsWith('linux-') ? obstacles(readElf(file)) : [];
  const { size } = statSync(file);
  if (size > sizeLimit) faults.push(`has ${size} bytes, more than ${sizeLimit}`);
  if (target === ownTarget()) {
    const script = 'process.dlopen({ exports: {} }, process.argv[1])';
    const result = attempt(process.execPath, ['-e', script, file]);
    if (!result.ok) faults.push(`does not load: ${result.stderr.trim()}`);
  }
  if (faults.length > 0) throw new Failure(`the binary of ${target}:\n  ${faults.join('\n  ')}`);
}

if (isMain(import.meta.url)) {
  await main(async (args) => {
    if (args[0] === '--complete') return complete(args[1]);
    const possible = buildable();
    const other = args.find((name) => !possible.includes(name));
    if (other)
      throw new Failure(
        `${other} cannot be built here; this machine builds ${possible.join(', ') || 'none'}`,
      );
    await prebuild(args.length > 0 ? args : possible);
  });
}
