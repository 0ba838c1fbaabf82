import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LwsError } from './errors.js';

const here = dirname(fileURLToPath(import.meta.url));

/** The folder of this package: the nearest one above with our package.json. */
function packageRoot(): string {
  for (let folder = here; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'libwebsockets')
      return folder;
    if (dirname(folder) === folder) return here;
  }
}

/** glibc's version as the running Node reports it; undefined on musl and elsewhere. */
function glibcVersion(): string | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime;
}

function candidates(root: string): string[] {
  const override = process.env.LIBWEBSOCKETS_BINARY;
  if (override) return [override];
  const libc = process.platform === 'linux' && glibcVersion() === undefined ? '-musl' : '';
  return [
    join(root, 'build', 'Release', 'lws.node'),
    join(root, 'prebuilds', `${process.platform}-${process.arch}${libc}.node`),
  ];
}

function refuseForeignRuntimes(): void {
  const foreign = process.versions.bun ? 'Bun' : process.versions.electron ? 'Electron' : undefined;
  if (!foreign) return;
  throw new LwsError(
    'ERR_LOAD',
    `libwebsockets needs Node.js: ${foreign} does not offer the libuv and OpenSSL that it shares with Node`,
  );
}

/**
 * Loads the native binary: `LIBWEBSOCKETS_BINARY` when set, else a local build,
 * else the prebuilt one of this platform.
 *
 * @throws LwsError ERR_LOAD with everything that was tried and what to do.
 */
export function loadNative(): unknown {
  refuseForeignRuntimes();
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const file of candidates(packageRoot())) {
    if (!existsSync(file)) {
      tried.push(`  ${file}: not there`);
      continue;
    }
    try {
      return require(file);
    } catch (error) {
      tried.push(`  ${file}: ${(error as Error).message}`);
    }
  }
  const libc = glibcVersion();
  const platform = `${process.platform}-${process.arch}${libc ? ` with glibc ${libc}` : ''}`;
  throw new LwsError(
    'ERR_LOAD',
    `No native binary of libwebsockets could be loaded on ${platform}, Node ${process.version}.\nTried:\n${tried.join('\n')}\n` +
      'In a checkout, build it with: npm run build',
  );
}
