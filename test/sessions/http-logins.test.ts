import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import session, { MemoryStore as ExpressMemoryStore, Store } from 'express-session';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { createServer, type Server } from '../../lib/index.js';
import { signedCookie } from '../../lib/sessions/cookie.js';
import {
  HttpLogins,
  type HttpSessionStore,
  httpSessionStore,
  MemoryStore,
  SessionManager,
} from '../../lib/sessions/index.js';
import { sleep, until } from './helpers/managers.js';

declare module 'express-session' {
  interface SessionData {
    user?: string;
    visits?: number;
    since?: Date;
  }
}

const secret = 'keyboard cat';

interface Site {
  readonly logins: HttpLogins;
  readonly sessions: SessionManager;
  /** Asks the Express application, with the cookie of the answers before. */
  request(path: string): Promise<string>;
  socket(headers?: Record<string, string>): WebSocket;
  cookie: string;
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closing.splice(0).reverse()) await close();
});

/** An Express site with login and logout, and a WebSocket server that shares its sessions. */
async function startSite(store: HttpSessionStore & Store, maxAge = 60_000, ttl = 60_000): Promise<Site> {
  const logins = new HttpLogins({ store, secret });
  const sessions = new SessionManager({ logins, ttl });
  const app = express();
  app.use(
    session({ store: logins.store, secret, resave: false, saveUninitialized: false, cookie: { maxAge } }),
  );
  app.get('/login', (request, response) => {
    request.session.regenerate(() => {
      request.session.user = String(request.query.user);
      request.session.since = new Date(1000);
      response.send('in');
    });
  });
  app.get('/visit', (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.send(`${request.session.user} ${request.session.visits}`);
  });
  app.get('/logout', (request, response) => {
    request.session.destroy((error) => response.send(error ? 'failed' : 'out'));
  });
  const http = app.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const server: Server = createServer(
    sessions.serve<{ loginId: string; user: string }, unknown>({
      host: '127.0.0.1',
      async upgrade(request) {
        const login = await logins.read<session.SessionData>(request);
        if (login?.session.user === undefined) return { status: 401 };
        return { data: { loginId: login.loginId, user: login.session.user } };
      },
      identify: ({ data: { loginId, user } }) => ({ loginId, userId: user }),
      message: () => undefined,
    }),
  ) as Server;
  const { port: socketPort } = await server.listen();
  closing.push(
    () => http.close(),
    () => http.closeAllConnections(),
    () => sessions.stop(),
    () => server.close({ timeout: 0 }),
  );
  const site: Site = {
    logins,
    sessions,
    cookie: '',
    async request(path) {
      const headers: Record<string, string> = site.cookie === '' ? {} : { cookie: site.cookie };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      site.cookie = response.headers.get('set-cookie')?.split(';')[0] ?? site.cookie;
      return response.text();
    },
    socket(headers = { cookie: site.cookie }) {
      const socket = new WebSocket(`ws://127.0.0.1:${socketPort}`, { headers });
      // Ended before its handshake it emits an error.
      socket.on('error', () => undefined);
      closing.push(() => socket.terminate());
      return socket;
    },
  };
  return site;
}

function ownStore() {
  const made = httpSessionStore({ Store, store: new MemoryStore(), sweepInterval: 50 });
  closing.push(() => made.close());
  return made;
}

describe.each([
  ["express-session's own MemoryStore", () => new ExpressMemoryStore()],
  ['a store on a SessionStore', ownStore],
])('HTTP sessions in %s', (name, makeStore) => {
  let site: Site;

  beforeEach(async () => {
    site = await startSite(makeStore() as HttpSessionStore & Store);
  });

  test('[S1] [D-S4] the handshake gets the HTTP session behind the signed cookie, and binds user and login', async () => {
    await site.request('/login?user=ann');
    const socket = site.socket();
    await once(socket, 'open');
    await until('attached', () => site.sessions.stats().attached === 1);
    const [bound] = await site.sessions.byUser('ann');
    expect(site.cookie).toContain(encodeURIComponent(bound?.loginId ?? '-'));
    const login = await site.logins.read<session.SessionData>({ headers: { cookie: site.cookie } });
    expect(login).toMatchObject({ loginId: bound?.loginId, session: { user: 'ann' } });
  });

  test('[S5] the handshake never makes an HTTP session, and refuses what is not signed by us', async () => {
    const [, forged] = /connect\.sid=(.*)/.exec(`connect.sid=${encodeURIComponent('s:abc.xyz')}`) ?? [];
    for (const cookie of [
      '',
      'connect.sid=abc',
      `connect.sid=${forged}`,
      'connect.sid=s%3A',
      'connect.sid=%E0%A4%A',
    ]) {
      const [, response] = await once(site.socket({ cookie }), 'unexpected-response');
      expect(response.statusCode).toBe(401);
      response.destroy();
    }
    await site.request('/visit');
    const [, response] = await once(site.socket(), 'unexpected-response');
    expect(response.statusCode, 'an HTTP session without user').toBe(401);
    response.destroy();
    const store = site.logins.store as unknown as Store;
    const count = await new Promise((resolve) => store.length?.((_error, length) => resolve(length)));
    expect(count).toBe(1);
  });

  test('[S4] a logout closes all WebSockets of the login, before it is answered', async () => {
    await site.request('/login?user=ann');
    const tabs = [site.socket(), site.socket()];
    const closes = tabs.map((tab) => once(tab, 'close'));
    await until('attached', () => site.sessions.stats().attached === 2);
    expect(await site.request('/logout')).toBe('out');
    expect(site.sessions.stats().attached).toBe(0);
    for (const [code, reason] of await Promise.all(closes))
      expect([code, String(reason)]).toEqual([1008, 'login ended']);
  });

  test('[D-S4] a login with a new HTTP session id ends what belonged to the old one', async () => {
    await site.request('/login?user=ann');
    const tab = site.socket();
    await until('attached', () => site.sessions.stats().attached === 1);
    const closed = once(tab, 'close');
    await site.request('/login?user=bob');
    expect((await closed)[0]).toBe(1008);
    await once(site.socket(), 'open');
    await until('attached', () => site.sessions.stats().attached === 1);
    expect(await site.sessions.byUser('bob')).toHaveLength(1);
  });

  test('[D-S2] a handshake that read the HTTP session just before the logout leaves nothing behind', async () => {
    await site.request('/login?user=ann');
    const sockets = Array.from({ length: 20 }, () => site.socket());
    const ends = sockets.map(
      (socket) => new Promise((resolve) => socket.once('error', resolve).once('close', resolve)),
    );
    await site.request('/logout');
    await Promise.all(ends);
    expect(site.sessions.stats()).toMatchObject({ attached: 0 });
    expect(await site.sessions.byUser('ann')).toEqual([]);
  });

  test('several requests of one HTTP session see its values, with their types where the store keeps them', async () => {
    await site.request('/login?user=ann');
    expect(await site.request('/visit')).toBe('ann 1');
    expect(await site.request('/visit')).toBe('ann 2');
    const login = await site.logins.read<session.SessionData>({ headers: { cookie: site.cookie } });
    const isOwn = name === 'a store on a SessionStore';
    expect(login?.session.since).toEqual(isOwn ? new Date(1000) : new Date(1000).toISOString());
  });
});

test('[S2] activity on the WebSocket keeps the HTTP session alive; without it both end', async () => {
  const store = ownStore();
  const site = await startSite(store as unknown as HttpSessionStore & Store, 1000, 800);
  await site.request('/login?user=ann');
  const socket = site.socket();
  await once(socket, 'open');
  for (let n = 0; n < 16; n++) {
    socket.send('x');
    await sleep(100);
  }
  expect(await site.request('/visit')).toBe('ann 1');
  socket.terminate();
  await until(
    'expired',
    async () => (await site.logins.read({ headers: { cookie: site.cookie } })) === undefined,
  );
});

test('an HTTP session that expires in the store closes its WebSockets', async () => {
  const store = ownStore();
  const site = await startSite(store as unknown as HttpSessionStore & Store, 700, 60_000);
  await site.request('/login?user=ann');
  const [code] = await once(site.socket(), 'close');
  expect(code).toBe(1008);
});

describe('a store on a SessionStore, by itself', () => {
  const call = <T>(run: (done: (error?: unknown, result?: T) => void) => void) =>
    new Promise<T | undefined>((resolve, reject) =>
      run((error, result) => (error ? reject(error) : resolve(result))),
    );
  const cookie = (maxAge: number | null) => ({
    originalMaxAge: maxAge,
    expires: maxAge === null ? null : new Date(Date.now() + maxAge),
  });

  test('get, set, touch, all, length, clear and destroy do what express-session expects', async () => {
    const store = ownStore();
    const of = (sid: string) => call((done) => store.get(sid, done));
    expect(await of('nothing')).toBeNull();
    await call<void>((done) => store.set('a', { cookie: cookie(1000), user: 'ann' } as object, done));
    await call<void>((done) => store.set('b/с:odd id', { cookie: cookie(null) }, done));
    expect(await of('a')).toMatchObject({
      user: 'ann',
      cookie: { originalMaxAge: 1000, expires: expect.any(Date) },
    });
    expect(await call<object[]>((done) => store.all(done))).toHaveLength(2);
    expect(await call<number>((done) => store.length(done))).toBe(2);
    await call<void>((done) => store.touch('a', { cookie: cookie(60_000) }, done));
    await call<void>((done) => store.touch('nothing', { cookie: cookie(1000) }, done));
    await sleep(1050);
    expect(await of('a')).toMatchObject({ user: 'ann' });
    await call<void>((done) => store.destroy('a', done));
    expect(await of('a')).toBeNull();
    await call<void>((done) => store.clear(done));
    expect(await call<number>((done) => store.length(done))).toBe(0);
  });

  test('[D-G4] a session that was destroyed is not brought back by a request that was under way', async () => {
    const store = ownStore();
    await call<void>((done) => store.set('a', { cookie: cookie(1000) }, done));
    await call<void>((done) => store.destroy('a', done));
    await call<void>((done) => store.set('a', { cookie: cookie(1000) }, done));
    expect(await call((done) => store.get('a', done))).toBeNull();
  });

  test('a session whose cookie has expired is destroyed by set', async () => {
    const store = ownStore();
    await call<void>((done) => store.set('a', { cookie: cookie(5000) }, done));
    await call<void>((done) => store.set('a', { cookie: cookie(-1) }, done));
    expect(await call((done) => store.get('a', done))).toBeNull();
  });

  test('values with a toJSON of their own are stored as JSON, as by other stores', async () => {
    const store = ownStore();
    class ObjectId {
      toJSON() {
        return 'id-1';
      }
    }
    await call<void>((done) =>
      store.set('a', { cookie: cookie(1000), owner: new ObjectId() } as object, done),
    );
    expect(await call((done) => store.get('a', done))).toMatchObject({ owner: 'id-1' });
  });

  test('a failing store calls back with its error', async () => {
    const inner = new MemoryStore();
    inner.get = async () => {
      throw new Error('down');
    };
    const store = httpSessionStore({ Store, store: inner });
    await expect(call((done) => store.get('a', done))).rejects.toThrow('down');
    store.close();
  });

  test.each([
    [{ ttl: 0 }, 'for the option "ttl" but got the number 0'],
    [{ Store: 5 }, "express-session's session.Store for the option"],
    [{ Stor: 5 }, 'Unknown option "Stor"; did you mean "Store"?'],
  ])('refuses the options %j', (options, message) => {
    const wrong = { Store, store: new MemoryStore(), ...options } as unknown as {
      Store: typeof Store;
      store: MemoryStore;
    };
    expect(() => httpSessionStore(wrong)).toThrow(message);
  });
});

describe('signed cookies', () => {
  /** As `cookie-signature` does it. */
  const sign256 = (key: string, value: string) =>
    createHmac('sha256', key).update(value).digest('base64').replace(/=+$/, '');

  test.each([
    ['the cookie alone', 'sid=s%3Aabc.{}', 'abc'],
    ['among others', 'a=b; sid=s%3Aabc.{} ; c=d', 'abc'],
    ['unescaped, in quotes', 'sid="s:abc.{}"', 'abc'],
    ['behind a forged one of the same name', 'sid=s:abc.forged; sid=s%3Aabc.{}', 'abc'],
    ['with a longer name before it', 'xsid=1; sid=s%3Aabc.{}', 'abc'],
    ['another value', 'sid=s%3Aabd.{}', undefined],
    ['without the prefix', 'sid=abc.{}', undefined],
    ['a part of the signature', `sid=s%3Aabc.${'{}'.slice(0, 1)}`, undefined],
    ['an empty value', 'sid=s%3A.{}', undefined],
    ['broken escapes', 'sid=%E0%A4%A', undefined],
    ['no cookie', '', undefined],
    ['a huge header', `${'x'.repeat(20_000)}; sid=s%3Aabc.{}`, undefined],
  ])('%s', (_, header, value) => {
    const sign = sign256('secret one', 'abc');
    expect(signedCookie(header.replace('{}', encodeURIComponent(sign)), 'sid', ['secret one'])).toBe(value);
  });

  test('an older secret still verifies', () => {
    const header = `sid=s:abc.${sign256('old', 'abc')}`;
    expect(signedCookie(header, 'sid', ['new', 'old'])).toBe('abc');
    expect(signedCookie(header, 'sid', ['new'])).toBeUndefined();
  });

  test.each([
    [{ secret: '' }, 'for the option "secret" but got a string of 0 bytes'],
    [{ secret: [] }, 'a non-empty string, or several for the option "secret"'],
    [{ secret: [''] }, 'a non-empty string, or several for the option "secret"'],
    [{ store: {} }, 'an express-session store for the option "store"'],
    [{ cookie: '' }, 'a name for the option "cookie"'],
    [{ cooky: 'x' }, 'Unknown option "cooky"; did you mean "cookie"?'],
  ])('HttpLogins refuses the options %j', (options, message) => {
    const wrong = { store: new ExpressMemoryStore() as unknown as HttpSessionStore, secret, ...options };
    expect(() => new HttpLogins(wrong as { store: HttpSessionStore; secret: string })).toThrow(message);
  });
});
