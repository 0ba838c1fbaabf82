import { describe, expect, test } from 'vitest';
import { headerLines, responseHead } from '../../lib/http/response-head.js';

const date = /Date: \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n/;

describe('The head of a response', () => {
  test('has a status line, the fields as given, a Date and an empty line', () => {
    const head = responseHead(200, [['X-Name', 'caf\u00e9']], { keepAlive: true, length: 3 });
    expect(head.replace(date, '<date>')).toBe(
      'HTTP/1.1 200 OK\r\nX-Name: caf\u00e9\r\n<date>Content-Length: 3\r\nConnection: keep-alive\r\n\r\n',
    );
  });

  test.each([
    ['says close', { keepAlive: false }, 'Connection: close\r\n'],
    ['says keep-alive', { keepAlive: true }, 'Connection: keep-alive\r\n'],
    [
      'says for how long, in whole seconds',
      { keepAlive: true, keepAliveTimeout: 5_999 },
      'Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n',
    ],
    ['says no time when it closes', { keepAlive: false, keepAliveTimeout: 5_000 }, 'Connection: close\r\n'],
    [
      'says chunked',
      { keepAlive: false, chunked: true },
      'Transfer-Encoding: chunked\r\nConnection: close\r\n',
    ],
  ])('%s', (_, options, line) => {
    expect(responseHead(200, [], options).replace(date, '')).toBe(`HTTP/1.1 200 OK\r\n${line}\r\n`);
  });

  test.each(['Connection', 'content-length', 'Keep-Alive', 'TRANSFER-ENCODING', 'Upgrade'])(
    'drops a given %s, which only the sender knows',
    (name) => {
      expect(responseHead(200, [[name, 'given']], { keepAlive: true })).not.toContain('given');
    },
  );

  test('keeps Upgrade with 426 and names it in Connection', () => {
    const head = responseHead(426, [['Upgrade', 'websocket']], { keepAlive: false });
    expect(head).toContain('\r\nUpgrade: websocket\r\n');
    expect(head).toContain('\r\nConnection: Upgrade, close\r\n');
  });

  test('leaves a given Date alone', () => {
    const given = 'Date: Thu, 01 Jan 1970 00:00:00 GMT';
    const head = responseHead(200, [['Date', 'Thu, 01 Jan 1970 00:00:00 GMT']], { keepAlive: true });
    expect(head.match(/^Date: .*$/gm)).toEqual([given]);
  });

  test('has an empty reason for a status without a registered one', () => {
    expect(responseHead(299, [], { keepAlive: true })).toMatch(/^HTTP\/1\.1 299 \r\n/);
  });

  test('takes a reason', () => {
    expect(responseHead(200, [], { keepAlive: true, reason: 'Fine' })).toMatch(/^HTTP\/1\.1 200 Fine\r\n/);
  });

  test.each([100, 199, 600, 200.5, Number.NaN, '200'])('refuses the status %s', (status) => {
    expect(() => responseHead(status as number, [], { keepAlive: true })).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('200 to 599'),
      }),
    );
  });

  test('refuses a reason that would begin another line', () => {
    expect(() => responseHead(200, [], { keepAlive: true, reason: 'OK\r\nX: y' })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });
});

describe('Header lines', () => {
  test.each([
    ['pairs', [['a', '1'] as [string, string], ['a', '2'] as [string, string]]],
    ['an object with arrays', { a: ['1', '2'] }],
  ])('come from %s', (_, headers) => {
    expect(headerLines(headers)).toBe('a: 1\r\na: 2\r\n');
  });

  test('come from a WHATWG Headers, each cookie by itself', () => {
    const headers = new Headers({ 'X-A': '1' });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    expect(headerLines(headers)).toBe('set-cookie: a=1\r\nset-cookie: b=2\r\nx-a: 1\r\n');
  });

  test('are none for nothing', () => {
    expect(headerLines(undefined)).toBe('');
  });

  test.each(['', 'a b', 'a:', 'a\r\n', 'ä', 'a\0'])('refuse the name %j', (name) => {
    expect(() => headerLines([[name, 'x']])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('token') }),
    );
  });

  test.each(['a\r\nX: y', 'a\n', 'a\r', 'a\0', '\u0100', '\x7f', '\x01'])('refuse the value %j', (value) => {
    expect(() => headerLines([['x', value]])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('header x') }),
    );
  });

  test.each([
    ['a number', 5],
    ['nothing', undefined],
    ['an object', {}],
  ])('refuse %s as a value', (_, value) => {
    expect(() => headerLines({ x: value as string })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('a string') }),
    );
  });

  test.each([
    ['text', 'a: b'],
    ['null', null],
    ['flat arrays', ['a', 'b']],
  ])('refuse %s', (_, headers) => {
    expect(() => headerLines(headers as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('headers') }),
    );
  });

  test('check what they drop as well', () => {
    expect(() => headerLines({ connection: 'close\r\nx: y' })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });
});
