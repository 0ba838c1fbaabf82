import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Command, Folder } from './helpers/folder.js';
import { inputs } from './helpers/inputs.js';
import { type Form, forms, useExample } from './helpers/readme.js';

const folder = new Folder().unpack().fixtures('identity.mjs', 'exercise.mjs');
afterAll(() => folder[Symbol.dispose]());
const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem'];
execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-out', 'cert.pem'], {
  cwd: folder.path,
  stdio: 'pipe',
});

const { exports } = JSON.parse(
  readFileSync(join(folder.path, 'node_modules/libwebsockets/package.json'), 'utf8'),
);
const entries = Object.keys(exports)
  .filter((name) => name !== './package.json')
  .map((name) => `libwebsockets${name.slice(1)}`);

const runs: [string, Command][] = Object.entries(inputs.nodes).map(([version, node]) => [
  `Node ${version}`,
  [node],
]);
const { arm64, x64 } = inputs.emulated;
if (arm64)
  runs.push([
    'an arm64 Node under QEMU',
    ['/usr/bin/qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu', arm64],
  ]);
if (x64) runs.push(['a processor without AVX', ['/usr/bin/qemu-x86_64-static', '-cpu', 'Nehalem', x64]]);

describe.each(runs)('in a folder with only the package, without a compiler, on %s', (_, command) => {
  it.each(Object.keys(forms) as Form[])("runs the README's example as %s", async (form) => {
    await useExample(folder, command, form);
  });

  it('brings back every byte, plain, compressed and over TLS', () => {
    const { code, said } = folder.run(command, ['exercise.mjs']);
    expect(said).toBe('plain: ok\ndeflate: ok\nTLS: ok\nsessions: ok');
    expect(code).toBe(0);
  });

  it('is one package for import and require', () => {
    const { said } = folder.run(command, ['identity.mjs', ...entries]);
    expect(said.split('\n')).toEqual(entries.map((entry) => `${entry}: true`));
  });

  it('runs its program', () => {
    const { said } = folder.run(command, ['node_modules/libwebsockets/dist/cli/main.mjs', '--help']);
    expect(said).toMatch(/^Usage: libwebsockets /);
  });
});
