import { realpathSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Buffer } from '../shared/ambient.js';
import { describe, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import type { Answer } from './answer.js';
import { httpDate, precondition, requestedRange, type Validators, validators } from './file-conditions.js';
import { mediaType } from './media-types.js';
import { type OpenEntry, openInside } from './open-inside.js';
import type { HttpRequest } from './request.js';
import { PIECE_MAX } from './sender.js';

interface FileMount {
  /** Decoded segments of the prefix. */
  readonly prefix: readonly string[];
  /** The real path of the folder. */
  readonly root: string;
}

/** Checked mounts, the longest prefix first. */
export type FileMounts = readonly FileMount[];

type Pairs = [name: string, value: string][];

/**
 * The names in a path, decoded exactly once, the last one '' behind a final slash.
 * Undefined for what no file is served for: a dot file (and so '..'), an empty
 * name, a separator or NUL that was hidden by encoding, a wrong encoding.
 */
export function segmentsOf(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined;
  const encoded = path.slice(1).split('/');
  const segments: string[] = [];
  for (const [i, one] of encoded.entries()) {
    let name: string;
    try {
      name = decodeURIComponent(one);
    } catch {
      return undefined;
    }
    if (name.startsWith('.') || /[/\\\0]/.test(name)) return undefined;
    if (name === '' && i < encoded.length - 1) return undefined;
    segments.push(name);
  }
  return segments;
}

function invalid(name: string, expected: string, got: string, cause?: unknown): LwsError {
  const options = cause === undefined ? undefined : { cause };
  return unexpected(expected, `the option "${name}"`, got, 'ERR_INVALID_OPTION', options);
}

function checkMount(prefix: string, folder: unknown): FileMount {
  const segments = /[?#]/.test(prefix) ? undefined : segmentsOf(prefix);
  if (segments === undefined)
    throw invalid('files', "prefixes like '/' or '/assets' without dot files", describe(prefix));
  if (segments.at(-1) === '') segments.pop();
  const name = `files.${prefix}`;
  if (typeof folder !== 'string' || folder === '')
    throw invalid(name, 'the path of a folder', describe(folder));
  let root: string;
  try {
    root = realpathSync(folder);
    if (!statSync(root).isDirectory()) throw invalid(name, 'a folder and no file', describe(folder));
  } catch (error) {
    if (error instanceof LwsError) throw error;
    throw invalid(name, 'a folder that exists', describe(folder), error);
  }
  return { prefix: segments, root };
}

/**
 * Checks the option `files`: prefixes to folders. Relative folders are resolved
 * here, once.
 *
 * @throws LwsError ERR_INVALID_OPTION for a bad prefix, one given twice, and what is no folder.
 */
export function checkMounts(files: Record<string, string>): FileMounts {
  if (typeof files !== 'object' || files === null || Array.isArray(files))
    throw invalid('files', "an object of prefixes and folders like { '/': './public' }", describe(files));
  const mounts = new Map<string, FileMount>();
  for (const [prefix, folder] of Object.entries(files)) {
    const mount = checkMount(prefix, folder);
    const key = mount.prefix.join('/');
    if (mounts.has(key)) throw invalid('files', 'each prefix once', `${describe(prefix)} again`);
    mounts.set(key, mount);
  }
  return [...mounts.values()].sort((a, b) => b.prefix.length - a.prefix.length);
}

type Found = { kind: 'file'; name: string; entry: OpenEntry } | { kind: 'redirect' };

/** The file that a mount has for a path; a folder stands for its index.html. */
async function find(mount: FileMount, segments: readonly string[]): Promise<Found | undefined> {
  if (!mount.prefix.every((name, i) => segments[i] === name)) return undefined;
  const rest = segments.slice(mount.prefix.length);
  const slash = rest.at(-1) === '';
  if (slash) rest[rest.length - 1] = 'index.html';
  const entry = await openInside(mount.root, rest);
  if (entry === undefined) return undefined;
  if (!entry.isFolder) return { kind: 'file', name: rest.at(-1) ?? '', entry };
  await entry.handle.close();
  if (slash) return undefined;
  const index = await openInside(mount.root, [...rest, 'index.html']);
  await index?.handle.close();
  return index && !index.isFolder ? { kind: 'redirect' } : undefined;
}

/** Bytes of an open file, as fast as the peer takes them. */
async function sendBytes(answer: Answer, handle: FileHandle, start: number, end: number): Promise<void> {
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_MAX, end - start));
  for (let at = start; at < end && answer.open; ) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, end - at), at);
    if (bytesRead === 0) throw new LwsError('ERR_HANDLER', 'A file became shorter while it was served');
    at += bytesRead;
    await answer.write(piece.subarray(0, bytesRead));
  }
}

function describing(state: Validators): Pairs {
  return [
    ['ETag', state.etag],
    ['Cache-Control', 'no-cache'], // to be kept, and asked about each time
  ];
}

async function sendFile(
  request: HttpRequest<unknown>,
  answer: Answer,
  name: string,
  entry: OpenEntry,
): Promise<void> {
  const { size } = entry;
  const state = validators(size, entry.changed, Date.now());
  const status = precondition(request.headers, state);
  if (status === 412) return answer.plain(412, 'Precondition Failed');
  if (status === 304) {
    answer.begin({ status, headers: describing(state) });
    return answer.end();
  }
  const range = answer.isHead ? undefined : requestedRange(request.headers, state, size);
  if (range === 'unsatisfiable')
    return answer.plain(416, 'Range Not Satisfiable', [['Content-Range', `bytes */${size}`]]);
  const { start, end } = range ?? { start: 0, end: size };
  const headers: Pairs = [
    ['Content-Type', mediaType(name)],
    ['X-Content-Type-Options', 'nosniff'],
    ['Accept-Ranges', 'bytes'],
    ['Last-Modified', httpDate(state.modified)],
    ...describing(state),
  ];
  if (range) headers.push(['Content-Range', `bytes ${start}-${end - 1}/${size}`]);
  answer.begin({ status: range ? 206 : 200, headers, length: end - start });
  if (!answer.isHead) await sendBytes(answer, entry.handle, start, end);
  answer.end();
}

/** The path with a slash behind it, encoded by us: what a peer sent could name another host. */
function withSlash(segments: readonly string[], url: string): string {
  const query = url.indexOf('?');
  const path = segments.map((name) => `/${encodeURIComponent(name)}`).join('');
  return `${path}/${query < 0 ? '' : url.slice(query)}`;
}

/** The file of the first mount that has one; whoever asks closes its handle. */
async function locate(mounts: FileMounts, segments: readonly string[]): Promise<Found | undefined> {
  for (const mount of mounts) {
    const found = await find(mount, segments);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a mount has a file for the path of a request. */
export async function hasFile(mounts: FileMounts, request: HttpRequest<unknown>): Promise<boolean> {
  const segments = segmentsOf(request.path);
  const found = segments && (await locate(mounts, segments));
  if (found?.kind === 'file') await found.entry.handle.close();
  return found !== undefined;
}

/** Answers a GET or HEAD with the file that a mount has for its path; false when none has one. */
export async function serveFile(
  mounts: FileMounts,
  request: HttpRequest<unknown>,
  answer: Answer,
): Promise<boolean> {
  const segments = segmentsOf(request.path);
  const found = segments && (await locate(mounts, segments));
  if (found === undefined) return false;
  if (found.kind === 'redirect') {
    answer.plain(308, 'Permanent Redirect', [['Location', withSlash(segments!, request.url)]]);
    return true;
  }
  try {
    if (answer.open) await sendFile(request, answer, found.name, found.entry);
  } finally {
    await found.entry.handle.close();
  }
  return true;
}
