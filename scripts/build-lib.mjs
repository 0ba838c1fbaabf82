// Builds lib/ to dist/ (ESM, CommonJS and types) when the sources differ from the last build's.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withBuildLock } from './tools/lock.mjs';
import { Failure, isMain, main, root } from './tools/run.mjs';

const settings = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build-lib.mjs'];

export async function buildLib() {
  await withBuildLock(async () => {
    const stamp = join(root, 'build', 'dist-built-from');
    const key = sourceKey();
    const there = existsSync(join(root, 'dist', 'index.mjs'));
    if (there && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
    await bundle();
    joinForms();
    swap();
    writeFileSync(stamp, key);
    console.log('built dist/');
  });
}

async function bundle() {
  const { build } = await import('tsdown').catch((cause) => {
    throw new Failure(`tsdown is not installed; run: npm ci (${cause.message})`);
  });
  const entries = Object.entries(entryPoints());
  const there = entries.filter(([, source]) => existsSync(join(root, source)));
  for (const [, source] of entries.filter((entry) => !there.includes(entry))) {
    console.log(`${source} does not exist: its entry point is not built`);
  }
  try {
    await build({
      config: false,
      cwd: root,
      entry: Object.fromEntries(there),
      format: ['esm', 'cjs'],
      platform: 'node',
      target: 'node20.17',
      outDir: 'dist.part',
      tsconfig: 'tsconfig.build.json',
      dts: true,
      // TypeScript 6 and newer take no types in by themselves: without it, what is Node's is `any` to our users.
      banner: { dts: '/// <reference types="node" />' },
      loader: { '.lua': 'text' },
      sourcemap: true,
      shims: true,
      clean: true,
      report: false,
      logLevel: 'error',
      failOnWarn: false,
    });
  } catch (error) {
    throw new Failure(`dist/ could not be built: ${error.message}`);
  }
}

/**
 * Node before 20.19 and 22.10 knows no `module-sync`: there, `import` gets the CommonJS form through these
 * files, so that it shares its classes with `require`.
 */
function joinForms() {
  for (const name of Object.keys(entryPoints())) {
    const form = join(root, 'dist.part', name);
    if (existsSync(`${form}.cjs`) && !name.startsWith('cli/'))
      writeFileSync(`${form}.node.mjs`, `export * from './${basename(name)}.cjs';\n`);
  }
}

/** Whoever loads dist/ meanwhile finds the old one or the new one, not half of it. */
function swap() {
  const [part, dist, old] = ['dist.part', 'dist', 'dist.old'].map((name) => join(root, name));
  rmSync(old, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(part, dist);
  rmSync(old, { recursive: true, force: true });
}

/** Each entry point of the package, and each program, is built from the source of the same name. */
export function entryPoints() {
  const { exports, bin = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const targets = Object.values(exports).filter((target) => typeof target === 'object');
  const outputs = [...targets.map((target) => target.import.default), ...Object.values(bin)];
  return Object.fromEntries(
    outputs.map((output) => {
      const name = output.replace(/^\.\/dist\//, '').replace(/\.mjs$/, '');
      return [name, `lib/${name}.ts`];
    }),
  );
}

function sourceKey() {
  const sources = readdirSync(join(root, 'lib'), { recursive: true }).filter((name) =>
    /\.(?:ts|lua)$/.test(name),
  );
  const digest = createHash('sha256');
  for (const name of [...settings, ...sources.sort().map((source) => join('lib', source))]) {
    digest.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  }
  return digest.digest('hex');
}

if (isMain(import.meta.url)) await main(buildLib);
