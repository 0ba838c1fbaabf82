import { describe, expect, it } from 'vitest';
import { type Command, Folder } from './helpers/folder.js';
import { inputs, managersNode } from './helpers/inputs.js';
import { type Form, forms, useExample } from './helpers/readme.js';

interface Manager {
  program: string;
  args: string[];
  /** Files that set it up. */
  files?: Record<string, string>;
  /** How Node is started in the project. */
  node?: Command;
  env?: Record<string, string>;
}

const berry = (linker: string) =>
  [
    `nodeLinker: ${linker}`,
    'enableScripts: false',
    'enableImmutableInstalls: false',
    'enableTelemetry: false',
  ].join('\n');
const tarball = `file:${inputs.tarball}`;

const ways: Record<string, Manager> = {
  'npm 11': { program: 'npm 11', args: ['install', inputs.tarball, '--ignore-scripts', '--no-audit'] },
  'npm 12': { program: 'npm 12', args: ['install', inputs.tarball, '--ignore-scripts', '--no-audit'] },
  'npm 12 that makes a script of a dependency an error': {
    program: 'npm 12',
    args: ['install', inputs.tarball, '--strict-allow-scripts', '--no-audit'],
  },
  pnpm: { program: 'pnpm', args: ['add', inputs.tarball, '--ignore-scripts', '--store-dir', '.store'] },
  'pnpm that makes a script of a dependency an error': {
    program: 'pnpm',
    args: ['add', inputs.tarball, '--config.strict-dep-builds=true', '--store-dir', '.store'],
  },
  'yarn classic': { program: 'yarn classic', args: ['add', tarball, '--ignore-scripts'] },
  'yarn berry with node_modules': {
    program: 'yarn berry',
    args: ['add', `libwebsockets@${tarball}`],
    files: { '.yarnrc.yml': berry('node-modules'), 'yarn.lock': '' },
  },
  "yarn berry with Plug'n'Play": {
    program: 'yarn berry',
    args: ['add', `libwebsockets@${tarball}`],
    files: { '.yarnrc.yml': berry('pnp'), 'yarn.lock': '' },
    node: [managersNode, '--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs', '--no-warnings'],
  },
};

describe.each(Object.entries(ways))('installed from the tarball by %s', (_, way) => {
  it("runs the README's example as ESM and as CommonJS, and without a word on scripts", async () => {
    using folder = new Folder(way.files);
    const said = folder.install(way.program, way.args);
    expect(said).not.toMatch(/allow-?scripts|build scripts|node-gyp|approve-builds/i);
    for (const form of Object.keys(forms) as Form[])
      await useExample(folder, way.node ?? [managersNode], form);
  });
});
