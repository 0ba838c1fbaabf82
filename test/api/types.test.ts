import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));

function compile(file: string, more: ts.CompilerOptions = {}): string[] {
  const { config } = ts.readConfigFile(join(here, '../../tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(here, '../..'));
  const name = join(here, file);
  const program = ts.createProgram([name], { ...options, ...more });
  /* what is more than our own strictness is asked of users' files alone */
  const only = Object.keys(more).length === 0 ? undefined : program.getSourceFile(name);
  return ts.getPreEmitDiagnostics(program, only).map(({ file: source, start, messageText }) => {
    const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${source?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('the types of the package', () => {
  it('accept, infer and refuse what types.test-d.ts says', () => {
    expect(compile('types.test-d.ts')).toEqual([]);
  }, 60_000);

  it('let every option be undefined under exactOptionalPropertyTypes', () => {
    expect(compile('types-exact.test-d.ts', { exactOptionalPropertyTypes: true })).toEqual([]);
  }, 60_000);
});
