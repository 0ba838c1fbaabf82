// Brings the patched libwebsockets sources to build/lws/<key> and prints that folder.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { withBuildLock } from './tools/lock.mjs';
import { obtainArchive, sha256, sourceFolder, version } from './tools/lws-source.mjs';
import { attempt, Failure, isMain, main, root, run } from './tools/run.mjs';

const ours = join(root, 'patches', `lws-${version}`);
/** For what later versions added: each says in its first line in which file it is to be found. */
const later = join(root, 'patches', 'lws-later');
// Never compiled here; left out to keep the folder small.
const unused = [
  'doc-assets',
  'minimal-examples',
  'minimal-examples-lowlevel',
  'test-apps',
  'READMEs',
  'contrib',
];

/** The patched sources, made when missing. The key is a hash of the archive and every patch. */
export async function prepareSources() {
  const folder = sourceFolder();
  const more = folder === undefined ? [] : patchesOf(later).filter((patch) => isNeeded(patch, folder));
  const patches = [...patchesOf(ours), ...more];
  const key = createHash('sha256').update(folder ? hashFolder(folder) : sha256);
  for (const patch of patches) key.update(`\0${relative(root, patch)}\0`).update(readFileSync(patch));
  const sources = join(root, 'build', 'lws', key.digest('hex').slice(0, 12));
  if (existsSync(sources)) return sources;

  const part = `${sources}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  if (folder) copyFolder(folder, part);
  else extract(await obtainArchive(), part);
  for (const patch of patches) applyPatch(part, patch);
  for (const name of readdirSync(dirname(sources))) {
    if (join(dirname(sources), name) !== part)
      rmSync(join(dirname(sources), name), { recursive: true, force: true });
  }
  renameSync(part, sources);
  return sources;
}

const patchesOf = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.patch'))
    .sort()
    .map((name) => join(folder, name));

/* asked of the sources themselves: a tag may carry the number of the one before it */
function isNeeded(patch, folder) {
  const [, file, text] = /^Where: (\S+) has (.+)$/m.exec(readFileSync(patch, 'utf8'));
  return readFileSync(join(folder, file), 'utf8').includes(text);
}

function extract(archive, target) {
  const file = `${target}.tar.gz`;
  writeFileSync(file, archive);
  const excludes = unused.map((name) => `--exclude=libwebsockets-${version}/${name}`);
  run('tar', ['-xzf', file, '-C', target, '--strip-components=1', '--no-same-owner', ...excludes], {
    quiet: true,
  });
  rmSync(file, { force: true });
}

function copyFolder(folder, target) {
  const skip = new Set([...unused, '.git', 'build']);
  cpSync(folder, target, {
    recursive: true,
    filter: (path) => !skip.has(relative(folder, path)),
  });
}

/**
 * `git apply` inside a repository leaves out paths it takes for outside ones and still succeeds; the
 * ceiling hides the repository, and a skipped path is an error all the same.
 */
function applyPatch(target, patch) {
  const env = { GIT_CEILING_DIRECTORIES: realpathSync(dirname(target)), GIT_DIR: undefined, LC_ALL: 'C' };
  const result = attempt('git', ['apply', '-p1', '--verbose', patch], { cwd: target, env });
  if (!result.ok || /^Skipped patch/m.test(result.stderr)) {
    throw new Failure(
      `${relative(root, patch)} does not apply to these libwebsockets sources:\n${result.stderr.trim()}`,
    );
  }
}

function hashFolder(folder) {
  const digest = createHash('sha256');
  for (const top of ['CMakeLists.txt', 'CMakeLists-implied-options.txt', 'cmake', 'include', 'lib']) {
    for (const file of files(join(folder, top)))
      digest.update(`\0${relative(folder, file)}\0`).update(readFileSync(file));
  }
  return digest.digest();
}

function files(path) {
  if (!existsSync(path)) throw new Failure(`LWS_SOURCE holds no ${relative(process.env.LWS_SOURCE, path)}.`);
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path];
    throw error;
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? files(join(path, entry.name)) : [join(path, entry.name)]));
}

if (isMain(import.meta.url)) {
  await main(async () => {
    console.log(await withBuildLock(prepareSources));
  });
}
