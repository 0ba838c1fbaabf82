import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { guides, root } from './pages.js';

/** Some code of a page as a module of its own. */
export interface Program {
  /** `docs/tls.md:12`, where its last block begins. */
  readonly place: string;
  readonly source: string;
  readonly file: string;
  /** Set where it cannot be run here. */
  readonly notRun: boolean;
  /** What it says that it prints: the comments behind its `console.log(…);` */
  readonly prints: string[];
}

export const folder = join(root, 'build', 'docs-programs');

const GOES_ON = 'goes on';
const GIVEN = 'given: ';
const NOT_RUN = 'not run: ';

function fail(place: string, mark: string): never {
  throw new Error(
    `${place}: expected "goes on", "given: …" or "not run: …" above a code block but got "${mark}"`,
  );
}

/** The programs of README.md and docs/, by the convention that CONTRIBUTING.md tells. */
export function programs(): Program[] {
  const found: Program[] = [];
  for (const { name, blocks } of guides()) {
    let before = '';
    for (const { language, code, line, marks } of blocks) {
      if (!['js', 'ts'].includes(language)) continue;
      const place = `${name}:${line}`;
      for (const mark of marks)
        if (mark !== GOES_ON && !mark.startsWith(GIVEN) && !mark.startsWith(NOT_RUN)) fail(place, mark);
      const given = marks.filter((mark) => mark.startsWith(GIVEN)).map((mark) => mark.slice(GIVEN.length));
      const own = `${given.join('\n')}\n${code}`;
      const source = marks.includes(GOES_ON) ? `${before}\n${own}` : own;
      before = source;
      found.push({
        place,
        source: `${source}\nexport {};\n`,
        file: join(folder, `${place.replace(/[^\w]+/g, '-')}.ts`),
        notRun: marks.some((mark) => mark.startsWith(NOT_RUN)),
        prints: [...code.matchAll(/console\.log\(.*\); \/\/ (.+)$/gm)].map((match) => match[1]!),
      });
    }
  }
  return found;
}

/** Writes them anew. */
export function writePrograms(all: Program[]): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { file, source } of all) writeFileSync(file, source);
}

/** What a program comes to as JavaScript, after what differs here was replaced. */
export function compile(source: string): string {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

/** Type errors of all of them, checked strictly and as one program; each names its place. */
export function typeErrors(all: Program[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const files = [...all.map(({ file }) => file), join(root, 'lib/redis/lua.d.ts')];
  /* a reader need not use everything that an example shows */
  const lenient = { ...options, noUnusedLocals: false, noUnusedParameters: false, noImplicitReturns: false };
  return ts.getPreEmitDiagnostics(ts.createProgram(files, lenient)).map(({ file, start, messageText }) => {
    const program = all.find((one) => one.file === file?.fileName);
    const line = file?.text.slice(0, start).split('\n').at(-1) ?? '';
    const rest = file?.text.slice(start).split('\n')[0] ?? '';
    return `${program?.place ?? file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}\n  ${line}${rest}`;
  });
}
