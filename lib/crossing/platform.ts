import { join } from 'node:path';
import { process } from '../shared/ambient.js';
/** What of the running process decides whether a binary loads. */
export interface Platform {
  readonly os: string;
  readonly arch: string;
  readonly node: string;
  /** `musl` on Linux without glibc; undefined outside Linux. */
  readonly libc: 'glibc' | 'musl' | undefined;
  /** glibc's version. */
  readonly glibc: string | undefined;
  /** Another runtime that offers Node's API. */
  readonly foreign: string | undefined;
}

/** The oldest glibc that the prebuilt binaries run on. */
export const oldestGlibc = '2.28';
const oldestNode = '20.17';

export function runningPlatform(): Platform {
  const { bun, deno, electron } = process.versions;
  const glibc = process.platform === 'linux' ? glibcVersion() : undefined;
  return {
    os: process.platform,
    arch: process.arch,
    node: process.versions.node,
    libc: process.platform !== 'linux' ? undefined : glibc ? 'glibc' : 'musl',
    glibc,
    foreign: bun ? 'Bun' : deno ? 'Deno' : electron ? 'Electron' : undefined,
  };
}

/** glibc's version as the running Node reports it; undefined on musl. */
function glibcVersion(): string | undefined {
  const { report } = process;
  if (!report) return undefined;
  // A report names the peers of open sockets, and asks the name server for them.
  const options = report as typeof report & { excludeNetwork?: boolean };
  const before = options.excludeNetwork;
  options.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime;
  } finally {
    options.excludeNetwork = before;
  }
}

/** The name of this platform's prebuilt binary, without its ending. */
export function prebuildName({ os, arch, libc }: Platform): string {
  return `${os}-${arch}${libc === 'musl' ? '-musl' : ''}`;
}

/** The platform in words, for a message. */
export function platformWords(platform: Platform): string {
  const libc = platform.glibc
    ? ` with glibc ${platform.glibc}`
    : platform.libc
      ? ` with ${platform.libc}`
      : '';
  return `${platform.os}-${platform.arch}${libc}, Node ${platform.node}`;
}

/** A binary that did not load, and why. */
export interface Attempt {
  readonly file: string;
  readonly problem: string;
}

/** A sentence that names the cause, where one of the problems fits. */
type Reading = (
  problems: string,
  platform: Platform,
  available: readonly string[],
  bundle: string | undefined,
) => string | undefined;

const readings: readonly Reading[] = [
  (_, { node }) =>
    isOlder(node, oldestNode) ? `Node ${node} is too old: ${oldestNode} or newer is needed.` : undefined,
  (problems) =>
    /addons? (?:is|are) disabled|ERR_DLOPEN_DISABLED|loading addons/i.test(problems)
      ? 'This process may not load addons: leave out --no-addons, or add --allow-addons to --permission.'
      : undefined,
  (problems, { glibc }) => {
    const needed = newest([...problems.matchAll(/GLIBC_(\d+\.\d+)/g)].map((match) => match[1]!));
    return needed
      ? `The binary needs glibc ${needed}, this system has ${glibc ?? 'none'}; prebuilt ones need ${oldestGlibc}.`
      : undefined;
  },
  (_, { glibc }) =>
    glibc && isOlder(glibc, oldestGlibc)
      ? `glibc ${glibc} is too old: prebuilt binaries need ${oldestGlibc} or newer.`
      : undefined,
  (problems) =>
    /libstdc\+\+|GLIBCXX_|CXXABI_/.test(problems)
      ? 'The C++ library is missing or too old: install libstdc++ (Alpine: apk add libstdc++).'
      : undefined,
  (problems) =>
    /(?:undefined symbol|symbol not found|relocating|flat namespace).*\b_?(?:uv_|SSL_|BIO_|X509|EVP_|deflate|inflate)/.test(
      problems,
    )
      ? 'This Node does not export its libuv, OpenSSL and zlib: use a build of Node from nodejs.org.'
      : undefined,
  (problems) =>
    /ELF header|ELF class|Exec format|file too short|mach-o|incompatible architecture|slice is not valid/i.test(
      problems,
    )
      ? 'The file is damaged or belongs to another platform: install the package anew on this machine.'
      : undefined,
  (problems) =>
    /failed to map segment|operation not permitted/i.test(problems)
      ? 'The system refuses to run code from there: is the file system mounted with noexec?'
      : undefined,
  (_, { os }) =>
    os === 'win32' ? 'Windows is not supported; the Windows Subsystem for Linux is.' : undefined,
  (_, platform, available, bundle) => {
    const name = prebuildName(platform);
    if (available.includes(name)) return undefined;
    if (bundle !== undefined && available.length === 0) return bundleWords(bundle, name);
    const there = available.length > 0 ? `there are ${available.join(', ')}` : 'the package holds none';
    return `No prebuilt binary exists for ${name}; ${there}.`;
  },
];

/**
 * The whole story of a binary that could not be loaded: the platform, what was tried, the cause as far as
 * it can be told, and how to build one. `available`: the names of the prebuilt binaries; `bundle`: the folder of the
 * bundle that this code was put into.
 */
export function explain(
  platform: Platform,
  attempts: readonly Attempt[],
  available: readonly string[],
  bundle?: string,
): string {
  const problems = attempts.map((attempt) => attempt.problem).join('\n');
  const causes = readings.flatMap((reading) => reading(problems, platform, available, bundle) ?? []);
  return [
    `No native binary of libwebsockets could be loaded on ${platformWords(platform)}.`,
    'Tried:',
    ...attempts.map(({ file, problem }) => `  ${file}: ${problem}`),
    ...causes,
    'To build one: run "npm ci && npm run build" in a clone of the repository and set LIBWEBSOCKETS_BINARY ' +
      'to the path of its build/Release/lws.node.',
  ].join('\n');
}

function bundleWords(folder: string, name: string): string {
  return (
    `libwebsockets was bundled, and a bundle needs the binaries beside it: copy the folder prebuilds of the package ` +
    `to ${join(folder, 'prebuilds')} (this platform needs ${name}.node of it), or set LIBWEBSOCKETS_BINARY to a file.`
  );
}

/** By numbers: 2.9 is older than 2.28. */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < b!.length; i++) {
    const difference = (a![i] ?? 0) - b![i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function newest(versions: readonly string[]): string | undefined {
  return versions.reduce<string | undefined>(
    (best, version) => (best === undefined || isOlder(best, version) ? version : best),
    undefined,
  );
}
