import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, Failure, root, run } from './run.mjs';

/** The folder of `name@version` from the registry, alone in a folder of its own; fetched once. */
export function fetchPackage(name, version) {
  const folder = join(root, 'build', 'programs', `${name.replace('/', '-')}-${version}`);
  const installed = join(folder, 'node_modules', name);
  if (existsSync(join(installed, 'package.json'))) return installed;
  mkdirSync(folder, { recursive: true });
  // --force: binaries of another architecture, for the emulator.
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--force'];
  run('npm', ['install', '--prefix', folder, ...flags, `${name}@${version}`], { cwd: folder, quiet: true });
  if (!existsSync(installed)) throw new Failure(`npm brought no ${name}@${version}`);
  return installed;
}

/** The Node executable of a version, from the packages that carry them by platform and architecture. */
export function fetchNode(version, arch = process.arch) {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const binary = join(fetchPackage(`node-${platform}-${arch}`, version), 'bin', 'node');
  if (!existsSync(binary)) throw new Failure(`node-${platform}-${arch}@${version} holds no bin/node`);
  if (arch !== process.arch) return binary;
  const result = attempt(binary, ['--version']);
  if (!result.ok) throw new Failure(`${binary} does not run: ${result.stderr.trim()}`);
  return binary;
}
