import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './run.mjs';

const folder = join(root, 'build', 'lint');

/** The file and every file of the project that it includes by a quoted name, each once. */
function withIncluded(file, seen = new Map()) {
  if (seen.has(file)) return seen;
  const text = readFileSync(file, 'utf8');
  seen.set(file, text);
  for (const [, name] of text.matchAll(/^#include "([^"]+)"/gm)) {
    const included = [join(dirname(file), name), join(root, 'native', 'core', name)].find(existsSync);
    if (included !== undefined) withIncluded(included, seen);
  }
  return seen;
}

function digest(file, salt) {
  const hash = createHash('sha256').update(salt);
  for (const [name, text] of withIncluded(file)) hash.update(`\0${relative(root, name)}\0${text}`);
  return hash.digest('hex');
}

/**
 * Spares an analyzer the C files that it found clean before. `salt` is everything else that its verdict hangs on.
 * Of `files`, `stale` are those to look at; `remember()` says that it found nothing in them.
 */
export function cleanFiles(analyzer, files, salt) {
  const record = join(folder, `${analyzer}.json`);
  const known = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : {};
  const now = Object.fromEntries(
    files.map((file) => [relative(root, file), digest(join(root, relative(root, file)), salt)]),
  );
  return {
    stale: files.filter((file) => known[relative(root, file)] !== now[relative(root, file)]),
    remember() {
      mkdirSync(folder, { recursive: true });
      writeFileSync(record, JSON.stringify(now, null, 1));
    },
  };
}
