import { LwsError, type LwsErrorCode } from '../errors.js';
import { describe, isWellFormed } from './ids.js';
import { type Identity, maxIdLength, maxTtl, type NewSession, type Touch, type UserLimit } from './store.js';

/** Throws `ERR_INVALID_OPTION` if anything was given that `of` has no option for. */
export function refuseUnknown(of: string, rest: object): void {
  const [misspelled] = Object.keys(rest);
  if (misspelled !== undefined)
    throw invalid(`${of} has no option ${describe(misspelled)}`, 'ERR_INVALID_OPTION');
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

/** Throws `ERR_INVALID_ARGUMENT`, or `code`, unless `value` is a string of 1 to {@link maxIdLength} bytes without NUL. */
export function checkName(name: string, value: unknown, code?: LwsErrorCode): void {
  if (typeof value !== 'string') throw invalid(`${name} has to be a string, but is ${describe(value)}`, code);
  const length = Buffer.byteLength(value);
  if (length === 0 || length > maxIdLength || value.includes('\0') || !isWellFormed(value)) {
    throw invalid(
      `${name} has to be 1 to ${maxIdLength} bytes of well-formed text without NUL, but is ${describe(value)}`,
      code,
    );
  }
}

function checkOptionalName(name: string, value: unknown): void {
  if (value !== undefined) checkName(name, value);
}

/** The checks that every store makes before it stores a session. */
export function checkNewSession(session: NewSession, limit: UserLimit | undefined): void {
  checkOptionalName('userId', session.userId);
  checkOptionalName('loginId', session.loginId);
  if (session.owner !== undefined) checkOwner(session.owner);
  checkInteger('ttl', session.ttl, 1, maxTtl);
  if (session.maxAge !== undefined) checkInteger('maxAge', session.maxAge, 1, maxTtl);
  checkBytes('attributes', session.attributes);
  checkBytes('extensions', session.extensions);
  checkLimit(limit);
}

export function checkOwner(owner: { nodeId: string; connection: string }): void {
  checkName('nodeId', owner.nodeId);
  checkName('connection', owner.connection);
}

export function checkAuthExpiresAt(value: unknown): void {
  if (value !== undefined && !Number.isFinite(value))
    throw invalid(`authExpiresAt has to be epoch milliseconds, but is ${describe(value)}`);
}

export function checkIdentity(identity: Identity | undefined): void {
  checkOptionalName('userId', identity?.userId);
  checkOptionalName('loginId', identity?.loginId);
}

export function checkLimit(limit: UserLimit | undefined): void {
  if (limit === undefined) return;
  checkInteger('limit.max', limit.max, 1, 100_000);
  if (limit.onExcess !== 'reject' && limit.onExcess !== 'closeOldest') {
    throw invalid(`limit.onExcess has to be 'reject' or 'closeOldest', but is ${describe(limit.onExcess)}`);
  }
}

export function checkBytes(name: string, value: unknown): void {
  if (value !== undefined && !(value instanceof Uint8Array)) {
    throw invalid(`${name} has to be a Uint8Array, but is ${describe(value)}`);
  }
}

/** Throws unless a given id is one that the store's `newId` could have made for that user. */
export function checkGivenId(id: string, partition: number | undefined, expected: number): void {
  if (partition === undefined) {
    throw invalid(`a session id is made by newId(), but this one is ${describe(id)}`);
  }
  if (partition !== expected) {
    throw invalid(`the session id ${describe(id)} was made for another user: make it by newId(userId)`);
  }
}

/** The idle time of a touch as a whole number of milliseconds; nonsense counts as activity just now. */
export function idleOf(touch: Touch): number {
  const idle = Math.floor(touch.idle ?? 0);
  return idle > 0 ? Math.min(idle, maxTtl) : 0;
}

function invalid(message: string, code: LwsErrorCode = 'ERR_INVALID_ARGUMENT'): LwsError {
  return new LwsError(code, message);
}
