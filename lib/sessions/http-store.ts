import { createHash } from 'node:crypto';
import { types } from 'node:util';
import { clearInterval, nextTick, process, setInterval } from '../shared/ambient.js';
import { type Check, checkTable, integer, oneOf, type, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { causeOf } from './cause.js';
import { checkFunction, checkName, checkObject, checkOptionalName, checkText, storeOption } from './check.js';
import { decode } from './decode.js';
import { encode } from './encode.js';
import type { HttpSessionData, HttpSessionStore } from './http-logins.js';
import { maxTtl, type SessionRecord, type SessionStore } from './store.js';

type Callback<T> = (error?: unknown, result?: T) => void;

/** Options of {@link httpSessionStore}. */
export interface HttpSessionStoreOptions<B extends abstract new () => object> {
  /** The class `Store` of express-session: `session.Store`. */
  readonly Store: B;
  /** Where the HTTP sessions live: a store of their own, as a `RedisStore` with another prefix. */
  readonly store: SessionStore;
  /** Life of sessions whose cookie has none, in ms. Default a day. */
  readonly ttl?: number | undefined;
  /** Time between two sweeps. Default 30 s. */
  readonly sweepInterval?: number | undefined;
  /** Largest session when stored. Default 64 KiB. */
  readonly maxBytes?: number | undefined;
  /**
   * Whose an HTTP session is, told from what is in it: the same `userId` that `identify` answers. With it the HTTP
   * sessions of a user are found and ended, also of browsers that are not connected.
   */
  readonly userOf?: ((session: HttpSessionData) => string | undefined) | undefined;
  /**
   * A stored HTTP session that cannot be read, as after a rollback: `fail` with `ERR_STORE`, or `replace`: as if there
   * were none, so that the browser gets a new one. Default `fail`.
   */
  readonly whenUnreadable?: 'fail' | 'replace' | undefined;
}

/** An express-session store on a {@link SessionStore}. */
export interface SessionBackedHttpStore extends HttpSessionStore {
  /**
   * Stores an HTTP session until its cookie expires, or for `ttl` where that does not say; one that has expired is
   * destroyed. One that was destroyed within the last minute stays so, which is no error. Fails with `ERR_LIMIT` above
   * `maxBytes`, and with `ERR_SESSION_CONFLICT` when others changed it 16 times meanwhile.
   */
  set(sid: string, session: HttpSessionData, callback?: Callback<void>): void;
  /** Moves the expiry of an HTTP session to what its cookie says; stores no values, and never makes one. */
  touch(sid: string, session: HttpSessionData, callback?: Callback<void>): void;
  /** All live HTTP sessions, in no particular order. */
  all(callback: Callback<HttpSessionData[]>): void;
  /** The live HTTP sessions of a user; `ERR_UNSUPPORTED` without the option `userOf`. */
  byUser(userId: string, callback: Callback<readonly { sid: string; session: HttpSessionData }[]>): void;
  /** How many HTTP sessions are live; reads all of them. */
  length(callback: Callback<number>): void;
  /** Destroys all HTTP sessions one after the other, so that listeners of `onEnd` hear of each. */
  clear(callback?: Callback<void>): void;
  onEnd(listener: (sid: string) => unknown): void;
  /** Stops sweeping. The store below stays open. */
  close(): void;
}

/** Long enough for every request that was under way when its session was destroyed. */
const destroyedBlock = 60_000;
const maxAttempts = 16;

const storeChecks: Record<string, Check> = {
  Store: (name, value) => {
    if (typeof value !== 'function') throw wrong(name, "express-session's session.Store", value);
  },
  store: storeOption,
  ttl: integer(1, maxTtl),
  sweepInterval: integer(10, 3_600_000),
  maxBytes: integer(64, 16_777_216),
  userOf: type('function'),
  whenUnreadable: oneOf('fail', 'replace'),
};

/**
 * Makes a {@link SessionStore} the store of express-session: HTTP sessions then have what ours have, as an expiry that
 * is noticed. A session that was destroyed is not brought back by a request that was under way, as with other stores.
 * Values are stored as {@link encode} does it, so that dates and bytes keep their types; what that refuses is stored as JSON.
 */
export function httpSessionStore<B extends abstract new () => object>(
  options: HttpSessionStoreOptions<B>,
): InstanceType<B> & SessionBackedHttpStore {
  checkTable(options, storeChecks, '');
  const {
    Store,
    store,
    ttl = 86_400_000,
    sweepInterval = 30_000,
    maxBytes = 65_536,
    userOf,
    whenUnreadable = 'fail',
  } = options;
  storeChecks.Store!('Store', Store);
  storeOption('store', store);
  const listeners = new Set<(sid: string) => unknown>();

  async function get(sid: string): Promise<HttpSessionData | undefined> {
    const record = await store.get(idOf(store, sid));
    if (record === undefined) return undefined;
    try {
      return sessionOf(record);
    } catch (error) {
      if (whenUnreadable === 'fail') throw error;
      return undefined;
    }
  }

  async function set(sid: string, session: HttpSessionData): Promise<void> {
    checkObject('an HTTP session', session);
    const life = lifeOf(session, ttl);
    if (life <= 0) return destroy(sid);
    const name = nameOf(sid);
    const id = idOf(store, sid);
    const attributes = pack(sid, session, maxBytes);
    const group = userOf?.(session);
    checkOptionalName('the user of an HTTP session', group);
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const record = await store.get(id);
      if (record === undefined) {
        const { status } = await store.create({
          id,
          userId: name,
          loginId: name,
          group,
          ttl: life,
          attributes,
        });
        // Refused: it was destroyed, or has expired, while the request was under way.
        if (status !== 'exists' || (await store.get(id)) === undefined) return;
      } else {
        const change = { attributes, ttl: life, ...(userOf && { group: group ?? null }) };
        const { status } = await store.set(id, { version: record.version, ...change });
        if (status === 'set') return;
      }
    }
    throw new LwsError(
      'ERR_SESSION_CONFLICT',
      `the HTTP session changed ${maxAttempts} times while it was stored`,
    );
  }

  async function touch(sid: string, session: HttpSessionData): Promise<void> {
    checkObject('an HTTP session', session);
    const record = await store.get(idOf(store, sid));
    if (record === undefined) return;
    const life = lifeOf(session, ttl);
    // The usual case: the same life again, so that only the expiry moves.
    if (Math.abs(life - record.ttl) < 1000) await store.touch([{ id: record.id }], true);
    else if (life > 0) await store.set(record.id, { version: record.version, ttl: life });
  }

  async function destroy(sid: string): Promise<void> {
    const name = nameOf(sid);
    await store.endLogin(name, { userId: name, block: destroyedBlock });
    await tellEnd(sid);
  }

  async function byUser(userId: string): Promise<{ sid: string; session: HttpSessionData }[]> {
    checkName('userId', userId);
    if (userOf === undefined)
      throw new LwsError(
        'ERR_UNSUPPORTED',
        'httpSessionStore finds sessions by user only with its option userOf',
      );
    return (await store.byGroup(userId)).map((record) => ({
      sid: sidOf(record),
      session: readableOf(record)[0] ?? {},
    }));
  }

  async function records(): Promise<SessionRecord[]> {
    const found: SessionRecord[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.list(cursor, 1000);
      found.push(...page.records);
      ({ cursor } = page);
    } while (cursor !== undefined);
    return found;
  }

  async function sweep(): Promise<void> {
    for (let more = true; more; ) {
      const swept = await store.sweep(256);
      // One that cannot be read, or whose listener fails, costs no other: they will not come again.
      const told = await Promise.allSettled(swept.records.map(async (record) => tellEnd(sidOf(record))));
      for (const outcome of told) if (outcome.status === 'rejected') reportTo(outcome.reason);
      ({ more } = swept);
    }
  }

  async function tellEnd(sid: string): Promise<void> {
    await Promise.all([...listeners].map((listener) => listener(sid)));
  }

  const timer = setInterval(() => void sweep().catch(reportTo), sweepInterval).unref();
  const methods: SessionBackedHttpStore = {
    get: (sid, callback) =>
      answer(
        get(sid).then((session) => session ?? null),
        callback,
      ),
    set: (sid, session, callback) => answer(set(sid, session), callback),
    touch: (sid, session, callback) => answer(touch(sid, session), callback),
    destroy: (sid, callback) => answer(destroy(sid), callback),
    all: (callback) =>
      answer(
        records().then((all) => all.flatMap(readableOf)),
        callback,
      ),
    byUser: (userId, callback) => answer(byUser(userId), callback),
    length: (callback) =>
      answer(
        records().then((all) => all.length),
        callback,
      ),
    clear(callback) {
      const clear = async () => {
        for (const record of await records()) await destroy(sidOf(record));
      };
      answer(clear(), callback);
    },
    onEnd(listener) {
      checkFunction('the listener', listener);
      listeners.add(listener);
    },
    close: () => clearInterval(timer),
  };
  const made = Object.assign(new (Store as unknown as new () => InstanceType<B>)(), methods);

  function reportTo(error: unknown): void {
    process.emitWarning(`sweeping HTTP sessions failed: ${causeOf(error).message}`);
  }
  return made;
}

/** Calls back outside of the promise, so that what the callback throws is uncaught and not swallowed. */
function answer<T>(work: Promise<T>, callback: Callback<T> | undefined): void {
  work.then(
    (result) => callback && nextTick(callback, null, result),
    (error: unknown) => callback && nextTick(callback, error),
  );
}

/** Session ids of express-session fit our own; other ones go by their hash. */
function nameOf(sid: string): string {
  checkText('the id of an HTTP session', sid);
  return /^[\w-]{1,200}$/.test(sid) ? sid : createHash('sha256').update(sid).digest('hex');
}

function idOf(store: SessionStore, sid: string): string {
  return store.newId(nameOf(sid), nameOf(sid));
}

/** `expires: false` is how express-session says that the cookie goes with the browser: it ends nothing. */
function lifeOf({ cookie }: HttpSessionData, ttl: number): number {
  const { expires } = cookie ?? {};
  const isTime = typeof expires === 'string' || typeof expires === 'number' || types.isDate(expires);
  const end = isTime ? Number(new Date(expires)) : Number.NaN;
  return Number.isNaN(end) ? ttl : Math.min(maxTtl, Math.ceil(end - Date.now()));
}

function pack(sid: string, session: HttpSessionData, maxBytes: number): Uint8Array {
  const { cookie } = session as { cookie?: { toJSON?(): object } };
  const plain = { ...session, cookie: cookie?.toJSON?.() ?? cookie };
  try {
    return encode({ sid, session: plain }, 'the HTTP session', maxBytes);
  } catch (error) {
    if (!(error instanceof LwsError && error.code === 'ERR_INVALID_ARGUMENT')) throw error;
    return encode({ sid, session: asJson(session, error) }, 'the HTTP session', maxBytes);
  }
}

/** What other stores would keep of it; where that fails as well, `refusal` has the place. */
function asJson(session: HttpSessionData, refusal: LwsError): unknown {
  try {
    return JSON.parse(JSON.stringify(session));
  } catch {
    throw refusal;
  }
}

function unpack({ attributes }: SessionRecord): { sid: string; session: HttpSessionData } {
  return decode(attributes) as { sid: string; session: HttpSessionData };
}

function sessionOf(record: SessionRecord): HttpSessionData {
  return unpack(record).session;
}

/** One that cannot be read costs no other. */
function readableOf(record: SessionRecord): HttpSessionData[] {
  try {
    return [sessionOf(record)];
  } catch {
    return [];
  }
}

/** Its login has the same name, where that is not a hash: it is known although the values cannot be read. */
function sidOf(record: SessionRecord): string {
  try {
    return unpack(record).sid;
  } catch (error) {
    if (record.loginId === undefined) throw error;
    return record.loginId;
  }
}
