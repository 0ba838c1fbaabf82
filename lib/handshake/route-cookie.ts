import type { UpgradeRequest } from '../connection/request.js';
import { checkNames, token, wrong } from '../shared/checks.js';

/** Names the node in a cookie of the 101. */
export interface RouteCookie {
  /** Name of the cookie, a token (RFC 6265 4.1.1). */
  name: string;
  /** What the proxy knows this node by: 1 to 255 characters of a cookie's value, as letters, digits, `-`, `.`. */
  value: string;
}

/* RFC 6265 4.1.1, cookie-octet */
const OCTETS = /^[!#-+\--:<-[\]-~]{1,255}$/;

export function checkRouteCookie(name: string, value: unknown): void {
  checkNames(value, ['name', 'value'], name);
  const cookie = value as Partial<RouteCookie>;
  if (typeof cookie.name !== 'string' || !token.test(cookie.name))
    throw wrong(`${name}.name`, 'a token (RFC 9110 5.6.2)', cookie.name);
  if (typeof cookie.value !== 'string' || !OCTETS.test(cookie.value))
    throw wrong(`${name}.value`, "1 to 255 characters that a cookie's value may have", cookie.value);
}

/** The line that names this node, nothing where the client shows it already. */
export function routeLine({ name, value }: RouteCookie, request: UpgradeRequest): string {
  const pairs = (request.headers.get('cookie') ?? '').split(';');
  if (pairs.some((pair) => pair.trim() === `${name}=${value}`)) return '';
  return `Set-Cookie: ${name}=${value}; Path=/; HttpOnly; SameSite=Lax${request.secure ? '; Secure' : ''}\r\n`;
}
