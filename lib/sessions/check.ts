import { Buffer } from '../shared/ambient.js';
import { LwsError, type LwsErrorCode } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import { describe, isWellFormed, kindOf } from './ids.js';
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

/** Throws unless `options` is an object: everything about it is told by name. */
export function checkOptions(of: string, options: unknown): void {
  checkObject(`the options of ${of}`, options, 'ERR_INVALID_OPTION');
}

/** Throws `ERR_INVALID_OPTION`, or `code`, if anything was given that `of` has no option for. */
export function refuseUnknown(of: string, rest: object, code: LwsErrorCode = 'ERR_INVALID_OPTION'): void {
  const [misspelled] = Object.keys(rest);
  const kind = code === 'ERR_INVALID_OPTION' ? 'option' : 'member';
  if (misspelled !== undefined) throw invalid(`${of} has no ${kind} ${describe(misspelled)}`, code);
}

/** Throws `ERR_INVALID_ARGUMENT`, or `code`, unless `value` is an object that may have the members meant. */
export function checkObject(name: string, value: unknown, code?: LwsErrorCode): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(
      `${name} ${name.endsWith('s') ? 'have' : 'has'} to be an object, but got ${kindOf(value)}`,
      code,
    );
}

/** Throws `ERR_INVALID_ARGUMENT`, or `code`, unless `value` is an integer in the range. */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number,
  code?: LwsErrorCode,
): void {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    throw invalid(`${name} has to be an integer from ${min} to ${max}, but is ${describe(value)}`, code);
  }
}

/** Throws `ERR_INVALID_ARGUMENT`, or `code`, unless `value` is a function. */
export function checkFunction(name: string, value: unknown, code?: LwsErrorCode): void {
  if (typeof value !== 'function')
    throw invalid(`${name} has to be a function, but is ${describe(value)}`, code);
}

/** Throws unless `value` is a string; which one it is, the store finds out. */
export function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string') throw invalid(`${name} has to be a string, but is ${describe(value)}`);
}

/** Throws `ERR_INVALID_ARGUMENT`, or `code`, unless `value` is a string of 1 to {@link maxIdLength} bytes without NUL. */
export function checkName(name: string, value: unknown, code?: LwsErrorCode): void {
  if (typeof value !== 'string') throw invalid(`${name} has to be a string, but is ${describe(value)}`, code);
  const length = Buffer.byteLength(value);
  if (length === 0 || length > maxIdLength || value.includes('\0') || !isWellFormed(value)) {
    throw invalid(
      `${name} has to be 1 to ${maxIdLength} bytes of well-formed text without NUL, but is ${kindOf(value)}`,
      code,
    );
  }
}

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

/** Throws `ERR_INVALID_OPTION` unless `store` has what a {@link SessionStore} has. */
export function checkStore(of: string, store: SessionStore | null): void {
  const missing = storeMethods.find((name) => typeof store?.[name] !== 'function');
  if (missing === undefined) return;
  const message = `${of}: store has to be a SessionStore, but ${describe(store)} has no ${missing}()`;
  throw invalid(message, 'ERR_INVALID_OPTION');
}

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
  if (!Array.isArray(entries)) throw invalid(`the entries have to be a list, but got ${kindOf(entries)}`);
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
    throw invalid(`authExpiresAt has to be epoch milliseconds, but is ${describe(value)}`);
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
    throw invalid(`limit.onExcess has to be 'reject' or 'closeOldest', but is ${describe(limit.onExcess)}`);
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
    throw invalid(`${name} has to be a Uint8Array, but is ${describe(value)}`);
  }
}

/** Throws unless a given id is one that the store's `newId` could have made for that user. */
export function checkGivenId(id: unknown, partition: number | undefined, expected: number): void {
  if (partition === undefined)
    throw invalid(`a session id is made by newId(), but this one is ${kindOf(id)}`);
  if (partition !== expected)
    throw invalid('the session id was made for another user: make it by newId(userId)');
}

/** The idle time of a touch as a whole number of milliseconds; nonsense counts as activity just now. */
export function idleOf(touch: Touch): number {
  const idle = typeof touch.idle === 'number' ? Math.floor(touch.idle) : 0;
  return idle > 0 ? Math.min(idle, maxTtl) : 0;
}

function invalid(message: string, code: LwsErrorCode = 'ERR_INVALID_ARGUMENT'): LwsError {
  return new LwsError(code, message);
}
