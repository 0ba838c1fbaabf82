import type { SessionStore } from '../store.js';
import { argumentChecks } from './arguments.js';
import { busChecks } from './bus.js';
import type { Check, ConformanceCase, Subject } from './case.js';
import { expiryChecks } from './expiry.js';
import { indexChecks } from './indexes.js';
import { loginChecks } from './logins.js';
import { ownershipChecks } from './ownership.js';
import { recordChecks } from './records.js';

export type { ConformanceCase } from './case.js';

/** How the suite gets at the store to be examined. */
export interface ConformanceOptions {
  /**
   * A store without any sessions, new for each case; cases may run at the same time. `peer` is a second instance
   * on the same sessions, as another process would have; default: the store itself.
   */
  open(): Promise<{ store: SessionStore; peer?: SessionStore; close?(): Promise<void> }>;
}

/**
 * Every promise of the {@link SessionStore} contract as one case, for any test runner:
 *
 * ```ts
 * for (const { name, run } of conformance({ open: async () => ({ store: new MyStore() }) })) test(name, run);
 * ```
 */
export function conformance(options: ConformanceOptions): ConformanceCase[] {
  const checks = [
    argumentChecks,
    recordChecks,
    expiryChecks,
    ownershipChecks,
    indexChecks,
    loginChecks,
    busChecks,
  ].flat();
  return checks.map(([name, check]) => ({ name, run: () => runCheck(options, check) }));
}

async function runCheck({ open }: ConformanceOptions, check: Check[1]): Promise<void> {
  const { store, peer = store, close } = await open();
  const subject: Subject = { store, peer };
  try {
    await check(subject);
  } finally {
    await store.close();
    if (peer !== store) await peer.close();
    await close?.();
  }
}
