import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer as createSocketServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ask, folderWith, keepAliveAgent, startHttp } from '../helpers/http.js';

let base: string;
let root: string;
let port: number;
let ask1: (path: string, headers?: Record<string, string>, method?: string) => ReturnType<typeof ask>;
let raw: (target: string) => Promise<{ status: number; body: string }>;

const changed = new Date('2024-05-06T07:08:09.500Z');

beforeEach(async () => {
  base = folderWith({
    'secret.txt': 'secret',
    'public/index.html': '<p>home',
    'public/a.txt': '0123456789',
    'public/empty': '',
    'public/.env': 'secret',
    'public/.git/config': 'secret',
    'public/sub/index.html': '<p>sub',
    'public/bare/x.css': 'p {}',
    'public/grüße & co.txt': 'hi',
    'public/%2e%2e.txt': 'percent',
    'public/assets/shadowed.txt': 'below',
    'public/assets/only-below.txt': 'below',
    'assets/shadowed.txt': 'mounted',
  });
  root = join(base, 'public');
  utimesSync(join(root, 'a.txt'), changed, changed);
  const server = await startHttp(
    (request) =>
      request.path.startsWith('/handled') || request.method === 'PATCH' ? new Response('handler') : undefined,
    { files: { '/': root, '/assets': join(base, 'assets') } },
  );
  port = server.port;
  ask1 = (path, headers = {}, method = 'GET') => ask({ port, path, headers, method });
  raw = async (target) => {
    const client = await server.connect();
    client.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return client.response();
  };
});

describe('A file', () => {
  test('is served with type, length, validators and nosniff', async () => {
    const { status, headers, body } = await ask1('/a.txt');
    expect([status, body]).toEqual([200, '0123456789']);
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '10',
      'last-modified': 'Mon, 06 May 2024 07:08:09 GMT',
      'accept-ranges': 'bytes',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
    });
    expect(headers.etag).toMatch(/^"[0-9a-z]+-a"$/);
  });

  test('that is empty has the length 0', async () => {
    const { status, headers, body } = await ask1('/empty');
    expect([status, headers['content-length'], body]).toEqual([200, '0', '']);
    expect(headers['content-type']).toBe('application/octet-stream');
  });

  test('is described to HEAD', async () => {
    const head = await ask1('/a.txt', {}, 'HEAD');
    const get = await ask1('/a.txt');
    expect(head.body).toBe('');
    const { date: _, ...fields } = head.headers;
    expect(get.headers).toMatchObject(fields);
    expect(fields['content-length']).toBe('10');
  });

  test('is found by its decoded name', async () => {
    expect((await ask1('/gr%C3%BC%C3%9Fe%20%26%20co.txt')).body).toBe('hi');
  });

  test('name is decoded exactly once', async () => {
    expect((await ask1('/%252e%252e.txt')).body).toBe('percent');
    expect((await ask1('/%2e%2e.txt')).status).toBe(404);
  });

  test('does not mind a query', async () => {
    expect((await ask1('/a.txt?v=/../3')).body).toBe('0123456789');
  });

  test('of index.html stands for its folder', async () => {
    expect((await ask1('/')).body).toBe('<p>home');
    const sub = await ask1('/sub/');
    expect(sub).toMatchObject({ status: 200, body: '<p>sub' });
    expect(sub.headers['content-type']).toBe('text/html; charset=utf-8');
  });

  test('comes from the longest prefix that has it', async () => {
    expect((await ask1('/assets/shadowed.txt')).body).toBe('mounted');
    expect((await ask1('/assets/only-below.txt')).body).toBe('below');
    expect((await ask1('/%61ssets/shadowed.txt')).body).toBe('mounted');
    expect((await ask1('/assetsx/shadowed.txt')).status).toBe(404);
  });

  test('comes before the handler, which has the rest', async () => {
    expect((await ask1('/handled')).body).toBe('handler');
    writeFileSync(join(root, 'handled'), 'file');
    expect((await ask1('/handled')).body).toBe('file');
  });

  test('that appears later is served', async () => {
    expect((await ask1('/new.txt')).status).toBe(404);
    writeFileSync(join(root, 'new.txt'), 'new');
    expect((await ask1('/new.txt')).body).toBe('new');
  });

  test('leaves the transport open for the next one', async () => {
    const agent = keepAliveAgent();
    const ports = new Set<number | undefined>();
    agent.on('free', (socket) => ports.add(socket.localPort));
    for (const path of ['/a.txt', '/', '/missing', '/empty', '/a.txt']) await ask({ port, path, agent });
    expect(ports.size).toBe(1);
  });
});

describe('A folder without its slash', () => {
  test('is sent to the one with it, the query kept', async () => {
    const { status, headers } = await ask1('/sub?a=/b');
    expect([status, headers.location]).toEqual([308, '/sub/?a=/b']);
  });

  test('is named as a URL needs it', async () => {
    mkdirSync(join(root, 'a b?#%'));
    writeFileSync(join(root, 'a b?#%', 'index.html'), 'x');
    const { headers } = await ask1('/a%20b%3F%23%25');
    expect(headers.location).toBe('/a%20b%3F%23%25/');
    expect((await ask1(headers.location!)).body).toBe('x');
  });

  test('is a 404 without index.html, with or without slash', async () => {
    expect((await ask1('/bare')).status).toBe(404);
    expect((await ask1('/bare/')).status).toBe(404);
    expect((await ask1('/bare/x.css')).status).toBe(200);
  });

  test('never leads to another host', async () => {
    mkdirSync(join(root, 'evil.example'));
    writeFileSync(join(root, 'evil.example', 'index.html'), 'x');
    for (const target of ['//evil.example', '/\\evil.example', '/%5cevil.example', '/%2fevil.example'])
      expect((await raw(target)).status).toBe(404);
    expect((await ask1('/evil.example')).headers.location).toBe('/evil.example/');
  });
});

describe('Another method', () => {
  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])(
    '%s on a file is a 405 that names those allowed',
    async (method) => {
      const { status, headers } = await ask1('/a.txt', {}, method);
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    },
  );

  test('is for the handler first', async () => {
    expect((await ask1('/a.txt', {}, 'PATCH')).body).toBe('handler');
  });

  test('on nothing is a 404', async () => {
    expect((await ask1('/missing', {}, 'POST')).status).toBe(404);
  });
});

describe('A condition', () => {
  let etag: string;
  const modified = 'Mon, 06 May 2024 07:08:09 GMT';
  const before = 'Mon, 06 May 2024 07:08:08 GMT';
  const after = 'Mon, 06 May 2024 07:08:10 GMT';
  const rfc850 = (date: string) => date.replace(/^Mon, 06 May 20/, 'Monday, 06-May-');
  const asctime = (date: string) => date.replace(/^Mon, 06 May 2024 (.*) GMT$/, 'Mon May  6 $1 2024');

  beforeEach(async () => {
    etag = (await ask1('/a.txt', {}, 'HEAD')).headers.etag!;
  });

  test.each([
    ['If-None-Match with its tag', () => ({ 'if-none-match': etag }), 304],
    ['If-None-Match with its tag, weak', () => ({ 'if-none-match': `W/${etag}` }), 304],
    ['If-None-Match with its tag among others', () => ({ 'if-none-match': `"x", ${etag}` }), 304],
    ['If-None-Match with *', () => ({ 'if-none-match': '*' }), 304],
    ['If-None-Match with another tag', () => ({ 'if-none-match': '"x"' }), 200],
    [
      'If-None-Match with another tag, whatever the date',
      () => ({ 'if-none-match': '"x"', 'if-modified-since': after }),
      200,
    ],
    ['If-Modified-Since its change', () => ({ 'if-modified-since': modified }), 304],
    ['If-Modified-Since later', () => ({ 'if-modified-since': after }), 304],
    ['If-Modified-Since earlier', () => ({ 'if-modified-since': before }), 200],
    [
      'If-Modified-Since its change, as RFC 850 wrote it',
      () => ({ 'if-modified-since': rfc850(modified) }),
      304,
    ],
    ['If-Modified-Since earlier, as RFC 850 wrote it', () => ({ 'if-modified-since': rfc850(before) }), 200],
    [
      'If-Modified-Since its change, as asctime writes it',
      () => ({ 'if-modified-since': asctime(modified) }),
      304,
    ],
    [
      'If-Modified-Since earlier, as asctime writes it',
      () => ({ 'if-modified-since': asctime(before) }),
      200,
    ],
    ['If-Modified-Since 31 February', () => ({ 'if-modified-since': 'Sat, 31 Feb 2099 00:00:00 GMT' }), 200],
    ['If-Modified-Since no date', () => ({ 'if-modified-since': '2100' }), 200],
    ['If-Match with its tag', () => ({ 'if-match': etag }), 200],
    ['If-Match with its tag, weak', () => ({ 'if-match': `W/${etag}` }), 412],
    ['If-Match with another tag', () => ({ 'if-match': '"x"' }), 412],
    ['If-Unmodified-Since its change', () => ({ 'if-unmodified-since': modified }), 200],
    ['If-Unmodified-Since earlier', () => ({ 'if-unmodified-since': before }), 412],
    ['If-Match before If-Unmodified-Since', () => ({ 'if-match': etag, 'if-unmodified-since': before }), 200],
  ])('%s', async (_, headers, status) => {
    for (const method of ['GET', 'HEAD'])
      expect((await ask1('/a.txt', headers(), method)).status).toBe(status);
  });

  test('that holds answers with the tag and nothing of the body', async () => {
    const { headers, body } = await ask1('/a.txt', { 'if-none-match': etag });
    expect(headers).toMatchObject({ etag, 'cache-control': 'no-cache' });
    expect(headers).not.toHaveProperty('content-length');
    expect(body).toBe('');
  });

  test('does not hold any more after a change of the same size', async () => {
    writeFileSync(join(root, 'a.txt'), '9876543210');
    expect(await ask1('/a.txt', { 'if-none-match': etag })).toMatchObject({
      status: 200,
      body: '9876543210',
    });
  });

  test.each([
    ['the tag', () => etag, 206],
    ['another tag', () => '"x"', 200],
    ['the weak form of the tag', () => `W/${etag}`, 200],
    ['the date', () => modified, 206],
    ['a later date', () => after, 200],
  ])('If-Range with %s', async (_, condition, status) => {
    const came = await ask1('/a.txt', { range: 'bytes=2-3', 'if-range': condition() });
    expect([came.status, came.body]).toEqual([status, status === 206 ? '23' : '0123456789']);
  });
});

test('If-Range with the date of a file that changed a moment ago is answered with the whole', async () => {
  writeFileSync(join(root, 'fresh.txt'), '0123456789');
  const date = (await ask1('/fresh.txt', {}, 'HEAD')).headers['last-modified']!;
  const came = await ask1('/fresh.txt', { range: 'bytes=2-3', 'if-range': date });
  expect([came.status, came.body]).toEqual([200, '0123456789']);
});

describe('A range of a file', () => {
  test('is sent with where it lies', async () => {
    const { status, headers, body } = await ask1('/a.txt', { range: 'bytes=2-4' });
    expect([status, body]).toEqual([206, '234']);
    expect(headers).toMatchObject({ 'content-range': 'bytes 2-4/10', 'content-length': '3' });
  });

  test('beyond the end is a 416 with the size', async () => {
    const { status, headers } = await ask1('/a.txt', { range: 'bytes=10-' });
    expect([status, headers['content-range']]).toEqual([416, 'bytes */10']);
  });

  test.each(['bytes=0-1,3-4', 'nonsense'])('%s is answered with the whole', async (range) => {
    const { status, headers, body } = await ask1('/a.txt', { range });
    expect([status, body]).toEqual([200, '0123456789']);
    expect(headers).not.toHaveProperty('content-range');
  });

  test('means nothing to HEAD', async () => {
    const { status, headers } = await ask1('/a.txt', { range: 'bytes=2-4' }, 'HEAD');
    expect([status, headers['content-length']]).toEqual([200, '10']);
  });
});

describe('Nothing outside the folder', () => {
  test.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/%2e%2e%2fsecret.txt',
    '/sub/../../secret.txt',
    '/.%2e/secret.txt',
    '/..\\secret.txt',
    '/..%5csecret.txt',
    '/%252e%252e/secret.txt',
    '/./../secret.txt',
    '/assets/../secret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/%c0%ae%c0%ae/secret.txt',
    '//secret.txt',
    '/a.txt%00.html',
    '/a.txt%00',
    '/a.txt/',
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/sub/../.env',
    'http://localhost/../secret.txt',
    '../secret.txt',
    '*',
  ])('is served for %s', async (target) => {
    const { status, body } = await raw(target);
    expect([400, 404]).toContain(status);
    expect(body).not.toContain('secret');
  });

  test('is served through a symlink, be it of a file, of a folder, or relative', async () => {
    symlinkSync(join(base, 'secret.txt'), join(root, 'file-link.txt'));
    symlinkSync(base, join(root, 'folder-link'));
    symlinkSync('../secret.txt', join(root, 'relative-link.txt'));
    symlinkSync('/proc/self/environ', join(root, 'environ'));
    for (const path of ['/file-link.txt', '/folder-link/secret.txt', '/relative-link.txt', '/environ'])
      expect((await ask1(path)).status).toBe(404);
  });

  test('with a dot is served through a symlink of another name', async () => {
    symlinkSync('.env', join(root, 'env.txt'));
    symlinkSync('.git', join(root, 'git'));
    symlinkSync(join(root, '.git', 'config'), join(root, 'config.txt'));
    for (const path of ['/env.txt', '/git/config', '/git/', '/config.txt'])
      expect((await ask1(path)).status).toBe(404);
  });

  test('is served where the folder is the beginning of the name of another', async () => {
    const sibling = `${root}-other`;
    mkdirSync(sibling);
    writeFileSync(join(sibling, 'x.txt'), 'x');
    symlinkSync(sibling, join(root, 'sibling'));
    expect((await ask1('/sibling/x.txt')).status).toBe(404);
  });

  test('hinders a symlink inside', async () => {
    symlinkSync('a.txt', join(root, 'inside.txt'));
    expect((await ask1('/inside.txt')).body).toBe('0123456789');
  });

  test('that is no regular file is opened for good: pipe, socket, loop of links', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    symlinkSync('loop', join(root, 'loop'));
    const socket = createSocketServer().listen(join(root, 'socket'));
    onTestFinished(() => void socket.close());
    await new Promise((resolve) => socket.once('listening', resolve));
    for (const path of ['/pipe', '/loop', '/socket', `/${'x'.repeat(300)}`])
      expect((await ask1(path)).status).toBe(404);
  });
});
