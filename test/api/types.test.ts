import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));

function compile(file: string): string[] {
  const { config } = ts.readConfigFile(join(here, '../../tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(here, '../..'));
  const program = ts.createProgram([join(here, file)], options);
  return ts.getPreEmitDiagnostics(program).map(({ file: source, start, messageText }) => {
    const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${source?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('the types of the package', () => {
  it('accept, infer and refuse what types.test-d.ts says', () => {
    expect(compile('types.test-d.ts')).toEqual([]);
  }, 60_000);
});
