import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './pages.js';

const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** The interfaces of lib/ by name; of two the exported one. */
const interfaces = new Map<string, ts.InterfaceDeclaration>();
for (const name of readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.ts')) continue;
  const source = ts.createSourceFile(name, read(join('lib', name)), ts.ScriptTarget.Latest, true);
  for (const one of source.statements.filter(ts.isInterfaceDeclaration)) {
    const isExported = one.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
    if (isExported || !interfaces.has(one.name.text)) interfaces.set(one.name.text, one);
  }
}

/** Names of the members that an interface of ours itself declares. */
export function membersOf(name: string): string[] {
  const found = interfaces.get(name);
  if (found === undefined) throw new Error(`Expected an interface ${name} in lib/`);
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
