import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './pages.js';

const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Names of the members that an interface itself declares. */
export function membersOf(path: string, name: string): string[] {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
  const found = source.statements.find(
    (one): one is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(one) && one.name.text === name,
  );
  if (found === undefined) throw new Error(`Expected an interface ${name} in ${path}`);
  return found.members.map((member) => member.name?.getText() ?? '').filter((member) => /^\w+$/.test(member));
}

/** The numbers that stand for options which were left out: `name ?? 16 * MIB`, `name = 10_000`. */
export function numericDefaults(...paths: string[]): Map<string, number> {
  const factor = String.raw`(?:\d[\d_]*|MIB)`;
  const pattern = new RegExp(
    String.raw`\b(\w+)\s*(?:\?\?|=)\s*(${factor}(?:\s*\*\s*${factor})*)(?=[,;)\s}])`,
    'g',
  );
  const found = new Map<string, number>();
  for (const [, name, product] of paths.map(read).join('\n').matchAll(pattern)) {
    const factors = product!.split('*').map((one) => one.trim().replaceAll('_', ''));
    found.set(
      name!,
      factors.reduce((value, one) => value * (one === 'MIB' ? 1024 * 1024 : Number(one)), 1),
    );
  }
  return found;
}
