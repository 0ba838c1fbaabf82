import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const sources = [
  'CMakeLists.txt',
  'binding.gyp',
  'cmake',
  'lib',
  'native',
  'package.json',
  'patches',
  'scripts',
];
/** In `build/`, but nothing that CMake made for the addon. */
const others = /^(ci|dist|docs|hostile|lint|native-|package|prebuild|programs|sanitize)/;

const build = (checkout: string) =>
  spawnSync(process.execPath, [join(checkout, 'scripts', 'build.mjs')], { cwd: checkout, encoding: 'utf8' });

it('builds where it was copied to with its build folder', () => {
  expect(build(root)).toMatchObject({ status: 0 });
  const copy = join(realpathSync(mkdtempSync(join(tmpdir(), 'lws-moved-'))), 'elsewhere');
  onTestFinished(() => rmSync(join(copy, '..'), { recursive: true, force: true }));
  mkdirSync(join(copy, 'build'), { recursive: true });
  for (const name of sources) cpSync(join(root, name), join(copy, name), { recursive: true });
  for (const name of readdirSync(join(root, 'build')))
    if (!others.test(name)) cpSync(join(root, 'build', name), join(copy, 'build', name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  rmSync(join(copy, 'build', 'Release', 'lws.node'));

  const { status, stdout, stderr } = build(copy);
  expect(status, stdout + stderr).toBe(0);
  expect(existsSync(join(copy, 'build', 'Release', 'lws.node'))).toBe(true);
});
