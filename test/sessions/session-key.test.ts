import { describe, expect, test } from 'vitest';
import { sessionKey } from '../../lib/sessions/index.js';

const old = 'the secret of yesterday';
const fresh = Buffer.from('the secret of today');

describe('sessionKey()', () => {
  test.each(['3.abc', 'a.b.c', 'ü', 'x'.repeat(256)])('knows its own again: %s', (id) => {
    expect(sessionKey(fresh).open(sessionKey(fresh).sign(id))).toBe(id);
  });

  test('knows what an earlier secret signed, and signs with the first', () => {
    const both = sessionKey([fresh, old]);
    expect(both.open(sessionKey(old).sign('a'))).toBe('a');
    expect(sessionKey(fresh).open(both.sign('a'))).toBe('a');
    expect(sessionKey(old).open(both.sign('a'))).toBeUndefined();
  });

  test('takes a secret as text or as its bytes', () => {
    expect(sessionKey(Buffer.from(old)).open(sessionKey(old).sign('a'))).toBe('a');
  });

  test('keeps its secret when the bytes that were given change', () => {
    const bytes = Buffer.from(old);
    const key = sessionKey(bytes);
    bytes.fill(0);
    expect(sessionKey(old).open(key.sign('a'))).toBe('a');
  });

  test('knows nothing else', () => {
    const key = sessionKey(fresh);
    const signed = key.sign('3.abc');
    const mac = signed.slice(-43);
    const wrong = [
      undefined,
      null,
      5,
      {},
      '',
      '.',
      mac,
      `.${mac}`,
      '3.abc',
      `3.abd.${mac}`,
      `3.abc${mac}`,
      `3.abc.${mac.slice(1)}`,
      `3.abc.${mac}=`,
      `3.abc.${mac.toLowerCase()}`,
      ` ${signed}`,
      'x'.repeat(100_000),
      `3.abc.${'ü'.repeat(43)}`,
    ];
    for (const one of wrong) expect(key.open(one)).toBeUndefined();
  });

  test.each([
    [[], 'an empty array'],
    [5, 'a number'],
    ['short', '5 bytes'],
    [[old, 'short'], 'the secret 1 of sessionKey() but got 5 bytes'],
    [undefined, 'undefined'],
  ])('%j is refused, and not shown', (secrets, says) => {
    expect(() => sessionKey(secrets as never)).toThrow(says);
  });

  test.each([undefined, '', 5])('signs no %j', (id) => {
    expect(() => sessionKey(old).sign(id as never)).toThrow('a session id for sign()');
  });
});
