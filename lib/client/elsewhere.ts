import type { Elsewhere } from '../shared/checks.js';

/** Options of a client as `ws` and Node's `http` and `tls` name them. */
export const elsewhere: Elsewhere = new Map([
  ['path', 'the URL names the path; a unix socket is "socketPath"'],
  ['agent', 'there is none: "proxy", "lookup", "localAddress" and "family" say which way to take'],
  ['createConnection', 'there is none: "proxy", "lookup" and "socketPath" say which way to take'],
  ['auth', 'the URL may have user and password, or "headers" an Authorization'],
  ['origin', 'give "headers" an Origin'],
  ['protocol', 'that is "protocols"'],
  ['timeout', 'that is "handshakeTimeout"'],
  ['maxRedirects', 'that is "followRedirects", a number'],
  ['ca', 'that is "tls.ca"'],
  ['cert', 'that is "tls.cert"'],
  ['key', 'that is "tls.key"'],
  ['pfx', 'that is "tls.pfx"'],
  ['passphrase', 'that is "tls.passphrase"'],
  ['servername', 'that is "tls.servername"'],
  ['rejectUnauthorized', 'that is "tls.rejectUnauthorized"'],
  ['generateMask', 'masks are always random (RFC 6455 5.3)'],
  ['autoPong', 'pings are always answered (RFC 6455 5.5.3)'],
  ['skipUTF8Validation', 'text is always checked (RFC 6455 8.1)'],
  ['keepalive', 'that is "pingInterval"'],
  ['keepAlive', 'that is "pingInterval"'],
]);
