import { Buffer, URL } from '../shared/ambient.js';
import type { LwsError } from '../shared/errors.js';
import type { RequestOptions } from './options.js';
import { parseUrl } from './options.js';
import { Refusal } from './refusal.js';
import type { ResponseHead } from './response-head.js';

const STATUSES = new Set([301, 302, 303, 307, 308]);

/** Whether a head asks to be asked elsewhere; without a place to go it is a refusal as any other. */
export function isRedirect({ status, headers }: ResponseHead): boolean {
  return STATUSES.has(status) && headers.has('location');
}

function refused(head: ResponseHead, why: string): LwsError {
  return new Refusal(head, 0).toError(`The server redirects ${why}`);
}

/** A Location as fetch reads it: bytes above ASCII are UTF-8, it may be relative, and its fragment is not sent. */
function locationOf(from: URL, head: ResponseHead): URL {
  const [location = '', ...others] = new Set(head.headers.getAll('location'));
  if (others.length > 0) throw refused(head, 'to several places');
  const text = Buffer.from(location, 'latin1').toString();
  try {
    const to = new URL(text, from.href.replace(/^ws/, 'http'));
    to.hash = '';
    return parseUrl(to);
  } catch {
    throw refused(head, 'to what is no WebSocket URL');
  }
}

/* `Host` names the old origin, and would mislead the new one */
const OF_ORIGIN = new Set(['authorization', 'cookie', 'proxy-authorization', 'host']);

/** RFC 9110 15.4: what was meant for one origin is not told to another; its socket and its name are not used either. */
function forOtherOrigin(options: RequestOptions): RequestOptions {
  const { socketPath: _socket, tls, ...rest } = options;
  const headers = options.headers.filter(([name]) => !OF_ORIGIN.has(name.toLowerCase()));
  if (tls === undefined) return { ...rest, headers };
  const { servername: _name, cert: _cert, key: _key, pfx: _pfx, passphrase: _passphrase, ...kept } = tls;
  return { ...rest, headers, tls: kept };
}

/** What to ask next. */
export interface Step {
  readonly url: URL;
  readonly options: RequestOptions;
}

/**
 * Where a redirect leads, with the options that go there.
 *
 * @throws LwsError ERR_HANDSHAKE, with the redirect's `Response` as cause, for what is no WebSocket URL, for several
 *   places, and for a way from `wss:` to `ws:`.
 */
export function redirected({ url: from, options }: Step, head: ResponseHead): Step {
  const url = locationOf(from, head);
  if (from.protocol === 'wss:' && url.protocol === 'ws:')
    throw refused(head, 'from wss: to ws:, which is not followed');
  const same = url.host === from.host && url.protocol === from.protocol;
  /* credentials are the caller's: none are taken from the server that redirects */
  url.username = same ? from.username : '';
  url.password = same ? from.password : '';
  return { url, options: same ? options : forOtherOrigin(options) };
}
