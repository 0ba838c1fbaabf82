import type { IncomingMessage } from 'node:http';
import { shown } from '../shared/shown.js';
import type { TlsInfo } from '../tls/tls.js';
import { transportId } from './ids.js';

/** @internal A transport that came from a server of Node, and who waits for its connection. */
export interface Adopted {
  /** What `connection.data` is unless `upgrade` gives another. */
  readonly data: unknown;
  /** The request as Node took it in; undefined for a stream of HTTP/2. */
  readonly raw: IncomingMessage | undefined;
  opened(connection: object): void;
  /** It becomes no connection. */
  failed(why: string, status?: number): void;
}

/**
 * One network connection. It outlives the requests on it and carries at most one
 * connection. Its `data` is the user's, set in `request` or `upgrade`, and
 * survives kept-alive requests and the upgrade.
 */
export class Transport<X = unknown> {
  /** The user's value; `undefined` until set and after the transport died. */
  data: X;
  /**
   * Address of the peer, `''` on a unix socket. IPv4 peers of a dual-stack listener are plain IPv4. Behind a proxy:
   * the proxy's, or with `proxyProtocol` what it told; `request.remoteAddress` is the one that was forwarded.
   */
  readonly remoteAddress: string;
  /** Port of the peer, 0 on a unix socket. */
  readonly remotePort: number;
  /** What the TLS handshake found; undefined on a plain transport. */
  tls: TlsInfo | undefined;
  /** @internal */
  readonly slot: number;
  /** @internal */
  readonly generation: number;

  /** @internal The PROXY protocol told that the client spoke TLS. */
  proxyTls: boolean;
  /** @internal Called when the native side has no more to write to it. */
  over: (() => void) | undefined;
  /** @internal How it came from a server of Node. */
  adoption: Adopted | undefined;

  /** @internal */
  constructor(slot: number, generation: number, remoteAddress: string, remotePort: number, tls?: TlsInfo) {
    this.slot = slot;
    this.generation = generation;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.tls = tls;
    this.data = undefined as X;
    this.proxyTls = false;
    this.over = undefined;
    this.adoption = undefined;
  }

  /** Never repeats, not even across restarts. */
  get id(): string {
    return transportId(this.slot, this.generation);
  }
}

shown(Transport.prototype, 'Transport', ({ id, remoteAddress, remotePort, tls }) => {
  return { id, remoteAddress, remotePort, tls };
});

function formatV6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  /* RFC 5952 4.2: the longest run of two or more zero groups becomes '::' */
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

/** Bytes before the head in a REQUEST payload: family, pad, port, address (`lwsn_peer`). */
export const PEER_BYTES = 20;

/** Reads `lwsn_peer`. */
export function readPeer(bytes: Buffer): { address: string; port: number } {
  const family = bytes[0]!;
  const port = family === 0 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint16(2, littleEndian);
  if (family === 4) return { address: bytes.subarray(4, 8).join('.'), port };
  return { address: family === 6 ? formatV6(bytes.subarray(4, 20)) : '', port };
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
