import { describe, expect, it } from 'vitest';
import {
  type Attempt,
  explain,
  type Platform,
  platformWords,
  prebuildName,
} from '../../lib/crossing/platform.js';

const glibc: Platform = {
  os: 'linux',
  arch: 'x64',
  node: '22.23.3',
  libc: 'glibc',
  glibc: '2.36',
  foreign: undefined,
};
const musl: Platform = { ...glibc, libc: 'musl', glibc: undefined };
const mac: Platform = { ...glibc, os: 'darwin', arch: 'arm64', libc: undefined, glibc: undefined };
const windows: Platform = { ...mac, os: 'win32', arch: 'x64' };
const available = ['linux-arm64', 'linux-x64'];
const failed = (problem: string): Attempt[] => [{ file: '/app/lws.node', problem }];

describe('the diagnosis of a binary that does not load', () => {
  it.each<[string, Platform, string, RegExp]>([
    ['names Node when it is too old', { ...glibc, node: '18.20.8' }, '', /Node 18\.20\.8 is too old: 20\.17/],
    ['compares versions by number', { ...glibc, glibc: '2.9' }, '', /glibc 2\.9 is too old/],
    ['tells of addons that are disabled', glibc, 'loading addons is disabled.', /leave out --no-addons/],
    [
      'names the glibc that is needed and the one that is there',
      { ...glibc, glibc: '2.31' },
      "version `GLIBC_2.33' not found (required by lws.node), version `GLIBC_2.4' not found",
      /needs glibc 2\.33, this system has 2\.31/,
    ],
    ['names the C++ library', musl, 'Error loading shared library libstdc++.so.6', /install libstdc\+\+/],
    [
      'names a Node that keeps its libraries to itself',
      glibc,
      '/app/lws.node: undefined symbol: SSL_CTX_new',
      /does not export its libuv, OpenSSL and zlib/,
    ],
    ['tells of a file of another platform', glibc, 'lws.node: invalid ELF header', /another platform/],
    [
      'tells of a file of another processor',
      mac,
      'incompatible architecture (have x86_64)',
      /another platform/,
    ],
    [
      'tells of a file system without execution',
      glibc,
      'failed to map segment from shared object',
      /mounted with noexec/,
    ],
    ['tells that Windows is not supported', windows, 'not there', /Windows is not supported/],
    [
      'lists the prebuilt binaries when this platform has none',
      musl,
      'not there',
      /exists for linux-x64-musl; there are linux-arm64, linux-x64\./,
    ],
  ])('%s', (_, platform, problem, expected) => {
    expect(explain(platform, failed(problem), available)).toMatch(expected);
  });

  it('names every file that was tried with its problem, and how to build one', () => {
    const attempts = [...failed('first problem'), { file: '/other.node', problem: 'second problem' }];
    const text = explain(glibc, attempts, available);
    expect(text).toContain('/app/lws.node: first problem');
    expect(text).toContain('/other.node: second problem');
    expect(text).toContain('npm ci && npm run build');
    expect(text).toContain('LIBWEBSOCKETS_BINARY');
  });

  it('guesses no cause where none fits', () => {
    const text = explain(glibc, failed('something unheard of'), available);
    expect(text.split('\n')).toHaveLength(4);
  });

  it('says so when the package holds no prebuilt binary at all', () => {
    expect(explain(glibc, failed('not there'), [])).toContain('the package holds none');
  });
});

describe('the name of a platform', () => {
  it.each([
    [glibc, 'linux-x64', 'linux-x64 with glibc 2.36, Node 22.23.3'],
    [musl, 'linux-x64-musl', 'linux-x64 with musl, Node 22.23.3'],
    [mac, 'darwin-arm64', 'darwin-arm64, Node 22.23.3'],
  ])('%o is %s', (platform, name, words) => {
    expect(prebuildName(platform)).toBe(name);
    expect(platformWords(platform)).toBe(words);
  });
});
