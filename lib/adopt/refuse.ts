import type { Duplex } from 'node:stream';
import { responseHead } from '../http/response-head.js';
import { Buffer } from '../shared/ambient.js';
import { isHttp2Stream } from './outer.js';

/** Ours is the last word on this stream: an error after it concerns nobody. */
function ignore(): void {}

/** Answers an upgrade that no server of ours takes, and ends the stream. */
export function refuse(stream: Duplex, status: number, why: string): void {
  stream.on('error', ignore);
  if (stream.destroyed) return;
  const type = ['Content-Type', 'text/plain; charset=utf-8'] as [string, string];
  const body = Buffer.from(`${why}\n`);
  if (isHttp2Stream(stream)) {
    if (!stream.headersSent)
      stream.respond({ ':status': status, [type[0].toLowerCase()]: type[1], 'content-length': body.length });
    stream.end(body, () => stream.close(0)); /* NO_ERROR: the request needs no more (RFC 9113 8.1) */
    stream.resume();
    return;
  }
  const head = responseHead(status, [type], { keepAlive: false, length: body.length });
  stream.end(Buffer.concat([Buffer.from(head, 'latin1'), body]), () => stream.destroy());
}
