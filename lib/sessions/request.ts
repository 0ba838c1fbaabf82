import { kindOf, unexpected } from '../shared/checks.js';
import * as check from './check.js';
import type { Identity } from './store.js';
import { encodeValues } from './values.js';

/** What a request for a session may tell beside the values that a new one starts with. */
interface RequestedSession {
  /**
   * The id that the client presents. Its session is continued if it is there and belongs to the same user, or to
   * nobody if `userId` is left out; otherwise a new one is made, under another id.
   */
  readonly sessionId?: string | undefined;
  /** The authenticated user. */
  readonly userId?: string | undefined;
  /** The login, as the id of the HTTP session. */
  readonly loginId?: string | undefined;
  /** Until when the authentication holds, epoch milliseconds. */
  readonly authExpiresAt?: number | undefined;
  /** The id of a new session, made by `newId()` before; as for a cookie in the answer to the handshake. */
  readonly newId?: string | undefined;
  /** The extensions that a new session starts with, as `attributes`. */
  readonly extensions?: object | undefined;
  /** How long a new session lives without activity, milliseconds, 1 to {@link maxTtl}. Default: the manager's. */
  readonly ttl?: number | undefined;
  /** How long a new session lives at most, milliseconds, 1 to {@link maxTtl}. Default: the manager's. */
  readonly maxAge?: number | undefined;
}

/**
 * The attributes that a new session starts with; one that is continued keeps its own. Default `{}`, which has to be
 * allowed by the type of the manager's attributes; any object where that was not said.
 */
export type InitialAttributes<A extends object> = string extends keyof A
  ? { readonly attributes?: object | undefined }
  : Record<never, never> extends A
    ? { readonly attributes?: A | undefined }
    : { readonly attributes: A };

/** Which session a connection is to get. */
export type SessionRequest<A extends object = Record<string, unknown>> = RequestedSession &
  InitialAttributes<A>;

/** What a session that no connection has yet starts with. */
export type DetachedRequest<A extends object = Record<string, unknown>> = Omit<
  RequestedSession,
  'sessionId' | 'authExpiresAt'
> &
  InitialAttributes<A>;

/** An argument that may be left out where nothing in it is required. */
export type Given<R> = Record<never, never> extends R ? [request?: R] : [request: R];

/** A request that was looked at: every member was read once, and holds what it has to. */
export interface CheckedRequest extends Omit<RequestedSession, 'extensions'> {
  readonly attributes: Uint8Array;
  readonly extensions: Uint8Array;
}

const requestMembers = [
  'sessionId',
  'userId',
  'loginId',
  'authExpiresAt',
  'newId',
  'attributes',
  'extensions',
  'ttl',
  'maxAge',
];

/**
 * Reads what somebody hands over as a request, before any store is asked: what is wrong with it must neither depend
 * on the store nor leave a session behind.
 *
 * @throws `ERR_INVALID_ARGUMENT` naming the member; `ERR_LIMIT` for values above `maxBytes`
 */
export function readRequest(given: SessionRequest, maxBytes: number): CheckedRequest {
  check.checkMembers('a request for a session', given, requestMembers);
  const {
    sessionId,
    userId,
    loginId,
    authExpiresAt,
    newId,
    attributes = {},
    extensions = {},
    ttl,
    maxAge,
  } = given;
  if (sessionId !== undefined) check.checkText('sessionId', sessionId);
  check.checkOptionalName('userId', userId);
  check.checkOptionalName('loginId', loginId);
  check.checkAuthExpiresAt(authExpiresAt);
  if (newId !== undefined && typeof newId !== 'string')
    throw unexpected('an id of newId()', 'newId', kindOf(newId));
  check.checkLife(ttl === undefined ? 1 : ttl, maxAge);
  return {
    sessionId,
    userId,
    loginId,
    authExpiresAt,
    newId,
    ttl,
    maxAge,
    attributes: encodeValues(attributes, 'attributes', maxBytes),
    extensions: encodeValues(extensions, 'extensions', maxBytes),
  };
}

/** Reads what `regenerate` is given; what is left out stays as it is. */
export function readIdentity(given: Identity): Identity {
  check.checkMembers('the identity', given, ['userId', 'loginId']);
  const { userId, loginId } = given;
  check.checkIdentity({ userId, loginId });
  return { ...('userId' in given && { userId }), ...('loginId' in given && { loginId }) };
}
