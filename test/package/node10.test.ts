import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, onTestFinished, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('../..', import.meta.url));

test('every entry point has its types for TypeScript that knows no exports map (node10)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lws-node10-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'libwebsockets'));
  const names = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'));
  const options = { moduleResolution: ts.ModuleResolutionKind.Node10, module: ts.ModuleKind.CommonJS };
  const from = join(folder, 'program.ts');
  writeFileSync(from, '');
  const found = names.map((name) => {
    const { resolvedModule } = ts.resolveModuleName(`libwebsockets${name.slice(1)}`, from, options, ts.sys);
    return [name, resolvedModule?.extension];
  });
  expect(names.length).toBeGreaterThan(3);
  expect(found).toEqual(names.map((name) => [name, '.d.cts']));
});
