import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const lib = join(root, 'lib');
const entries = ['sessions/index.ts', 'redis/index.ts'];

/** The modules of ours that one imports, as paths of sources. */
const importsOf = (path: string, text: string) =>
  [...text.matchAll(/\bfrom '(\.[^']+)\.(js|lua)'/g)].map(([, name, kind]) =>
    join(dirname(path), `${name}.${kind === 'js' ? 'ts' : kind}`),
  );

/** The sessions as JavaScript, for child processes: from the sources as they are now, whatever was built before. */
export interface Compiled {
  /** URL of a module, as `redis/index.js`. */
  url(module: string): string;
  remove(): Promise<void>;
}

export async function compileSessions(): Promise<Compiled> {
  // Inside the package, so that its dependencies are found.
  await mkdir(join(root, 'build'), { recursive: true });
  const folder = await mkdtemp(join(root, 'build', 'sessions-'));
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const paths = new Set(entries);
  for (const path of paths) {
    const text = await readFile(join(lib, path), 'utf8');
    for (const imported of importsOf(path, text)) paths.add(imported);
    const target = join(folder, path.replace(/\.(ts|lua)$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    const code = path.endsWith('.lua')
      ? `export default ${JSON.stringify(text)};`
      : ts.transpileModule(text, { compilerOptions }).outputText.replace(/\.lua'/g, ".js'");
    await writeFile(target, code);
  }
  return {
    url: (module) => pathToFileURL(join(folder, module)).href,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
