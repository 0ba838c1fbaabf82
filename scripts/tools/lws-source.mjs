import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { attempt, Failure } from './run.mjs';

export const version = '4.3.5';
export const sha256 = '87f99ad32803ed325fceac5327aae1f5c1b417d54ee61ad36cffc8df5f5ab276';

const upstream = `https://github.com/warmcat/libwebsockets/archive/refs/tags/v${version}.tar.gz`;
const debianName = `libwebsockets_${version}.orig.tar.gz`;
const answerTimeout = 10_000;
const transferTimeout = 300_000;

/** The per-user cache file of the source archive. */
export function cacheFile() {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(base, 'libwebsockets-node', `libwebsockets-${version}-${sha256.slice(0, 12)}.tar.gz`);
}

/**
 * The verified source archive as bytes. Sources in order: `LWS_SOURCE`, the cache, Debian's or
 * Ubuntu's archive, upstream's tag archive; each gets ten seconds to answer.
 */
export async function obtainArchive() {
  const tried = [];
  for (const source of [fromSetting, fromCache, fromDebian, fromUpstream]) {
    for await (const { from, bytes, problem } of source()) {
      const bad = problem ?? (hash(bytes) === sha256 ? undefined : `has SHA-256 ${hash(bytes)}`);
      if (bad === undefined) {
        if (source !== fromCache) console.log(`libwebsockets ${version} sources: ${from}`);
        if (source === fromDebian || source === fromUpstream) store(bytes);
        return bytes;
      }
      if (source === fromSetting || source === fromCache)
        console.log(`${from} ${bad}; trying the next source`);
      tried.push(`${from} (${bad})`);
    }
  }
  throw new Failure(
    `The libwebsockets ${version} sources could not be obtained; set LWS_SOURCE to the v${version} source ` +
      `tarball (SHA-256 ${sha256}) or to a folder with its contents. Tried: ${tried.join('; ')}.`,
  );
}

export function hash(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

function* fromSetting() {
  const file = process.env.LWS_SOURCE;
  if (!file) return;
  const from = `LWS_SOURCE=${file}`;
  yield existsSync(file) ? { from, bytes: readFileSync(file) } : { from, problem: 'does not exist' };
}

function* fromCache() {
  const file = cacheFile();
  if (!existsSync(file)) return;
  const bytes = readFileSync(file);
  if (hash(bytes) !== sha256) rmSync(file, { force: true });
  yield { from: `the cache ${file}`, bytes };
}

function* fromDebian() {
  const helper = '/usr/lib/apt/apt-helper';
  if (!existsSync(helper)) return;
  const sites = aptSites();
  if (sites.length === 0) yield { from: 'the Debian archive', problem: 'apt knows no site' };
  for (const site of sites) {
    for (const component of site.components) {
      const url = `${site.url}/pool/${component}/libw/libwebsockets/${debianName}`;
      const folder = join(tmpdir(), `lws-${randomUUID()}`);
      mkdirSync(folder, { recursive: true });
      const file = join(folder, debianName);
      try {
        const options = [
          `Acquire::http::Timeout=${answerTimeout / 1000}`,
          `Acquire::https::Timeout=${answerTimeout / 1000}`,
          'Acquire::Retries=0',
          ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
        ].flatMap((option) => ['-o', option]);
        const args = [...options, 'download-file', url, file, `SHA256:${sha256}`];
        const result = attempt(helper, args, { timeout: transferTimeout });
        const problem = result.stderr
          .replaceAll(/^(?:W|N):.*\n?/gm, '')
          .trim()
          .split('\n')
          .at(-1);
        yield result.ok
          ? { from: url, bytes: readFileSync(file) }
          : { from: url, problem: problem || 'no answer' };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }
}

/** The sites apt is set up with, most general first, with the components that may hold the source. */
function aptSites() {
  const list = () => attempt('apt-get', ['indextargets', '--format', '$(SITE) $(COMPONENT)']).stdout;
  let targets = list();
  if (!targets.trim() && process.getuid?.() === 0) {
    attempt('apt-get', ['update', '-q'], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      timeout: transferTimeout,
    });
    targets = list();
  }
  const sites = new Map();
  for (const line of targets.split('\n')) {
    const [url, component] = line.trim().split(' ');
    if (!url || !/^https?:/.test(url)) continue;
    if (!sites.has(url)) sites.set(url, new Set(['main']));
    if (component === 'universe') sites.get(url).add(component);
  }
  return [...sites].map(([url, components]) => ({
    url: url.replace(/\/$/, ''),
    components: [...components],
  }));
}

async function* fromUpstream() {
  try {
    yield { from: upstream, bytes: await download(upstream) };
  } catch (error) {
    yield { from: upstream, problem: error.cause?.message ?? error.message };
  }
}

async function download(url) {
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(new Error('no answer within 10 s')), answerTimeout);
  try {
    const response = await fetch(url, { signal: abort.signal, redirect: 'follow' });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    const chunks = [];
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(new Error('stopped sending for 10 s')), answerTimeout);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps the archive for other checkouts; a cache that cannot be written is no failure. */
function store(bytes) {
  const file = cacheFile();
  try {
    mkdirSync(dirname(file), { recursive: true });
    const part = `${file}.${process.pid}`;
    writeFileSync(part, bytes);
    renameSync(part, file);
  } catch (error) {
    console.log(`the sources are not kept in ${file}: ${error.message}`);
  }
}

/** The version of the sources in a folder, as `4.3.5`; undefined where there are none. */
function versionOf(folder) {
  const list = join(folder, 'CMakeLists.txt');
  const text = existsSync(list) ? readFileSync(list, 'utf8') : '';
  const parts = ['MAJOR', 'MINOR', 'PATCH_NUMBER'].map(
    (part) => new RegExp(`CPACK_PACKAGE_VERSION_${part} "(\\d+)"`).exec(text)?.[1],
  );
  return parts.includes(undefined) ? undefined : parts.join('.');
}

/**
 * The folder that `LWS_SOURCE` names; undefined when it is no folder. No hash is known of it: where it is another
 * version than ours, of those that the patches fit, that is said.
 */
export function sourceFolder() {
  const folder = process.env.LWS_SOURCE;
  if (!folder || !existsSync(folder) || !statSync(folder).isDirectory()) return undefined;
  const there = versionOf(folder);
  const found = there === undefined ? 'no libwebsockets sources' : `libwebsockets ${there}`;
  const [major, minor, patch] = (there ?? '').split('.').map(Number);
  if (!(major === 4 && (minor > 3 || (minor === 3 && patch >= 5))))
    throw new Failure(
      `LWS_SOURCE=${folder} holds ${found}; libwebsockets ${version}, or a later 4, is needed.`,
    );
  if (there !== version)
    console.warn(`LWS_SOURCE holds ${found}: the package is tested and published with ${version}`);
  return folder;
}
