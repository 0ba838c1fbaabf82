import { BlockList, isIPv4 } from 'node:net';
import { type Check, wrong } from '../shared/checks.js';
import { plainAddress } from './address.js';

/**
 * Which peers are proxies of yours, whose forwarded headers are believed:
 *
 * - `true`: every one. Only where nobody reaches the server except through proxies that overwrite the headers.
 * - a number: that many hops, counted from the server: 1 believes what the peer itself appended.
 * - a list of addresses and CIDR blocks, as `['10.0.0.0/8', 'fd00::/8']`; `'unix'` means peers on a unix socket.
 * - a function of the address (`''` on a unix socket) and the hop, 0 for the peer itself.
 */
export type TrustProxy = boolean | number | readonly string[] | ((address: string, hop: number) => boolean);

/**
 * Which headers those proxies write: `'x-forwarded'` for X-Forwarded-For and X-Forwarded-Proto, `'forwarded'` for
 * Forwarded (RFC 7239). Only one is read: a client could send the other, which its proxies pass on.
 */
export type ForwardedHeader = 'x-forwarded' | 'forwarded';

/** Whom to believe, and by which header. */
export interface Trust {
  /** Whether the `hop`th proxy, counted from the server, is trusted. */
  believes(address: string, hop: number): boolean;
  readonly header: ForwardedHeader;
}

/** No chain of proxies is longer. */
const HOPS_MAX = 100;

interface Block {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

function readBlock(text: string): Block | undefined {
  const [before, after, ...more] = text.split('/');
  const address = plainAddress(before!);
  if (address === undefined || more.length > 0) return undefined;
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const most = family === 'ipv4' ? 32 : 128;
  if (after === undefined) return { address, bits: most, family };
  /* bits of an IPv4 address inside an IPv6 one would mean something else */
  if (!/^\d{1,3}$/.test(after) || Number(after) > most || address !== before!.toLowerCase()) return undefined;
  return { address, bits: Number(after), family };
}

/** @throws LwsError ERR_INVALID_OPTION */
export const checkTrust: Check = (name, value) => {
  if (typeof value === 'boolean' || typeof value === 'function') return;
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || value < 0 || value > HOPS_MAX)
      throw wrong(name, `an integer from 0 to ${HOPS_MAX}`, value);
    return;
  }
  if (!Array.isArray(value))
    throw wrong(name, 'a boolean, a number of hops, a list of addresses or a function', value);
  for (const [i, entry] of value.entries())
    if (typeof entry !== 'string' || (entry !== 'unix' && readBlock(entry) === undefined))
      throw wrong(`${name}[${i}]`, "an address, a CIDR block or 'unix'", entry);
};

function listed(entries: readonly string[]): Trust['believes'] {
  const list = new BlockList();
  for (const entry of entries) {
    const block = readBlock(entry);
    if (block !== undefined) list.addSubnet(block.address, block.bits, block.family);
  }
  const unix = entries.includes('unix');
  return (address) => (address === '' ? unix : list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'));
}

function believer(option: Exclude<TrustProxy, false>): Trust['believes'] {
  if (option === true) return () => true;
  if (typeof option === 'number') return (_, hop) => hop < option;
  return typeof option === 'function' ? option : listed(option);
}

/** What the options come to; undefined: nobody is trusted. */
export function trustOf(
  option: TrustProxy | undefined,
  header: ForwardedHeader = 'x-forwarded',
): Trust | undefined {
  if (option === undefined || option === false || option === 0) return undefined;
  return { believes: believer(option), header };
}
