import { readdirSync, readFileSync } from 'node:fs';

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

const lib = join(here, '../../lib');

/** The interfaces of options, handlers and values that users write as literals, by the names of the entry points. */
function publicInterfaces(): ts.InterfaceDeclaration[] {
  const entries = ['index.ts', 'sessions/index.ts', 'redis/index.ts'].map((name) => join(lib, name));
  const exported = new Set(
    entries.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\w+/g)].map(([word]) => word)),
  );
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return files
    .map((name) => ts.createSourceFile(name, readFileSync(join(lib, name), 'utf8'), ts.ScriptTarget.Latest))
    .flatMap((source) => source.statements.filter(ts.isInterfaceDeclaration))
    .filter(({ name }) => exported.has(name.text) || name.text === 'CommonTlsOptions');
}

/** Optional methods are for those who implement an interface, as a store: a class has one or has it not. */
function optionalMembers(declared: ts.InterfaceDeclaration): { name: string; undefinable: boolean }[] {
  const implemented = /Store$|Source$/.test(declared.name.text);
  return declared.members
    .filter((member) => member.questionToken !== undefined && !(implemented && ts.isMethodSignature(member)))
    .map((member) => {
      const type = ts.isPropertySignature(member) ? member.type : undefined;
      const parts = type && ts.isUnionTypeNode(type) ? type.types : [type];
      const undefinable = parts.some((part) => part?.kind === ts.SyntaxKind.UndefinedKeyword);
      return { name: `${declared.name.text}.${(member.name as ts.Identifier).text}`, undefinable };
    });
}

describe('the types of the package', () => {
  it('accept, infer and refuse what types.test-d.ts says', () => {
    expect(compile('types.test-d.ts')).toEqual([]);
  }, 60_000);

  it('state undefined beside each option that may be left out', () => {
    const optional = publicInterfaces().flatMap(optionalMembers);
    expect(optional.length).toBeGreaterThan(120);
    expect(optional.filter(({ undefinable }) => !undefinable).map(({ name }) => name)).toEqual([]);
  });

  it('let every option be undefined under exactOptionalPropertyTypes', () => {
    expect(compile('types-exact.test-d.ts', { exactOptionalPropertyTypes: true })).toEqual([]);
  }, 60_000);
});
