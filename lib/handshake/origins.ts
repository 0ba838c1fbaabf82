import { URL } from '../shared/ambient.js';
/**
 * An origin as browsers write it (RFC 6454 6.2): scheme and host in lower case, no default port, nothing behind. Undefined
 * for what is none, as `'*'` or a URL with a path.
 */
export function normalOrigin(text: string): string | undefined {
  if (text === 'null') return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^[a-z][a-z\d+.-]*:\/\/[^/?#@\s]*\/?$/i.test(text)) return undefined;
  /* of a scheme that URL does not know, as that of an extension, it gives no origin */
  return url.origin === 'null' ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
}
