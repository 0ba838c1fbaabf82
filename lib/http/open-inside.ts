import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** A regular file or a folder inside a mount, open for reading. Whoever gets it closes the handle. */
export interface OpenEntry {
  readonly handle: FileHandle;
  readonly isFolder: boolean;
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly changed: bigint;
}

/** A pipe must not hold us and a terminal not become ours, before we know what it is. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** What it means that there is nothing to serve, in contrast to trouble of the machine. */
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO', 'ENODEV']);

function isMissing(error: unknown): boolean {
  return MISSING.has((error as NodeJS.ErrnoException).code ?? '');
}

/**
 * Where an open file really lies. Asked of the descriptor, since whoever may write
 * into the folder can exchange parts of the path at any moment.
 */
export async function placeOf(handle: FileHandle, path: string, descriptors: string): Promise<string> {
  try {
    return await readlink(`${descriptors}/${handle.fd}`);
  } catch {
    /* no /proc: ask the path, and whether it still names the file */
    const place = await realpath(path);
    const [opened, named] = await Promise.all([
      handle.stat({ bigint: true }),
      lstat(place, { bigint: true }),
    ]);
    return opened.dev === named.dev && opened.ino === named.ino ? place : '';
  }
}

/** Below the root, and below no name with a dot: a symlink would lead to what is not served by its own name. */
function isServed(root: string, place: string): boolean {
  if (place === root) return true;
  const folder = root.endsWith(sep) ? root : root + sep;
  if (!place.startsWith(folder)) return false;
  return !place
    .slice(folder.length)
    .split(sep)
    .some((name) => name.startsWith('.'));
}

/**
 * Opens what `segments` name below `root`, a real path. Undefined when there is
 * nothing, something that is neither file nor folder, or something that a
 * symlink leads to outside, or to a name that begins with a dot.
 *
 * @throws what the system says when it has no descriptor or fails.
 */
export async function openInside(root: string, segments: readonly string[]): Promise<OpenEntry | undefined> {
  const path = join(root, ...segments);
  let handle: FileHandle;
  try {
    handle = await open(path, FLAGS);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  let entry: OpenEntry | undefined;
  try {
    const [stat, place] = await Promise.all([
      handle.stat({ bigint: true }),
      placeOf(handle, path, '/proc/self/fd'),
    ]);
    const isFolder = stat.isDirectory();
    if ((isFolder || stat.isFile()) && isServed(root, place))
      entry = { handle, isFolder, size: Number(stat.size), changed: stat.mtimeNs };
  } catch (error) {
    if (!isMissing(error)) throw error;
  } finally {
    if (entry === undefined) await handle.close();
  }
  return entry;
}
