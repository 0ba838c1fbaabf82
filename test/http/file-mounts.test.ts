import { symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { requestedRange, validators } from '../../lib/http/file-conditions.js';
import { checkMounts, segmentsOf } from '../../lib/http/files.js';
import { placeOf } from '../../lib/http/open-inside.js';
import { createServer } from '../../lib/index.js';
import { folderWith } from '../helpers/http.js';

describe('The option files', () => {
  test('resolves its folders once, symlinks too, the longest prefix first', () => {
    const folder = folderWith({ 'real/a': '' });
    symlinkSync(join(folder, 'real'), join(folder, 'link'));
    expect(checkMounts({ '/': relative(process.cwd(), folder), '/a/b/': join(folder, 'link') })).toEqual([
      { prefix: ['a', 'b'], root: join(folder, 'real') },
      { prefix: [], root: folder },
    ]);
  });

  test.each([
    ['no object', 'public', 'files'],
    ['an array', ['public'], 'files'],
    ['a prefix without slash', { assets: '.' }, '"assets"'],
    ['an empty prefix', { '': '.' }, '""'],
    ['a prefix with a query', { '/a?b': '.' }, '"/a?b"'],
    ['a prefix with a dot segment', { '/a/../b': '.' }, '"/a/../b"'],
    ['a prefix with an empty segment', { '//a': '.' }, '"//a"'],
    ['a prefix given twice', { '/a': '.', '/a/': '.' }, '"/a/" again'],
    ['a folder that is no text', { '/': 5 }, 'files./'],
    ['an empty folder', { '/': '' }, 'files./'],
    ['a folder that is not there', { '/': './no-such-folder' }, 'no-such-folder'],
    ['a file', { '/': './package.json' }, 'package.json'],
  ])('refuses %s', (_, files, what) => {
    expect(() => checkMounts(files as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(what) }),
    );
  });

  test('is checked when the server is created', () => {
    expect(() => createServer({ files: { '/': './no-such-folder' } })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION' }),
    );
  });
});

describe('The names in a path', () => {
  test.each([
    ['/', ['']],
    ['/a', ['a']],
    ['/a/', ['a', '']],
    ['/a/b.txt', ['a', 'b.txt']],
    ['/a%20b/gr%C3%BC%C3%9Fe', ['a b', 'grüße']],
    ['/%252e%252e/x', ['%2e%2e', 'x']],
    ['/a..b', ['a..b']],
  ])('of %s are %j', (path, names) => {
    expect(segmentsOf(path)).toEqual(names);
  });

  test.each([
    '',
    'a',
    '*',
    'http://host/a',
    '//a',
    '/a//b',
    '/.',
    '/..',
    '/a/../b',
    '/.git/config',
    '/a/.env',
    '/%2e%2e/a',
    '/%2E/a',
    '/a%2fb',
    '/a%2Fb',
    '/..%2f',
    '/a%5cb',
    '/..%5c',
    '/a\\b',
    '/a%00',
    '/a%00.txt',
    '/%',
    '/%zz',
    '/%c0%ae%c0%ae/a',
    '/%ff',
  ])('of %s are none', (path) => {
    expect(segmentsOf(path)).toBeUndefined();
  });
});

describe('A range', () => {
  const file = validators(1000, 0n, Date.now());
  const range = (value: string, size = 1000) =>
    requestedRange({ get: (name) => (name === 'range' ? value : null) }, file, size);

  test.each([
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=0-', { start: 0, end: 1000 }],
    ['bytes=999-', { start: 999, end: 1000 }],
    ['bytes=10-19', { start: 10, end: 20 }],
    ['bytes=10-99999', { start: 10, end: 1000 }],
    [`bytes=10-${'9'.repeat(400)}`, { start: 10, end: 1000 }],
    ['bytes=-1', { start: 999, end: 1000 }],
    ['bytes=-5000', { start: 0, end: 1000 }],
    ['Bytes= 5-6 ', { start: 5, end: 7 }],
  ])('%s is %j', (value, bytes) => {
    expect(range(value)).toEqual(bytes);
  });

  test.each(['bytes=1000-', 'bytes=1000-2000', 'bytes=-0', `bytes=${'9'.repeat(400)}-`])(
    '%s cannot be',
    (value) => {
      expect(range(value)).toBe('unsatisfiable');
    },
  );

  test.each([
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=0-1,5-6',
    'lines=0-1',
    'bytes=a-b',
    'bytes=0x1-2',
    '0-1',
    'bytes=1 - 2',
  ])('%s does not count', (value) => {
    expect(range(value)).toBeUndefined();
  });

  test('of an empty file is none from its end, and cannot be from its start', () => {
    expect(range('bytes=-5', 0)).toBeUndefined();
    expect(range('bytes=0-', 0)).toBe('unsatisfiable');
  });
});

describe('The validators of a file', () => {
  const now = 1_700_000_000_000;
  const at = (ms: number) => BigInt(ms) * 1_000_000n;

  test('differ by size and by nanoseconds of change', () => {
    const tags = [validators(1, at(0), now), validators(2, at(0), now), validators(1, at(0) + 1n, now)];
    expect(new Set(tags.map((one) => one.etag)).size).toBe(3);
    expect(tags.every((one) => one.strong && one.etag.startsWith('"'))).toBe(true);
  });

  test('are weak while the file may change again within its time stamp', () => {
    const fresh = validators(1, at(now - 1999), now);
    const settled = validators(1, at(now - 1999), now + 1);
    expect([fresh.strong, settled.strong]).toEqual([false, true]);
    expect(fresh.etag).toBe(`W/${settled.etag}`);
  });

  test('never lie in the future', () => {
    expect(validators(1, at(now + 60_000), now).modified).toBe(now / 1000);
  });
});

describe('Where an open file lies', () => {
  async function opened(path: string) {
    const handle = await open(path);
    onTestFinished(() => handle.close());
    return handle;
  }

  test.each([
    ['asked of the descriptor', '/proc/self/fd'],
    ['asked of the path, where there is no /proc', '/no-such-folder'],
  ])('is its real path, %s', async (_, descriptors) => {
    const folder = folderWith({ 'out/secret': 'x', 'in/own': 'y' });
    symlinkSync('../out/secret', join(folder, 'in', 'link'));
    for (const [name, place] of [
      ['in/own', 'in/own'],
      ['in/link', 'out/secret'],
    ] as const) {
      const path = join(folder, name);
      expect(await placeOf(await opened(path), path, descriptors)).toBe(join(folder, place));
    }
  });

  test('is nowhere when the path names another file by now, where there is no /proc', async () => {
    const folder = folderWith({ a: 'x', b: 'y' });
    expect(await placeOf(await opened(join(folder, 'a')), join(folder, 'b'), '/no-such-folder')).toBe('');
  });
});
