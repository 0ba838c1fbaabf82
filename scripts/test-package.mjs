// npm run test:package: packs the package with its binaries, installs and runs it as its users do.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildLib } from './build-lib.mjs';
import { buildable, prebuild } from './prebuild.mjs';
import { need } from './tools/prerequisites.mjs';
import { fetchNode, fetchPackage } from './tools/programs.mjs';
import { main, root, run } from './tools/run.mjs';
import { runSuite } from './tools/suite.mjs';

const folder = join(root, 'build', 'package');
/** The oldest Node that is promised, and the newest of each line. */
const nodes = ['20.17.0', '22.23.3', '24.21.0', '26.10.0'];
const arm64Node = '22.23.3';
/** Each manager's program, started with Node. */
const managers = {
  'npm 11': ['npm', '11.21.2', 'bin/npm-cli.js'],
  'npm 12': ['npm', '12.2.0', 'bin/npm-cli.js'],
  pnpm: ['pnpm', '10.18.3', 'bin/pnpm.cjs'],
  'yarn classic': ['yarn', '1.22.22', 'bin/yarn.js'],
  'yarn berry': ['@yarnpkg/cli-dist', '4.18.1', 'bin/yarn.js'],
};
/** Bundlers, with what they need beside them. */
const bundlers = {
  esbuild: ['esbuild', '0.28.2'],
  rollup: ['rollup', '4.68.8'],
  'rollup resolve': ['@rollup/plugin-node-resolve', '16.0.3'],
  'rollup commonjs': ['@rollup/plugin-commonjs', '29.0.3'],
  webpack: ['webpack', '5.113.0'],
  ncc: ['@vercel/ncc', '0.45.0'],
};
const table = (pairs) => Object.fromEntries(pairs);

/** Packs what is in the checkout and returns the tarball's path. */
function pack() {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const flags = ['--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(run('npm', ['pack', ...flags], { quiet: true }));
  return join(folder, filename);
}

await main(async (args) => {
  const crossed = buildable().includes('linux-arm64') && process.arch === 'x64';
  if (crossed) need('cross');
  await prebuild();
  await buildLib();
  const inputs = {
    tarball: pack(),
    targets: buildable(),
    nodes: table(nodes.map((version) => [version, fetchNode(version)])),
    managers: table(
      Object.entries(managers).map(([name, [from, version, program]]) => [
        name,
        join(fetchPackage(from, version), program),
      ]),
    ),
    bundlers: table(
      Object.entries(bundlers).map(([name, [from, version]]) => [name, fetchPackage(from, version)]),
    ),
    emulated: crossed ? { arm64: fetchNode(arm64Node, 'arm64'), x64: fetchNode(arm64Node) } : {},
  };
  const file = join(folder, 'inputs.json');
  writeFileSync(file, JSON.stringify(inputs, null, 2));
  const { code, passed, failed } = runSuite({
    name: 'package',
    args: ['--config', 'test/package/vitest.config.ts', ...args],
    env: { LWS_PACKAGE_INPUTS: file },
  });
  console.log(`${passed} passed, ${failed} failed`);
  return code;
});
