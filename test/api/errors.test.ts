import { expect, it } from 'vitest';
import { createServer, errorCodes, LwsError } from '../../lib/index.js';

it('every error of this package is an LwsError with a code of the table', () => {
  const error = new LwsError('ERR_LIMIT', 'too much', { cause: 7 });
  expect(error).toBeInstanceOf(Error);
  expect(error).toBeInstanceOf(LwsError);
  expect(error).toMatchObject({ name: 'LwsError', code: 'ERR_LIMIT', message: 'too much', cause: 7 });
  expect(Object.keys(errorCodes)).toContain('ERR_LIMIT');
});

it.each(Object.entries(errorCodes))('%s is explained in a sentence', (code, text) => {
  expect(code).toMatch(/^ERR_[A-Z_]+$/);
  expect(text).toMatch(/^[A-Z].+\.$/);
});

it.each([[new Error('x')], [null], [undefined], ['LwsError'], [{ name: 'LwsError', code: 'ERR_LIMIT' }]])(
  '%s is no LwsError',
  (value) => {
    expect(value instanceof LwsError).toBe(false);
  },
);

it('errors of another copy of the package are told by instanceof', async () => {
  const other = (await import('../../lib/shared/errors.js?copy' as string)) as { LwsError: typeof LwsError };
  expect(other.LwsError).not.toBe(LwsError);
  expect(new other.LwsError('ERR_STORE', 'x')).toBeInstanceOf(LwsError);
});

it('errors are thrown where the caller is', () => {
  expect.assertions(1);
  try {
    createServer({ port: -1 });
  } catch (error) {
    expect((error as Error).stack).toContain('errors.test.ts');
  }
});
