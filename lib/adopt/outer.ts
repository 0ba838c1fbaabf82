import type { ServerHttp2Stream } from 'node:http2';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { TlsInfo } from '../tls/tls.js';

/** Who is at the far end of a stream that Node owns. */
export interface Outer {
  /** `''` where Node does not know. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsInfo | undefined;
}

export function isHttp2Stream(stream: Duplex): stream is ServerHttp2Stream {
  return 'respond' in stream && typeof stream.respond === 'function' && 'session' in stream;
}

function tlsInfo(socket: TLSSocket): TlsInfo {
  const certificate = socket.getPeerCertificate?.()?.raw as Buffer | undefined;
  const { servername } = socket as { servername?: string | false };
  return new TlsInfo({
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
    serverName: servername || '',
    resumed: socket.isSessionReused?.() === true,
    verified: socket.authorized,
    ...(certificate && { certificate }),
  });
}

/** What Node knows of the network connection below; nothing of one that is closed. */
export function outerOf(stream: Duplex): Outer {
  const socket = (isHttp2Stream(stream) ? stream.session?.socket : stream) as Partial<TLSSocket> | undefined;
  if (socket === undefined) return { address: '', port: 0, tls: undefined };
  const { remoteAddress = '', remotePort = 0, encrypted } = socket;
  return {
    /* a dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d (RFC 4291 2.5.5.2) */
    address: isIP(remoteAddress) === 0 ? '' : remoteAddress.replace(/^::ffff:(?=\d+\.)/i, ''),
    port: remotePort,
    tls: encrypted === true ? tlsInfo(socket as TLSSocket) : undefined,
  };
}
