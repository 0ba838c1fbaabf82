import { createHmac, timingSafeEqual } from 'node:crypto';
import { Buffer } from '../shared/ambient.js';

/** Longest cookie header that is looked at, and most cookies of one name. */
const maxHeader = 16_384;
const maxCandidates = 8;

/**
 * The value of a cookie that `cookie-signature` has signed, as express-session's are: `s:<value>.<signature>`. A
 * wrong signature is no cookie. Several secrets: the first signs, all verify, as during a change of secrets.
 */
export function signedCookie(
  header: string | undefined,
  name: string,
  secrets: readonly string[],
): string | undefined {
  if (header === undefined || header.length > maxHeader) return undefined;
  return cookiesOf(header, name)
    .map((cookie) => verified(cookie, secrets))
    .find((value) => value !== undefined);
}

/** Several, if different paths or domains have set it; only their signatures tell which one is ours. */
function cookiesOf(header: string, name: string): string[] {
  const found: string[] = [];
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    found.push(value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
    if (found.length === maxCandidates) break;
  }
  return found;
}

function verified(cookie: string, secrets: readonly string[]): string | undefined {
  const text = unescaped(cookie);
  const dot = text.lastIndexOf('.');
  if (!text.startsWith('s:') || dot < 3) return undefined;
  const value = text.slice(2, dot);
  const signature = Buffer.from(text.slice(dot + 1));
  const isSigned = secrets.some((secret) => {
    const expected = Buffer.from(
      createHmac('sha256', secret).update(value).digest('base64').replace(/=+$/, ''),
    );
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  });
  return isSigned ? value : undefined;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
