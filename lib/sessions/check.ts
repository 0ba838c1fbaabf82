import { Buffer } from '../shared/ambient.js';
import {
  type Check,
  checkFunction,
  checkInteger,
  checkMembers,
  checkObject,
  checkText,
  describe,
  kindOf,
  unexpected,
  wrong,
} from '../shared/checks.js';
import { isUint8Array } from '../shared/realms.js';
import { isWellFormed } from './ids.js';
import {
  type Change,
  type Fence,
  type Identity,
  maxIdLength,
  maxTtl,
  type NewSession,
  type SessionStore,
  type Touch,
  type UserLimit,
} from './store.js';
import type { MovableStore, SessionTransfer } from './transfer.js';

export { checkFunction, checkInteger, checkMembers, checkObject, checkText };

/** What a name is: 1 to {@link maxIdLength} bytes of well-formed text without NUL. */
function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || !isWellFormed(value)) return false;
  return Buffer.byteLength(value) <= maxIdLength;
}

const aName = `1 to ${maxIdLength} bytes of well-formed text without NUL`;

/** Throws `ERR_INVALID_ARGUMENT` unless `value` is a name. */
export function checkName(place: string, value: unknown): void {
  if (!isName(value)) throw unexpected(aName, place, kindOf(value));
}

/** The same of an option. */
export const nameOption: Check = (name, value) => {
  if (!isName(value)) throw wrong(name, aName, value, kindOf(value));
};

export function checkOptionalName(name: string, value: unknown): void {
  if (value !== undefined) checkName(name, value);
}

const storeMethods = [
  'newId',
  'create',
  'get',
  'byUser',
  'byLogin',
  'byGroup',
  'byConnection',
  'attach',
  'detach',
  'touch',
  'set',
  'regenerate',
  'successor',
  'destroy',
  'endUser',
  'endLogin',
  'sweep',
  'orphans',
  'list',
] as const satisfies (keyof SessionStore)[];

/** Throws `ERR_INVALID_OPTION` unless it has what a {@link SessionStore} has. */
export const storeOption: Check = (name, value) => {
  const store = value as SessionStore | null;
  const missing = storeMethods.find((method) => typeof store?.[method] !== 'function');
  if (missing === undefined) return;
  throw wrong(name, 'a SessionStore', value, `${describe(value)} without ${missing}()`);
};

const transferMethods = ['depart', 'underWay', 'idOf', 'heirOf', 'arrive', 'forget', 'restore'] as const;

/** The same of a store whose sessions can be moved. */
export const movableOption: Check = (name, value) => {
  storeOption(name, value);
  const transfer: Partial<SessionTransfer> | undefined = (value as Partial<MovableStore>).transfer;
  const missing = transferMethods.find((method) => typeof transfer?.[method] !== 'function');
  if (missing === undefined) return;
  const what = 'a store whose sessions can be moved, as MemoryStore and RedisStore';
  throw wrong(name, what, value, `${describe(value)} without transfer.${missing}()`);
};

/** The checks that every store makes before it stores a session. */
export function checkNewSession(session: NewSession, limit: UserLimit | undefined): void {
  checkObject('a new session', session);
  checkOptionalName('userId', session.userId);
  checkOptionalName('loginId', session.loginId);
  checkOptionalName('group', session.group);
  if (session.owner !== undefined) checkOwner(session.owner);
  checkLife(session.ttl, session.maxAge);
  checkBytes('attributes', session.attributes);
  checkBytes('extensions', session.extensions);
  checkLimit(limit);
}

export function checkLife(ttl: unknown, maxAge: unknown): void {
  checkInteger('ttl', ttl, 1, maxTtl);
  if (maxAge !== undefined) checkInteger('maxAge', maxAge, 1, maxTtl);
}

export function checkOwner(owner: { nodeId: string; connection: string }): void {
  checkObject('the owner', owner);
  checkName('nodeId', owner.nodeId);
  checkName('connection', owner.connection);
}

export function checkFence(fence: Fence | undefined): void {
  if (fence === undefined) return;
  checkObject('the fence', fence);
  checkText('the connectionId of a fence', fence.connectionId);
  checkInteger('the generation of a fence', fence.generation, 0, Number.MAX_SAFE_INTEGER);
}

export function checkTouches(entries: readonly Touch[]): void {
  if (!Array.isArray(entries)) throw unexpected('a list', 'the entries', kindOf(entries));
  for (const entry of entries as readonly Touch[]) {
    checkObject('an entry', entry);
    checkFence(entry.fence);
  }
}

export function checkChange(change: Change): void {
  checkObject('the change', change);
  checkInteger('version', change.version, 0, Number.MAX_SAFE_INTEGER);
  checkFence(change.fence);
  checkBytes('attributes', change.attributes);
  checkBytes('extensions', change.extensions);
  checkOptionalName('group', change.group ?? undefined);
  if (change.ttl !== undefined) checkInteger('ttl', change.ttl, 1, maxTtl);
}

export function checkAuthExpiresAt(value: unknown): void {
  if (value !== undefined && !Number.isFinite(value))
    throw unexpected('epoch milliseconds', 'authExpiresAt', describe(value));
}

export function checkIdentity(identity: Identity | undefined): void {
  if (identity === undefined) return;
  checkObject('the identity', identity);
  checkOptionalName('userId', identity.userId);
  checkOptionalName('loginId', identity.loginId);
}

export function checkLimit(limit: UserLimit | undefined): void {
  if (limit === undefined) return;
  checkObject('the limit', limit);
  checkInteger('limit.max', limit.max, 1, 100_000);
  if (limit.onExcess !== 'reject' && limit.onExcess !== 'closeOldest') {
    throw unexpected("'reject' or 'closeOldest'", 'limit.onExcess', describe(limit.onExcess));
  }
}

/** What to do with a login beside ending its sessions. */
export function checkEndLogin(loginId: string, options: { userId?: unknown; block?: unknown }): void {
  checkName('loginId', loginId);
  checkObject('the options', options);
  checkOptionalName('userId', options.userId);
  if (options.block !== undefined) checkInteger('block', options.block, 0, 86_400_000);
}

export function checkBytes(name: string, value: unknown): void {
  if (value !== undefined && !isUint8Array(value)) {
    throw unexpected('a Uint8Array', name, kindOf(value));
  }
}

/** Throws unless a given id is one that the store's `newId` could have made for that user. */
export function checkGivenId(id: unknown, partition: number | undefined, expected: number): void {
  if (partition === undefined) throw unexpected('an id of newId()', 'the id of a new session', kindOf(id));
  if (partition !== expected)
    throw unexpected(
      'an id of newId(userId)',
      'the id of a new session',
      'one that was made for another user',
    );
}

/** The idle time of a touch as a whole number of milliseconds; nonsense counts as activity just now. */
export function idleOf(touch: Touch): number {
  const idle = typeof touch.idle === 'number' ? Math.floor(touch.idle) : 0;
  return idle > 0 ? Math.min(idle, maxTtl) : 0;
}
