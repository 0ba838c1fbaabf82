import type { RequestHeaders } from '../shared/head.js';
import { readHostPort } from './address.js';
import { type Hop, readForwarded } from './forwarded.js';
import type { Trust } from './trust.js';

/** Where a request came from in the end. */
export interface Origin {
  readonly address: string;
  /** 0 when it is not known. */
  readonly port: number;
  /** Whether the client spoke TLS. */
  readonly secure: boolean;
}

function entries(headers: RequestHeaders, name: string): string[] {
  const value = headers.get(name);
  return value === null ? [] : value.split(',').map((entry) => entry.trim());
}

/** X-Forwarded-For and X-Forwarded-Proto, the nearest proxy last. One protocol stands where several proxies pass it on. */
function readXForwarded(headers: RequestHeaders): Hop[] {
  const protocols = entries(headers, 'x-forwarded-proto').map((protocol) => protocol.toLowerCase());
  const chain = entries(headers, 'x-forwarded-for');
  const hops = Math.max(chain.length, protocols.length);
  return Array.from({ length: hops }, (_, i) => {
    const from = chain[chain.length - hops + i];
    return {
      from: from === undefined ? undefined : readHostPort(from),
      protocol: protocols[Math.max(0, protocols.length - hops + i)],
    };
  });
}

function readHops(headers: RequestHeaders, header: Trust['header']): Hop[] {
  if (header === 'x-forwarded') return readXForwarded(headers);
  return readForwarded(headers.get('forwarded') ?? '');
}

/**
 * Follows the hops from their right end, where our own proxies wrote, up to the
 * first address that is not trusted: everything to the left of it may be
 * invented. A hop without an address ends the search at the proxy that wrote it.
 */
export function originOf(peer: Origin, headers: RequestHeaders, trust: Trust): Origin {
  const hops = readHops(headers, trust.header);
  let { address, port, secure } = peer;
  let read = 0;
  while (trust.believes(address, read)) {
    const hop = hops[hops.length - 1 - read];
    read++;
    /* what a nearer proxy told stands where this one is silent */
    if (hop?.protocol !== undefined) secure = hop.protocol === 'https' || hop.protocol === 'wss';
    if (hop?.from === undefined) break;
    ({ address, port } = hop.from);
  }
  return { address, port, secure };
}
