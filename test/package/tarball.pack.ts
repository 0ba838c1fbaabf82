import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { describe, expect, it } from 'vitest';
import { Folder } from './helpers/folder.js';
import { inputs } from './helpers/inputs.js';

const root = join(import.meta.dirname, '..', '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const listing = execFileSync('tar', ['-tvzf', inputs.tarball], { encoding: 'utf8' }).trim().split('\n');
const sizes = new Map(
  listing.map((line) => {
    const [, , size, , , name] = line.split(/\s+/);
    return [name!.replace(/^package\//, ''), Number(size)];
  }),
);
const names = [...sizes.keys()];
/** Paths that a field of package.json names. */
function paths(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('./') ? [value.slice(2)] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(paths) : [];
}

describe('the tarball', () => {
  it('holds nothing but what its users need', () => {
    const allowed = [
      /^(?:LICENSE|README\.md|ARCHITECTURE\.md|CHANGELOG\.md|SECURITY\.md|package\.json)$/,
      /^docs\/(?:(?:sessions\/)?[\w-]+\.md|images\/[a-z-]+\.svg)$/,
      /^prebuilds\/[a-z0-9]+-[a-z0-9]+(?:-musl)?\.node$/,
      /^dist\/(?:[a-z-]+\/)*[\w-]+\.(?:mjs|cjs|node\.mjs|d\.mts|d\.cts|mjs\.map|cjs\.map)$/,
    ];
    expect(names.filter((name) => !allowed.some((pattern) => pattern.test(name)))).toEqual([]);
  });

  it('holds every file that package.json names', () => {
    const named = [manifest.main, manifest.module, manifest.types, manifest.bin, manifest.exports].flatMap(
      paths,
    );
    expect(named.filter((name) => !sizes.has(name))).toEqual([]);
    expect(named.length).toBeGreaterThan(10);
  });

  it.each(inputs.targets)('holds the binary of %s, at most 1 MiB of it', (target) => {
    expect(sizes.get(`prebuilds/${target}.node`)).toBeGreaterThan(100_000);
    expect(sizes.get(`prebuilds/${target}.node`)).toBeLessThanOrEqual(1 << 20);
  });

  it('gives each entry point JavaScript and types for import, for require and for Node of every age', () => {
    const entries = Object.entries(manifest.exports).filter(([name]) => name !== './package.json');
    for (const [name, conditions] of entries) {
      const base = `./dist/${name === '.' ? 'index' : name.slice(2)}`;
      const form = (code: string, types: string) => ({
        types: expect.stringMatching(new RegExp(`^${base}(?:/index)?\\.${types}$`)),
        default: expect.stringMatching(new RegExp(`^${base}(?:/index)?\\.${code}$`)),
      });
      const esm = form('mjs', 'd\\.mts');
      const commonJs = form('cjs', 'd\\.cts');
      const old = { import: form('node\\.mjs', 'd\\.mts'), require: commonJs };
      expect(conditions).toEqual({
        // Of bundlers: both forms would become one bundle's, and CommonJS in it would call for `require`.
        module: esm,
        'module-sync': esm,
        node: old,
        import: esm,
        require: commonJs,
      });
      expect(Object.keys(conditions as object)).toEqual([
        'module',
        'module-sync',
        'node',
        'import',
        'require',
      ]);
    }
  });

  it('stays below 4 MiB', () => {
    expect(statSync(inputs.tarball).size).toBeLessThan(4 << 20);
  });

  it('gives no installer anything to run', () => {
    using folder = new Folder().unpack();
    const file = join(folder.path, 'node_modules', 'libwebsockets', 'package.json');
    const { scripts = {}, gypfile } = JSON.parse(readFileSync(file, 'utf8'));
    const run = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(run.filter((name) => name in scripts)).toEqual([]);
    expect(gypfile).toBe(false);
    expect(sizes.has('binding.gyp')).toBe(false);
  });

  it('names no dependency that an installer would have to fetch', () => {
    expect(manifest.dependencies ?? {}).toEqual({});
    expect(manifest.peerDependenciesMeta.redis.optional).toBe(true);
  });
});

describe('the judgement of', () => {
  it('publint, strict, has nothing to say', async () => {
    const tarball = readFileSync(inputs.tarball);
    const bytes = tarball.buffer.slice(
      tarball.byteOffset,
      tarball.byteOffset + tarball.length,
    ) as ArrayBuffer;
    const { messages } = await publint({ pack: { tarball: bytes }, strict: true });
    expect(messages).toEqual([]);
  });

  it('are-the-types-wrong is that each entry point resolves, from CommonJS, ESM and bundlers', () => {
    const require = createRequire(import.meta.url);
    const program = join(dirname(require.resolve('@arethetypeswrong/cli/package.json')), 'dist', 'index.js');
    const args = [program, inputs.tarball, '--format', 'json'];
    const { analysis, problems } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    const kinds = Object.values<{ kind: string; resolutionKind?: string }[]>(problems ?? {}).flat();
    /* for node10, which knows no exports map, it looks for files of the subpaths' names alone: see node10.test.ts */
    expect(kinds.filter(({ resolutionKind }) => resolutionKind !== 'node10')).toEqual([]);
    const entries = Object.entries<{ resolutions: Record<string, { resolution?: unknown }> }>(
      analysis.entrypoints,
    );
    expect(entries.map(([name]) => name).sort()).toEqual(Object.keys(manifest.exports).sort());
    for (const [name, { resolutions }] of entries)
      for (const kind of ['node16-cjs', 'node16-esm', 'bundler'])
        expect([name, kind, resolutions[kind]?.resolution !== undefined]).toEqual([name, kind, true]);
  });
});
