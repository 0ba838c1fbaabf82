import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const sources = ['ambient.ts', 'realms.ts', 'arguments.ts', 'errors.ts', 'sessions', 'redis'];

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
  for (const source of sources) {
    const isFile = source.endsWith('.ts');
    const names = isFile ? [source] : await readdir(join(root, 'lib', source), { recursive: true });
    for (const name of names.filter((name) => name.endsWith('.ts'))) {
      const path = isFile ? name : join(source, name);
      const text = await readFile(join(root, 'lib', path), 'utf8');
      const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
      const target = join(folder, path.replace(/\.ts$/, '.js'));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, ts.transpileModule(text, { compilerOptions: options }).outputText);
    }
  }
  return {
    url: (module) => pathToFileURL(join(folder, module)).href,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
