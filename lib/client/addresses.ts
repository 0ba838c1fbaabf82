import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isThenable, wordsOf } from '../shared/arguments.js';
import { describe } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';

function failed(host: string, why: string, cause?: unknown): LwsError {
  return new LwsError('ERR_CONNECT', `Finding the address of ${host} failed: ${why}`, { cause });
}

/** What a lookup gave, in either of its forms; @throws LwsError for what is no address. */
function addressesOf(host: string, found: unknown, family: unknown): LookupAddress[] {
  const list: unknown[] = Array.isArray(found) ? found : [{ address: found, family }];
  if (list.length === 0) throw failed(host, 'there is none');
  return list.map((each) => {
    const address = typeof each === 'object' && each !== null ? (each as LookupAddress).address : each;
    const version = typeof address === 'string' ? isIP(address) : 0;
    if (version === 0)
      throw failed(host, `expected an IP address from the lookup but got ${describe(address)}`);
    return { address: address as string, family: version };
  });
}

/**
 * All addresses of a host, in the order of the lookup.
 *
 * @param lookup The caller's: it may throw, answer twice, or with what is no address.
 * @param family 0 for both.
 * @throws LwsError ERR_CONNECT with the error of the lookup as cause, or the signal's reason.
 */
export function findAddresses(
  host: string,
  lookup: LookupFunction | undefined,
  family: number,
  signal: AbortSignal,
): Promise<LookupAddress[]> {
  const literal = isIP(host);
  if (literal !== 0) return Promise.resolve([{ address: host, family: literal }]);
  return new Promise((resolve, reject) => {
    const over = () => reject(signal.reason);
    signal.addEventListener('abort', over, { once: true });
    /* the first answer counts */
    const settle = (error: unknown, found?: unknown, version?: unknown) => {
      signal.removeEventListener('abort', over);
      try {
        if (error) throw failed(host, wordsOf(error), error);
        resolve(addressesOf(host, found, version));
      } catch (cause) {
        reject(cause);
      }
    };
    const options: LookupAllOptions = { all: true, family };
    try {
      const find = (lookup ?? dnsLookup) as typeof dnsLookup;
      const returned: unknown = find(host, options, settle);
      if (isThenable(returned)) returned.then(undefined, settle);
    } catch (error) {
      settle(error ?? new Error('the lookup threw nothing'));
    }
  });
}
