import { LwsError } from '../shared/errors.js';
import type { Activity } from './activity.js';
import type { AuthClock } from './auth-clock.js';
import type { Closing } from './close-codes.js';
import type { Control } from './control.js';
import type { Counters } from './counters.js';
import type { Teller } from './events.js';
import type { Lifecycle } from './lifecycle.js';
import type { Attachment, Registry } from './registry.js';
import { Session } from './session.js';
import type { Settings } from './settings.js';
import type { SessionRecord, SessionStore } from './store.js';

/** What the parts of a manager share. */
export interface Core {
  readonly settings: Settings;
  readonly registry: Registry;
  readonly counters: Counters;
  readonly teller: Teller;
  readonly control: Control;
  readonly activity: Activity;
  readonly authClock: AuthClock;
  readonly lifecycle: Lifecycle;
  /** The store of sessions made while the real one failed; only where that is the policy. */
  readonly localStore: SessionStore | undefined;
  /** Stopped: nothing is scheduled any more. */
  closed: boolean;
}

/** All stores of the manager; the one that may fail last. */
export function storesOf(core: Core): SessionStore[] {
  const { settings, localStore } = core;
  return localStore === undefined ? [settings.store] : [localStore, settings.store];
}

/** The handle of a session: the one of its connection here, brought up to date, or a new one. */
export function handleOf(core: Core, store: SessionStore, record: SessionRecord): Session {
  const here = core.registry.bySession(record.id)?.session;
  if (here === undefined || here.store !== store)
    return new Session(core.lifecycle, store, record, store === core.localStore);
  if (here.fence?.generation === record.generation) here.adopt(record);
  return here;
}

/** Runs work that nobody waits for; its failure becomes an `error` event. */
export async function inBackground(core: Core, doing: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isStoreFailure(error)) core.counters.storeErrors++;
    core.teller.fail(error, doing);
  }
}

/** Closes a connection; a bad one that throws must not keep the others open. */
export function closeFor(core: Core, { connection }: Attachment, { code, reason }: Closing): void {
  try {
    connection.close(code, reason);
  } catch (error) {
    core.teller.fail(error, 'closing a connection');
  }
}

export function isStoreFailure(error: unknown): error is LwsError {
  return error instanceof LwsError && error.code === 'ERR_STORE';
}
