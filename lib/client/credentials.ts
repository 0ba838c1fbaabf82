import { Buffer } from '../shared/ambient.js';
import { LwsError, type LwsErrorCode } from '../shared/errors.js';

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/* RFC 7617 2: no control characters, no colon in a name */
const NAME = /^[^\0-\x1f\x7f:]*$/;
const PASSWORD = /^[^\0-\x1f\x7f]*$/;

/**
 * The credentials of a URL for `Basic` (RFC 7617), as UTF-8; undefined where it has none.
 *
 * @throws LwsError with `code` for what cannot be decoded or sent; the message does not show them.
 */
export function basicCredentials(url: URL, code: LwsErrorCode, where: string): string | undefined {
  if (url.username === '' && url.password === '') return undefined;
  const name = decode(url.username);
  const password = decode(url.password);
  if (name === undefined || password === undefined || !NAME.test(name) || !PASSWORD.test(password))
    throw new LwsError(
      code,
      `Expected percent-encoded UTF-8 without control characters, and no colon in the name, for the credentials ${where}`,
    );
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}
