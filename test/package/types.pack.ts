import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { Folder } from './helpers/folder.js';

const root = join(import.meta.dirname, '..', '..');
const program = readFileSync(join(import.meta.dirname, 'fixtures', 'consumer.ts'), 'utf8');

function complaints(folder: Folder, name: string, options: ts.CompilerOptions): string[] {
  const file = folder.write(name, program);
  const compiled = ts.createProgram([file], {
    strict: true,
    noEmit: true,
    // The package's own declarations are judged too.
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: [],
    typeRoots: [join(root, 'node_modules', '@types')],
    ...options,
  });
  return ts
    .getPreEmitDiagnostics(compiled)
    .map(
      ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

const node16 = { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 };
const nodeNext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
/* what TypeScript had before exports maps */
const node10 = {
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10,
  ignoreDeprecations: '6.0',
};
const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };

describe("the types of the installed package compile in a user's", () => {
  it.each<[string, string, ts.CompilerOptions]>([
    ['ES module', 'user.mts', node16],
    ['CommonJS module', 'user.cts', node16],
    ['ES module of NodeNext', 'user.mts', nodeNext],
    ['bundled module', 'user.ts', bundler],
    ['CommonJS module of node10', 'user.ts', node10],
  ])('%s', (_, name, options) => {
    using folder = new Folder().unpack();
    expect(complaints(folder, name, options)).toEqual([]);
  });
});
