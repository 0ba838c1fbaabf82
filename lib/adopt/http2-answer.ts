import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Buffer } from '../shared/ambient.js';

/** What belongs to HTTP/1.1 alone (RFC 9113 8.2.2, RFC 8441 5). */
const NOT_TO_HTTP2 = new Set([
  'connection',
  'keep-alive',
  'sec-websocket-accept',
  'transfer-encoding',
  'upgrade',
]);

/** Our own answers are far smaller: bounded by what `upgrade` may return. */
const HEAD_MAX = 64 * 1024;

type OutgoingHeaders = Record<string, string | string[] | number>;

function toHttp2(head: string): OutgoingHeaders {
  const [start, ...lines] = head.split('\r\n');
  const status = Number(start!.slice(9, 12));
  const headers: OutgoingHeaders = { ':status': status === 101 ? 200 : status };
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (NOT_TO_HTTP2.has(name)) continue;
    const value = line.slice(colon + 1).trim();
    const before = headers[name];
    if (before === undefined) headers[name] = name === 'set-cookie' ? [value] : value;
    else if (Array.isArray(before)) before.push(value);
    else headers[name] = `${before}, ${value}`;
  }
  return headers;
}

/**
 * Reads the head of our HTTP/1.1 answer and gives it as that of the stream (RFC
 * 8441 5: 200 where HTTP/1.1 has 101); `carry` takes what follows.
 */
export function answerHttp2(
  stream: ServerHttp2Stream,
  inner: Socket,
  carry: () => void,
  fail: () => void,
): void {
  let pending = Buffer.alloc(0);

  function respond(end: number): void {
    inner.off('readable', onReadable);
    const rest = pending.subarray(end + 4);
    if (rest.length > 0) inner.unshift(rest);
    try {
      stream.respond(toHttp2(pending.toString('latin1', 0, end)));
    } catch {
      fail(); /* the stream was reset meanwhile */
      return;
    }
    carry();
  }

  function onReadable(): void {
    for (let chunk: Buffer | null = inner.read(); chunk !== null; chunk = inner.read()) {
      pending = Buffer.concat([pending, chunk]);
      const end = pending.indexOf('\r\n\r\n');
      if (end >= 0) {
        respond(end);
        return;
      }
      if (pending.length > HEAD_MAX) {
        fail();
        return;
      }
    }
  }

  inner.on('readable', onReadable);
  inner.once('end', () => {
    if (!stream.headersSent) fail();
  });
}
