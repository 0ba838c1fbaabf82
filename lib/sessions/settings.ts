import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Method } from '../connection/handlers.js';
import { process } from '../shared/ambient.js';
import { type Check, checkTable, integer, oneOf, type, wrong } from '../shared/checks.js';
import type { LwsError } from '../shared/errors.js';
import { nameOption, storeOption } from './check.js';
import { defaultMaxBytes } from './format.js';
import { MemoryStore } from './memory-store.js';
import type { Session } from './session.js';
import { maxTtl, type SessionStore, type UserLimit } from './store.js';

/** Tells whether logins that live elsewhere, as HTTP sessions do, are still valid. */
export interface LoginSource {
  /**
   * Asked when a session was attached, and then with activity, at most once per session and quarter of its `ttl`:
   * prolongs the login and tells whether it is still there. `false` ends all its sessions.
   */
  touch(loginId: string): Promise<boolean>;
  /** All logins of a user, also those without a session here; what `endUser` with `logins` ends. */
  byUser?(userId: string): Promise<readonly { readonly loginId: string }[]>;
  /** Ends a login, as a logout does. */
  end?(loginId: string): Promise<unknown>;
  /** Where logins tell by themselves that they ended: the manager listens, and ends their sessions at once. */
  onEnd?(listener: (loginId: string) => Promise<unknown>): void;
}

/** Options of {@link SessionManager}. Times are milliseconds, sizes bytes. */
export interface SessionManagerOptions {
  /** Where sessions live. Default: a new `MemoryStore`. */
  readonly store?: SessionStore | undefined;
  /**
   * This process among those that share the store. Must never be used by two at a time: sessions that an earlier
   * process of the same name left attached are detached before the first one here is. Default: made up, unique.
   */
  readonly nodeId?: string | undefined;
  /** How long a session lives without activity. Default 30 minutes. */
  readonly ttl?: number | undefined;
  /** How long it lives at most. Default: for ever. */
  readonly maxAge?: number | undefined;
  /** How long it lives without a connection, at most `ttl`; 0: it ends with its connection. Default: `ttl`. */
  readonly keepDetached?: number | undefined;
  /**
   * When activity prolongs it. `half` writes only when less than half of `ttl` is left: it expires after between
   * half of `ttl` and `ttl` of silence. `exact`: after `ttl` of silence. Default `half`.
   */
  readonly touch?: 'half' | 'exact' | undefined;
  /** Whether a pong counts as activity; without, a client that only answers pings expires. Default true. */
  readonly pongsAreActivity?: boolean | undefined;
  /** Most live sessions of one user, over all nodes. Default: any number. */
  readonly maxPerUser?: number | undefined;
  /** What happens to one more: it is rejected (4429), or closes the oldest (4429 there). Default `reject`. */
  readonly onExcess?: 'reject' | 'closeOldest' | undefined;
  /**
   * New connections while the store fails: `reject` with 1013, or `local`: a session in the memory of this process,
   * which the store never gets to know. Default `reject`.
   */
  readonly whenStoreFails?: 'reject' | 'local' | undefined;
  /**
   * Stored values that cannot be read, as those of a newer version after a rollback: `fail` where they are asked for
   * with `ERR_STORE`; `replace` by `{}`; or a function that returns what stands in their place. An `error` event tells
   * of each replacement; it is stored by the next `update`. Default `fail`.
   */
  readonly whenUnreadable?:
    | 'fail'
    | 'replace'
    | ((error: LwsError, bytes: Uint8Array, what: 'attributes' | 'extensions') => object)
    | undefined;
  /** Time between two sweeps. Default a tenth of `ttl`, between 250 ms and 5 s. */
  readonly sweepInterval?: number | undefined;
  /** Largest attributes, and extensions, of one session when stored. Default 64 KiB, at most 16 MiB. */
  readonly maxAttributes?: number | undefined;
  /** For how long a login that was ended refuses new sessions. Default 60 s, at most a day. */
  readonly loginBlock?: number | undefined;
  /** Whether the logins behind sessions are still valid: `HttpLogins`, or your own. Default: nobody is asked. */
  readonly logins?: LoginSource | undefined;
  /**
   * Called when the authentication of an attached session runs out: resolves to the epoch milliseconds until which
   * it was renewed, or to `undefined`, which closes the connection with 4401, as does an error or 10 s without answer.
   */
  refreshAuth?: Method<[session: Session], number | undefined | Promise<number | undefined>> | undefined;
}

/** The options with everything filled in. */
export interface Settings {
  readonly store: SessionStore;
  readonly nodeId: string;
  /** It was given, so that an earlier process may have had it. */
  readonly isNodeGiven: boolean;
  readonly ttl: number;
  readonly maxAge: number | undefined;
  readonly keepDetached: number;
  readonly exact: boolean;
  readonly pongsAreActivity: boolean;
  readonly limit: UserLimit | undefined;
  readonly localWhenStoreFails: boolean;
  readonly whenUnreadable: NonNullable<SessionManagerOptions['whenUnreadable']>;
  readonly sweepInterval: number;
  readonly maxAttributes: number;
  readonly loginBlock: number;
  readonly logins: LoginSource | undefined;
  readonly refreshAuth: SessionManagerOptions['refreshAuth'];
}

const aFunction = type('function');

const managerChecks: Record<string, Check> = {
  store: storeOption,
  nodeId: nameOption,
  ttl: integer(100, maxTtl),
  maxAge: integer(100, maxTtl),
  keepDetached: integer(0, maxTtl),
  touch: oneOf('half', 'exact'),
  pongsAreActivity: type('boolean'),
  maxPerUser: integer(1, 100_000),
  onExcess: oneOf('reject', 'closeOldest'),
  whenStoreFails: oneOf('reject', 'local'),
  whenUnreadable: (name, value) => {
    if (typeof value !== 'function' && value !== 'fail' && value !== 'replace')
      throw wrong(name, "'fail', 'replace' or a function", value);
  },
  sweepInterval: integer(10, 3_600_000),
  maxAttributes: integer(64, 16_777_216),
  loginBlock: integer(0, 86_400_000),
  logins: (name, value) => {
    const logins = value as LoginSource | null;
    if (typeof logins?.touch !== 'function') throw wrong(name, 'an object with a method touch', value);
    for (const method of ['onEnd', 'byUser', 'end'] as const)
      if (logins[method] !== undefined) aFunction(`${name}.${method}`, logins[method]);
  },
  refreshAuth: aFunction,
};

/** @throws `ERR_INVALID_OPTION` naming the option, what was expected and what came */
export function settingsOf(options: SessionManagerOptions): Settings {
  checkTable(options, managerChecks, '');
  const {
    store = new MemoryStore(),
    nodeId = `${hostname().slice(0, 64)}-${process.pid}-${randomBytes(6).toString('hex')}`,
    ttl = 1_800_000,
    maxAge,
    keepDetached = ttl,
    touch = 'half',
    pongsAreActivity = true,
    maxPerUser,
    onExcess = 'reject',
    whenStoreFails = 'reject',
    whenUnreadable = 'fail',
    sweepInterval = Math.min(5000, Math.max(250, Math.floor(ttl / 10))),
    maxAttributes = defaultMaxBytes,
    loginBlock = 60_000,
    logins,
    refreshAuth,
  } = options;
  integer(0, ttl)('keepDetached', keepDetached);
  return {
    store,
    nodeId,
    isNodeGiven: options.nodeId !== undefined,
    ttl,
    maxAge,
    keepDetached,
    exact: touch === 'exact',
    pongsAreActivity,
    limit: maxPerUser === undefined ? undefined : { max: maxPerUser, onExcess },
    localWhenStoreFails: whenStoreFails === 'local',
    whenUnreadable,
    sweepInterval,
    maxAttributes,
    loginBlock,
    logins,
    refreshAuth,
  };
}
