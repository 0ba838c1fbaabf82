import { Failure, run } from './run.mjs';

/** What a shared object asks of the system: libraries, and functions with the version of each. */
export function readElf(file) {
  const env = { LC_ALL: 'C' };
  const dynamic = run('readelf', ['-W', '-d', file], { quiet: true, env });
  const symbols = run('readelf', ['-W', '--dyn-syms', file], { quiet: true, env });
  const rows = [
    ...symbols.matchAll(/^ *\d+: +\S+ +\d+ +(?!SECTION)\S+ +\S+ +\S+ +(\S+) +([^\s@]+)(?:@+(\S+))?/gm),
  ];
  if (rows.length === 0) throw new Failure(`readelf names no dynamic symbol of ${file}`);
  const named = rows.map(([, section, name, version]) => ({ section, name, version }));
  return {
    libraries: [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1]),
    needs: named.filter(({ section }) => section === 'UND'),
    offers: named.filter(({ section }) => section !== 'UND').map(({ name }) => name),
  };
}

/** The newest symbol versions of glibc 2.28's time; what Node itself needs is newer for libstdc++ and libgcc. */
const newest = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11', GCC: '7.0.0' };
/** Part of every system that runs Node. */
const present =
  /^(?:libc|libm|libdl|libpthread|libstdc\+\+|libgcc_s|ld-linux-\S+|libc\.musl-\w+)\.so(?:\.\d+)?$/;
const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** Sentences on what would keep this binary from loading on a system as old as glibc 2.28. */
export function obstacles({ libraries, needs, offers }) {
  return [
    ...libraries.filter((name) => !present.test(name)).map((name) => `needs the library ${name}`),
    ...needs.filter(isTooNew).map(({ name, version }) => `needs ${name} of ${version}`),
    ...offers.filter((name) => !entryPoints.includes(name)).map((name) => `exports ${name}`),
    ...entryPoints.filter((name) => !offers.includes(name)).map((name) => `exports no ${name}`),
  ];
}

function isTooNew({ version }) {
  if (!version) return false;
  const [, family, number] = /^([A-Z]+)_([\d.]+)$/.exec(version) ?? [];
  if (!(family in newest)) return true;
  return number.localeCompare(newest[family], 'en', { numeric: true }) > 0;
}
