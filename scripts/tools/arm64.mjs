import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { need } from './prerequisites.mjs';
import { root, run } from './run.mjs';

const triple = 'aarch64-linux-gnu';
const packages = ['libuv1-dev', 'libuv1', 'libssl-dev', 'libssl3', 'zlib1g-dev', 'zlib1g'];

/** Where Debian's libuv, OpenSSL and zlib for arm64 are kept: unpacked here, not installed. */
const libraries = join(root, 'build', 'arm64-libraries');

/** CMake settings that build the C tests for arm64, with what they link. */
export function arm64Settings() {
  need('cross');
  fetchLibraries();
  return [
    `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'cmake', 'toolchains', 'linux-arm64.cmake')}`,
    `-DLWSN_CROSS_LIBRARIES=${libraries}`,
  ];
}

/** Runs such a program. */
export const arm64Launcher = [
  'qemu-aarch64-static',
  ...['-L', `/usr/${triple}`],
  ...['-E', `LD_LIBRARY_PATH=${join(libraries, 'usr', 'lib', triple)}`],
];

function fetchLibraries() {
  if (existsSync(libraries)) return;
  const part = `${libraries}.part`;
  const debs = join(part, 'debs');
  rmSync(part, { recursive: true, force: true });
  for (const name of ['lists/partial', 'cache/archives/partial', 'debs'])
    mkdirSync(join(part, name), { recursive: true });
  // apt with a state of its own: the system's architectures and lists stay as they are.
  const options = [
    'APT::Architecture=arm64',
    'APT::Architectures=arm64',
    'APT::Sandbox::User=root',
    `Dir::State::lists=${join(part, 'lists')}`,
    `Dir::Cache=${join(part, 'cache')}`,
    'Dir::State::status=/dev/null',
  ].flatMap((option) => ['-o', option]);
  run('apt-get', ['-q', ...options, 'update'], { quiet: true });
  run('apt-get', ['-q', ...options, 'download', ...packages], { cwd: debs, quiet: true });
  for (const name of readdirSync(debs)) run('dpkg-deb', ['-x', join(debs, name), part], { quiet: true });
  // Headers of one architecture lie apart; here there is only one.
  cpSync(join(part, 'usr', 'include', triple), join(part, 'usr', 'include'), { recursive: true });
  for (const name of ['lists', 'cache', 'debs']) rmSync(join(part, name), { recursive: true });
  renameSync(part, libraries);
}
