// Everything that must stand before the first sample: compiled programs, fetched packages.
import { execFile } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeInclude } from '../../scripts/tools/node-dev.mjs';

const run = promisify(execFile);
const bench = dirname(dirname(fileURLToPath(import.meta.url)));

export const project = dirname(bench);
export const built = join(project, 'build', 'bench');

const binaries = {
  bun: ['@oven/bun-linux-x64', 'bin/bun'],
  deno: ['@deno/linux-x64-glibc', 'deno'],
};

const load = join(bench, 'load');
const programs = {
  load: {
    sources: () =>
      readdirSync(load)
        .filter((name) => name.endsWith('.c'))
        .map((name) => join(load, name)),
    flags: ['-O2'],
    libraries: ['-lssl', '-lcrypto', '-lz'],
  },
  floor: {
    sources: () => [join(bench, 'servers', 'floor.c'), join(load, 'accept.c'), join(load, 'frame.c')],
    flags: ['-O3', '-march=native'],
  },
  // An addon: the OpenSSL it measures is that of the Node that loads it.
  bare: {
    sources: () => [join(bench, 'servers', 'bare.c'), join(load, 'accept.c'), join(load, 'frame.c')],
    flags: ['-O2', '-shared', '-fPIC', '-fvisibility=hidden'],
    include: nodeInclude,
  },
};

/** Compiles a program of the bench unless it is newer than all it is made of; returns its path. */
export async function compile(name) {
  const { sources, flags, include, libraries = [] } = programs[name];
  const target = join(built, name);
  const files = sources();
  const headers = readdirSync(load)
    .filter((file) => file.endsWith('.h'))
    .map((file) => join(load, file));
  const newest = Math.max(...[...files, ...headers].map((file) => statSync(file).mtimeMs));
  if (existsSync(target) && statSync(target).mtimeMs > newest) return target;
  mkdirSync(built, { recursive: true });
  const compiler = process.env.CC || 'cc';
  try {
    await run(compiler, [
      '-std=c11',
      '-D_GNU_SOURCE',
      '-Wall',
      '-Wextra',
      ...flags,
      ...(include ? ['-isystem', include()] : []),
      ...files,
      ...libraries,
      '-o',
      target,
    ]);
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new Error(
        `the bench needs a C compiler: "${compiler}" was not found (Debian: apt-get install gcc)`,
      );
    throw new Error(`${name} does not compile:\n${error.stderr}`);
  }
  return target;
}

const split = (spec) => {
  const at = spec.lastIndexOf('@');
  return { name: spec.slice(0, at), version: spec.slice(at + 1) };
};

function holds(folder, packages) {
  return packages.map(split).every(({ name, version }) => {
    const manifest = join(folder, 'node_modules', name, 'package.json');
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version;
  });
}

/** The folder whose node_modules holds a peer's packages: the project's own, else one that npm fills once. */
async function findPackages({ name, packages }) {
  if (!packages || holds(project, packages)) return project;
  const folder = join(built, 'peers', name);
  if (holds(folder, packages)) return folder;
  mkdirSync(folder, { recursive: true });
  process.stderr.write(`fetching ${packages.join(', ')}\n`);
  const install = [
    'install',
    '--prefix',
    folder,
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    ...packages,
  ];
  try {
    await run('npm', install, { cwd: folder, timeout: 300_000 });
  } catch (error) {
    throw new Error(
      `peer ${name}: npm could not fetch ${packages.join(', ')}\n${error.stderr ?? error.message}`,
    );
  }
  if (!holds(folder, packages))
    throw new Error(`peer ${name}: npm installed another version than ${packages.join(', ')}`);
  return folder;
}

function binary(runtime, folder) {
  const file = join(folder, 'node_modules', ...binaries[runtime]);
  try {
    accessSync(file, constants.X_OK);
  } catch {
    chmodSync(file, 0o755);
  }
  return file;
}

/** The folder with key.pem and cert.pem of the servers that speak TLS, made once. */
export async function certificate() {
  const folder = join(built, 'tls');
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  if (existsSync(key) && existsSync(cert)) return folder;
  mkdirSync(folder, { recursive: true });
  const subject = ['-subj', '/CN=localhost', '-days', '3650'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  try {
    await run('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  } catch (error) {
    throw new Error(
      error.code === 'ENOENT'
        ? 'the bench needs the openssl program (Debian: apt-get install openssl)'
        : `openssl made no certificate:\n${error.stderr}`,
    );
  }
  return folder;
}

/** Finds or makes what a peer needs: `command` starts its server, `client` its client, to which the options of a cell are added. */
export async function preparePeer(peer) {
  if (peer.runtime === 'none') return { ...peer, command: [await compile('floor')] };
  const modules = peer.from ? process.env[peer.from] : await findPackages(peer);
  const start = {
    node: (script) => [process.execPath, '--expose-gc', script],
    bun: (script) => [binary('bun', modules), script],
    deno: (script) => [
      binary('deno', modules),
      'run',
      '--allow-all',
      '--no-lock',
      '--v8-flags=--expose-gc',
      script,
    ],
  }[peer.runtime];
  const command = (folder, name) => name && [...start(join(bench, folder, name)), `--modules=${modules}`];
  return { ...peer, command: command('servers', peer.script), client: command('clients', peer.client) };
}
