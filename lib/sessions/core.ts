import { LwsError } from '../shared/errors.js';
import type { Closing } from './close-codes.js';
import type { Control } from './control.js';
import type { Counters } from './counters.js';
import type { EndReason, Teller } from './events.js';
import type { Registry } from './registry.js';
import { type Attachment, Session, type SessionHost } from './session.js';
import type { Settings } from './settings.js';
import type { SessionOwner, SessionRecord, SessionStore } from './store.js';

/** What others ask of the part that reports activity. */
export interface Activities {
  /** A session was attached, at this time of the store's clock. */
  start(attachment: Attachment, storeTime: number): void;
  stop(attachment: Attachment): void;
  /** Something came from the client. */
  note(attachment: Attachment): void;
  /** Looks at every session soon. */
  checkAll(): void;
  /** Undefined: this process was here all the time. */
  afterAbsence(): Promise<void> | undefined;
  flush(): Promise<void>;
  close(): void;
}

/** What others ask of the part that watches `authExpiresAt`. */
export interface AuthClocks {
  watch(session: Session): void;
  forget(session: Session): void;
  hasRunOut(session: Session): boolean;
  /** Undefined: it has not run out. */
  renewal(session: Session): Promise<void> | undefined;
  close(): void;
}

/** What others ask of the part by which sessions get and lose their connections. */
export interface Lifecycles extends SessionHost {
  join(attachment: Attachment, session: Session, previous: SessionOwner | undefined): void;
  detach(connectionId: string): Promise<void>;
  depart(connectionId: string): Session | undefined;
  leave(session: Session, after?: Promise<void>): Promise<void>;
  settled(): Promise<void>;
  finishDetaches(): Promise<void>;
  summon(connectionId: string, sessionId: string, closing: Closing): void;
  expired(store: SessionStore, record: SessionRecord): void;
  finished(store: SessionStore, record: SessionRecord, reason: EndReason, closing: Closing): void;
  endById(sessionId: string, closing: Closing): Promise<boolean>;
  endUser(userId: string): Promise<number>;
  endLogin(loginId: string, userId?: string): Promise<number>;
  /** The store has no such session: it goes on under another id, or has ended. */
  missing(session: Session): Promise<void>;
  reclaim(): Promise<void>;
  release(nodeId: string): Promise<number>;
}

/** What the parts of a manager share. */
export interface Core {
  readonly settings: Settings;
  readonly registry: Registry;
  readonly counters: Counters;
  readonly teller: Teller;
  readonly control: Control;
  readonly activity: Activities;
  readonly authClock: AuthClocks;
  readonly lifecycle: Lifecycles;
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
