import { nextTick } from '../shared/ambient.js';
import { type Check, checkTable, kindOf, type, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import { causeOf } from './cause.js';
import { checkFunction, checkName, checkObject } from './check.js';
import { signedCookie } from './cookie.js';
import type { LoginSource } from './settings.js';

type Callback<T> = (error?: unknown, result?: T) => void;

/** A session as express-session hands it to its store. */
export interface HttpSessionData {
  /** What express-session keeps of the browser's cookie: how long the HTTP session lives. */
  cookie?:
    | {
        /** Life that activity gives the HTTP session anew, milliseconds; without it activity leaves `expires`. */
        originalMaxAge?: number | null | undefined;
        /** When the HTTP session is over; without it, or with `false`, the store decides, {@link httpSessionStore} by its `ttl`. */
        expires?: Date | string | false | null | undefined;
      }
    | undefined;
}

/** The part of an express-session `Store` that is used: what connect-redis and all others have. */
export interface HttpSessionStore {
  /** Reads an HTTP session; gives nothing or `null` where there is none. */
  get(sid: string, callback: Callback<HttpSessionData | null>): void;
  /** Removes an HTTP session. Without `onEnd`, {@link HttpLogins} wraps it: that is how a logout is noticed. */
  destroy(sid: string, callback?: Callback<void>): void;
  /** Prolongs an HTTP session to what its cookie says. Without it, activity on WebSockets prolongs none. */
  touch?(sid: string, session: HttpSessionData, callback?: Callback<void>): void;
  /** Removes all HTTP sessions. Without `onEnd`, their WebSockets close with their next activity at the latest. */
  clear?(callback?: Callback<void>): void;
  /** Lists all HTTP sessions: by id, or as a list whose entries have their `id`. */
  all?(callback: Callback<Record<string, HttpSessionData> | readonly HttpSessionData[]>): void;
  /** Lists those of a user, where a store has an index, as {@link httpSessionStore}. */
  byUser?(userId: string, callback: Callback<readonly { sid: string; session: HttpSessionData }[]>): void;
  /** Where a store tells by itself which sessions ended, however they did; it waits for what the listener returns. */
  onEnd?(listener: (sid: string) => unknown): void;
}

/** Options of {@link HttpLogins}. */
export interface HttpLoginOptions<S extends HttpSessionStore> {
  /** The store of the HTTP sessions. */
  readonly store: S;
  /** The `secret` of express-session. */
  readonly secret: string | readonly string[];
  /** The `name` of express-session: its cookie. Default `connect.sid`. */
  readonly cookie?: string | undefined;
  /**
   * Whose an HTTP session is: how those of a user are found among all that the store lists. Not needed with
   * {@link httpSessionStore}, which has an option of this name itself.
   */
  readonly userOf?: ((session: HttpSessionData) => string | undefined) | undefined;
}

/** What a handshake's cookie stands for. */
export interface HttpLogin<T> {
  /** The id of the HTTP session; the `loginId` of sessions that belong to it. */
  readonly loginId: string;
  /** The HTTP session itself. */
  readonly session: T;
}

/** A request's headers: ours, WHATWG's or Node's. */
type HeaderSource = {
  readonly headers: { get(name: string): string | null } | { cookie?: string | undefined };
};

/**
 * Lets WebSocket sessions belong to the HTTP sessions of express-session: a handshake reads the HTTP session behind
 * its cookie, activity on the WebSocket prolongs it, and when it ends, by logout, expiry or a new id at login, the
 * WebSockets that belong to it are closed.
 *
 * ```ts
 * const store = new ConnectRedis({ client });
 * app.use(session({ store, secret }));
 * const logins = new HttpLogins({ store, secret });
 * const sessions = new SessionManager({ logins });
 * // in upgrade: const login = await logins.read(request)
 * // in identify: ({ data }) => ({ loginId: data.login.loginId, userId: data.login.session.user })
 * ```
 */
export class HttpLogins<S extends HttpSessionStore = HttpSessionStore> implements LoginSource {
  /** The given store. Its `destroy` was replaced by one that tells us. */
  readonly store: S;
  private readonly secrets: readonly string[];
  private readonly cookie: string;
  private readonly userOf: HttpLoginOptions<S>['userOf'];
  private readonly listeners = new Set<(loginId: string) => Promise<unknown>>();

  /** @throws `ERR_INVALID_OPTION` */
  constructor(options: HttpLoginOptions<S>) {
    checkTable(options, loginChecks, '');
    const { store, secret, cookie = 'connect.sid', userOf } = options;
    loginChecks.store!('store', store);
    loginChecks.secret!('secret', secret);
    this.secrets = typeof secret === 'string' ? [secret] : secret;
    this.cookie = cookie;
    this.userOf = userOf;
    this.store = store;
    if (store.onEnd === undefined) this.watch(store);
    else store.onEnd((sid) => this.ended(sid));
  }

  /**
   * The HTTP session that a handshake belongs to, or `undefined`: no cookie, a wrong signature, or no such session.
   * It never makes one.
   *
   * @throws `ERR_STORE` when the store of the HTTP sessions fails
   */
  async read<T extends HttpSessionData = HttpSessionData>(
    request: HeaderSource,
  ): Promise<HttpLogin<T> | undefined> {
    const loginId = this.loginId(request);
    if (loginId === undefined) return undefined;
    const session = await this.load(loginId);
    return session && { loginId, session: session as T };
  }

  /** The id alone, out of the cookie: signed by us, but the HTTP session may be gone. */
  loginId(request: HeaderSource): string | undefined {
    checkObject('a request', request);
    checkObject('the headers of a request', request.headers);
    const { headers } = request;
    const header =
      'get' in headers && typeof headers.get === 'function' ? headers.get('cookie') : readCookie(headers);
    return signedCookie(header ?? undefined, this.cookie, this.secrets);
  }

  /** Prolongs the HTTP session as a request would; `false`: it is gone. */
  async touch(loginId: string): Promise<boolean> {
    checkName('loginId', loginId);
    const session = await this.load(loginId);
    if (session === undefined) return false;
    const { originalMaxAge } = session.cookie ?? {};
    const expires = typeof originalMaxAge === 'number' ? new Date(Date.now() + originalMaxAge) : undefined;
    const touched = expires === undefined ? session : { ...session, cookie: { ...session.cookie, expires } };
    const { store } = this;
    if (store.touch !== undefined)
      await called<void>(loginId, (done) => store.touch?.(loginId, touched, done));
    return true;
  }

  /**
   * All HTTP sessions of a user, also of browsers that are not connected: by the index of `httpSessionStore`, else
   * among all that the store lists.
   *
   * @throws `ERR_UNSUPPORTED` when the store can do neither, or `userOf` is missing; `ERR_STORE`
   */
  async byUser<T extends HttpSessionData = HttpSessionData>(userId: string): Promise<HttpLogin<T>[]> {
    checkName('userId', userId);
    const { store, userOf } = this;
    if (store.byUser !== undefined) {
      const found = await called<readonly { sid: string; session: HttpSessionData }[]>(userId, (done) =>
        store.byUser?.(userId, done),
      );
      return (found ?? []).map(({ sid, session }) => ({ loginId: sid, session: session as T }));
    }
    if (store.all === undefined || userOf === undefined)
      throw unsupported(userOf === undefined ? 'the option userOf' : 'a store with all()');
    const all = (await called<unknown>(userId, (done) => store.all?.(done))) ?? [];
    return entriesOf(all)
      .filter(([, session]) => userOf(session) === userId)
      .map(([loginId, session]) => ({ loginId, session: session as T }));
  }

  /** Ends an HTTP session, as a logout does. */
  async end(loginId: string): Promise<void> {
    checkName('loginId', loginId);
    await called<void>(loginId, (done) => this.store.destroy(loginId, done));
  }

  /** Called by a `SessionManager`: the listener hears of every login that ends. */
  onEnd(listener: (loginId: string) => Promise<unknown>): void {
    checkFunction('the listener', listener);
    this.listeners.add(listener);
  }

  private async load(sid: string): Promise<HttpSessionData | undefined> {
    const session = await called<HttpSessionData | null>(sid, (done) => this.store.get(sid, done));
    return session ?? undefined;
  }

  /** From now on its `destroy` tells us, whoever calls it: a logout, or a login that takes a new id. */
  private watch(store: S): void {
    const destroy = store.destroy.bind(store);
    store.destroy = (sid, callback) => {
      destroy(sid, (error) => {
        if (error) callback?.(error);
        else
          this.ended(sid).then(
            () => callback && nextTick(callback),
            (cause: unknown) => callback && nextTick(callback, cause),
          );
      });
    };
  }

  private async ended(loginId: string): Promise<void> {
    await Promise.all([...this.listeners].map((listener) => listener(loginId)));
  }
}

/** A callback interface as a promise; what it reports, or throws, is an `ERR_STORE`. */
function called<T>(loginId: string, run: (done: Callback<T>) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: unknown) => {
      const cause = causeOf(thrown, [loginId]);
      const message = `the store of the HTTP sessions failed: ${cause.message}`;
      reject(thrown instanceof LwsError ? thrown : new LwsError('ERR_STORE', message, { cause }));
    };
    try {
      run((error, result) => (error ? fail(error) : resolve(result)));
    } catch (thrown) {
      fail(thrown);
    }
  });
}

function unsupported(missing: string): LwsError {
  const message = `the HTTP sessions of a user cannot be found: that needs httpSessionStore, or ${missing}`;
  return new LwsError('ERR_UNSUPPORTED', message);
}

/** By id, as express-session's own store lists them, or a list of sessions that have an `id`, as connect-redis does. */
function entriesOf(all: unknown): [string, HttpSessionData][] {
  if (!Array.isArray(all)) return Object.entries(all as Record<string, HttpSessionData>);
  return all.map((session: HttpSessionData & { id?: unknown }) => {
    if (typeof session?.id !== 'string') throw unsupported('a store whose all() tells the ids');
    return [session.id, session];
  });
}

function readCookie(headers: object): string | undefined {
  const cookie: unknown = 'cookie' in headers ? headers.cookie : undefined;
  return typeof cookie === 'string' ? cookie : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0;
}

const loginChecks: Record<string, Check> = {
  store: (name, value) => {
    const { get, destroy } = (value ?? {}) as Partial<HttpSessionStore>;
    if (typeof get !== 'function' || typeof destroy !== 'function')
      throw wrong(name, 'an express-session store', value);
  },
  secret: (name, value) => {
    const secrets = Array.isArray(value) ? value : [value];
    if (secrets.length === 0 || !secrets.every(isText))
      throw wrong(name, 'a non-empty string, or several', value, kindOf(value));
  },
  cookie: (name, value) => {
    if (!isText(value)) throw wrong(name, 'a name', value);
  },
  userOf: type('function'),
};

shown(HttpLogins.prototype, 'HttpLogins', () => ({}));
