import { cpSync, existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prebuildName, runningPlatform } from '../../lib/crossing/platform.js';
import { Folder } from './helpers/folder.js';
import { inputs, managersNode } from './helpers/inputs.js';

const source = new Folder().unpack().fixtures('app.mjs', 'bundle.mjs');
const prebuilds = join(source.path, 'node_modules', 'libwebsockets', 'prebuilds');
const required = readFileSync(join(source.path, 'app.mjs'), 'utf8')
  .replace(/await import\((.*)\)/g, 'require($1)')
  .replace(/^import (.*) from (.*);$/gm, 'const $1 = require($2);');
source.write('app-required.cjs', required);
afterAll(() => source[Symbol.dispose]());

const folders = JSON.stringify(inputs.bundlers);
const ways: string[] = JSON.parse(source.run([managersNode], ['bundle.mjs']).stdout);
const nodes = Object.values(inputs.nodes);
const binary = `${prebuildName(runningPlatform())}.node`;

/** Makes the bundle and moves it to a folder of its own, with `prebuilds` beside it; returns its path. */
function bundle(way: string, folder: Folder): string {
  const out = join(source.path, 'out');
  const { code, said } = source.run([managersNode], ['bundle.mjs', way, out, folders]);
  if (code !== 0) throw new Error(`${way}: ${said}`);
  renameSync(out, join(folder.path, 'moved'));
  cpSync(prebuilds, join(folder.path, 'moved', 'prebuilds'), { recursive: true });
  const program = ['app.mjs', 'app.cjs'].find((name) => existsSync(join(folder.path, 'moved', name)));
  return join('moved', program!);
}

const texts = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[cm]?js$/.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');

describe.each(ways)('bundled by %s', (way) => {
  const folder = new Folder();
  let program: string;
  beforeAll(() => {
    program = bundle(way, folder);
  });
  afterAll(() => folder[Symbol.dispose]());

  it('holds no path of the machine that it was made on', () => {
    expect(texts(join(folder.path, 'moved'))).not.toContain(source.path);
  });

  it.each([0, -1].map((at) => Object.entries(inputs.nodes).at(at)!))(
    'runs in the main thread and in workers wherever it lies, with prebuilds beside it, on Node %s',
    (_, node) => {
      const expected = ['main', 'worker'].flatMap((where) => [
        `${where}: true`,
        `${where}: there and back, true`,
      ]);
      expect(folder.run([node], [program]).said.split('\n')).toEqual(expected);
    },
  );

  it('says where prebuilds are expected when they are missing, and takes them from where it is told', () => {
    renameSync(join(folder.path, 'moved', 'prebuilds'), join(folder.path, 'elsewhere'));
    const { said } = folder.run([nodes[0]!], [program]);
    expect(said).toContain('ERR_LOAD: No native binary of libwebsockets could be loaded');
    expect(said).toContain(`${join(folder.path, 'moved', 'prebuilds', binary)}: not there`);
    expect(said).toContain(`copy the folder prebuilds of the package to ${join(folder.path, 'moved')}`);
    expect(said).not.toContain(source.path);
    const env = { LIBWEBSOCKETS_BINARY: join(folder.path, 'elsewhere', binary) };
    expect(folder.run([nodes[0]!], [program], env).said).toContain('worker: there and back, true');
  });
});
