import type { RequestHeaders } from '../head.js';
import { readHostPort } from './address.js';
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

/** Each proxy may have appended its own; one value for all stands where several proxies pass it on. */
function isSecure(headers: RequestHeaders, hops: number, peer: boolean): boolean {
  const protocols = entries(headers, 'x-forwarded-proto');
  const told = protocols[Math.max(0, protocols.length - hops)]?.toLowerCase();
  return told === undefined ? peer : told === 'https' || told === 'wss';
}

/**
 * Follows X-Forwarded-For from its right end, where our own proxies wrote, up to
 * the first address that is not trusted: everything to the left of it may be
 * invented. An entry that is no address ends the search at the proxy that wrote it.
 */
export function originOf(peer: Origin, headers: RequestHeaders, trust: Trust): Origin {
  const chain = entries(headers, 'x-forwarded-for');
  let { address, port } = peer;
  let hops = 0;
  while (trust(address, hops)) {
    const next = chain[chain.length - 1 - hops];
    const read = next === undefined ? undefined : readHostPort(next);
    hops++;
    if (read === undefined) break;
    ({ address, port } = read);
  }
  return hops === 0 ? peer : { address, port, secure: isSecure(headers, hops, peer.secure) };
}
