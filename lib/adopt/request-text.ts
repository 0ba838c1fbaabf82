import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Buffer } from '../shared/ambient.js';

/** RFC 9110 5.1, 5.5: what would break a line of the request out of its place. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_IN_VALUE = /[\0\r\n]/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;

/** RFC 9113 8.2.2 and RFC 8441: what HTTP/2 does without, and what we say ourselves. */
const NOT_FROM_HTTP2 = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'sec-websocket-key',
  'te',
  'transfer-encoding',
  'upgrade',
]);

function fieldLine(name: string, value: string): string | undefined {
  return NAME.test(name) && !NOT_IN_VALUE.test(value) ? `${name}: ${value}\r\n` : undefined;
}

/**
 * The head of a request that Node's HTTP/1 parser took apart, as it was sent;
 * undefined when it cannot be put on lines again.
 */
export function requestText(request: IncomingMessage): Buffer | undefined {
  const { method = '', url = '', httpVersion, rawHeaders } = request;
  if (!NAME.test(method) || !TARGET.test(url) || !/^\d\.\d$/.test(httpVersion)) return undefined;
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const line = fieldLine(rawHeaders[i]!, rawHeaders[i + 1]!);
    if (line === undefined) return undefined;
    text += line;
  }
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/**
 * The HTTP/1.1 handshake that says what an extended CONNECT (RFC 8441 4) said;
 * undefined when it cannot be put on lines.
 */
export function connectText(headers: IncomingHttpHeaders): Buffer | undefined {
  const target = headers[':path'];
  const host = headers[':authority'] ?? headers.host ?? '';
  if (typeof target !== 'string' || !TARGET.test(target) || NOT_IN_VALUE.test(String(host))) return undefined;
  let text = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`;
  text += `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || NOT_FROM_HTTP2.has(name)) continue;
    for (const one of [value ?? []].flat()) {
      const line = fieldLine(name, one);
      if (line === undefined) return undefined;
      text += line;
    }
  }
  return Buffer.from(`${text}\r\n`, 'latin1');
}
