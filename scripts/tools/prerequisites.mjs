import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { attempt, Failure } from './run.mjs';

const program = (name, debian = name) => ({ name, debian, found: () => inPath(name) });
const system = (name, debian = name) => ({ name, debian, found: () => inPath(name) || inSystemPath(name) });
const header = (path, debian) => ({ name: path, debian, found: () => headerFound(path) });
/** Elsewhere the compiler brings it, or it is not used. */
const onLinux = (item) => ({ ...item, found: () => process.platform !== 'linux' || item.found() });

/** What each kind of work needs from the system, and the Debian and Ubuntu packages that bring it. */
const groups = {
  build: [
    program('gcc'),
    program('g++'),
    program('cmake'),
    { name: 'make or ninja', debian: 'make', found: () => inPath('make') || inPath('ninja') },
    program('git'),
    program('tar'),
    onLinux(program('readelf', 'binutils')),
    onLinux(header('stdio.h', 'libc6-dev')),
  ],
  // Binaries for the other architecture, and running them.
  cross: [
    program('aarch64-linux-gnu-g++', 'g++-aarch64-linux-gnu'),
    program('qemu-aarch64-static', 'qemu-user-static'),
  ],
  test: [header('uv.h', 'libuv1-dev'), header('openssl/ssl.h', 'libssl-dev'), header('zlib.h', 'zlib1g-dev')],
  sanitize: [program('valgrind')],
  fuzz: [
    program('clang'),
    {
      name: "clang's libFuzzer",
      get debian() {
        return `libclang-rt-${clangVersion()}-dev`;
      },
      found: fuzzerFound,
    },
  ],
  browser: [{ name: 'Chromium', debian: 'chromium', found: () => chromium() !== undefined }],
  redis: [program('redis-server')],
  proxies: [system('nginx', 'nginx-light'), system('haproxy')],
  lint: [
    program('clang-format'),
    program('clang-tidy'),
    program('cppcheck'),
    program('luacheck', 'lua-check'),
  ],
};

/**
 * Makes sure that the groups' needs are there: installs what is missing where it may (root on Debian or
 * Ubuntu), announced in one line, and otherwise fails with one sentence that says what to do.
 */
export function need(...names) {
  const missing = lacking(names);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((item) => item.debian))];
  const what = missing.map((item) => item.name).join(', ');
  if (!onDebian())
    throw new Failure(`Missing for this step: ${what}; install it with your system's package manager.`);
  if (process.getuid() !== 0) {
    throw new Failure(`Missing for this step: ${what}; run: sudo apt-get install ${packages.join(' ')}`);
  }
  console.log(`installing with apt-get: ${packages.join(' ')}`);
  install(packages);
  const still = lacking(names);
  if (still.length > 0) {
    throw new Failure(`apt-get brought no ${still.map((item) => item.name).join(', ')}; install it by hand.`);
  }
}

function lacking(names) {
  return names.flatMap((name) => {
    if (!groups[name])
      throw new Failure(`no prerequisites "${name}"; there are ${Object.keys(groups).join(', ')}`);
    return groups[name].filter((item) => !item.found());
  });
}

function install(packages) {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  // Another package installation may be running: wait for it instead of failing.
  const options = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=2'];
  const steps = [
    ['update', ...options],
    ['install', ...options, '--no-install-recommends', ...packages],
  ];
  for (const args of steps) {
    const result = attempt('apt-get', args, { env });
    if (!result.ok) {
      const reason = result.stderr.trim().split('\n').at(-1);
      throw new Failure(
        `apt-get ${args[0]} failed (${reason}); install by hand: apt-get install ${packages.join(' ')}`,
      );
    }
  }
}

function onDebian() {
  if (process.platform !== 'linux' || !existsSync('/etc/os-release') || !inPath('apt-get')) return false;
  const text = readFileSync('/etc/os-release', 'utf8');
  return /^ID(?:_LIKE)?=.*\b(?:debian|ubuntu)\b/m.test(text);
}

function inPath(name) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, name)));
}

/** Daemons lie where the path of users does not look. */
function inSystemPath(name) {
  return ['/usr/sbin', '/usr/local/sbin'].some((folder) => existsSync(join(folder, name)));
}

/** Found where the compiler looks; a compiler that is missing itself finds nothing. */
function headerFound(path) {
  const roots = ['/usr/include', '/usr/local/include'];
  return roots.some(
    (folder) => existsSync(join(folder, path)) || multiarch().some((m) => existsSync(join(folder, m, path))),
  );
}

/** Which version Debian's `clang` is: its runtime is a package of its own. */
function clangVersion() {
  const { stdout } = attempt('apt-cache', ['depends', 'clang']);
  return /^\s*Depends: clang-(\d+)$/m.exec(stdout)?.[1] ?? '14';
}

function fuzzerFound() {
  const { ok, stdout } = attempt('clang', ['-print-resource-dir']);
  const folder = join(stdout.trim(), 'lib');
  return (
    ok &&
    existsSync(folder) &&
    readdirSync(folder, { recursive: true }).some((name) => /libclang_rt\.fuzzer(?:-\w+)?\.a$/.test(name))
  );
}

function multiarch() {
  return ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf'];
}

/** The Chromium that the browser tests use: `CHROMIUM`, or the first in the path. */
export function chromium() {
  const set = process.env.CHROMIUM;
  if (set) return existsSync(set) ? set : undefined;
  const name = ['chromium', 'chromium-browser', 'google-chrome'].find(inPath);
  return (
    name &&
    (process.env.PATH ?? '')
      .split(delimiter)
      .map((folder) => join(folder, name))
      .find(existsSync)
  );
}
