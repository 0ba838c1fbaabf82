import expressSession from 'express-session';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  HttpLogins,
  type HttpSessionData,
  type HttpSessionStore,
  httpSessionStore,
  SessionManager,
  type SessionManagerOptions,
} from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend } from './helpers/managers.js';

type Data = HttpSessionData & { user?: string };
const userOf = (session: Data) => session.user;
const secret = 's';
const unsupported = { code: 'ERR_UNSUPPORTED' };
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function asked<T>(run: (done: (error?: unknown, value?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) =>
    run((error, value) => (error ? reject(error as Error) : resolve(value))),
  );
}

type Writable = HttpSessionStore & {
  set(sid: string, session: Data, done: (error?: unknown) => void): void;
};

/** Logs in: ann from two browsers, bob from one; and a browser without user. */
async function logIn(store: Writable): Promise<void> {
  for (const [sid, user] of [
    ['a1', 'ann'],
    ['a2', 'ann'],
    ['b1', 'bob'],
    ['guest', undefined],
  ] as const)
    await asked((done) => store.set(sid, { cookie: {}, ...(user && { user }) } as Data, done));
}

/** What is left of those, and what a manager with one tab of each browser but `a2` has seen of it. */
async function logOutEverywhere(store: Writable, options: SessionManagerOptions): Promise<void> {
  await logIn(store);
  const manager = new SessionManager(options);
  closing.push(() => manager.stop());
  const tabs = new Map<string, FakeSocket>();
  for (const [loginId, userId] of [
    ['a1', 'ann'],
    ['b1', 'bob'],
  ] as const) {
    tabs.set(loginId, new FakeSocket());
    await manager.attach(tabs.get(loginId) as FakeSocket, { loginId, userId });
  }
  expect((await manager.loginsOf('ann')).toSorted()).toEqual(['a1', 'a2']);
  expect(await manager.endUser('ann', { logins: true })).toBe(1);
  expect([tabs.get('a1')?.code, tabs.get('b1')?.isOpen]).toEqual([1008, true]);
  for (const [sid, isThere] of [
    ['a1', false],
    ['a2', false],
    ['b1', true],
    ['guest', true],
  ] as const)
    expect((await asked((done) => store.get(sid, done))) != null, sid).toBe(isThere);
  expect(await manager.loginsOf('ann')).toEqual([]);
  await expect(manager.attach(new FakeSocket(), { loginId: 'a2', userId: 'ann' })).rejects.toMatchObject({
    code: 'ERR_SESSION_GONE',
  });
}

describe.each([memoryBackend(), redisBackend()])('a logout everywhere, on $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  test('ends all logins of the user by the index of httpSessionStore, also where no tab is open', () =>
    inSystem(backend, async (start) => {
      const { store: below } = await start();
      const http = httpSessionStore({ Store: expressSession.Store, store: below, userOf });
      closing.push(() => http.close());
      const logins = new HttpLogins({ store: http, secret });
      await logOutEverywhere(http as unknown as Writable, { logins });
      expect(await asked((done) => http.length(done))).toBe(2);
    }));

  test('a login belongs to whom its HTTP session names now', () =>
    inSystem(backend, async (start) => {
      const { store: below } = await start();
      const http = httpSessionStore({ Store: expressSession.Store, store: below, userOf });
      closing.push(() => http.close());
      const logins = new HttpLogins({ store: http, secret });
      await logIn(http as unknown as Writable);
      await asked((done) => http.set('a2', { user: 'bob' } as Data, done));
      await asked((done) => http.set('a1', {}, done));
      const idsOf = async (user: string) =>
        (await logins.byUser(user)).map(({ loginId }) => loginId).toSorted();
      expect([await idsOf('ann'), await idsOf('bob')]).toEqual([[], ['a2', 'b1']]);
      expect(await logins.byUser<Data>('bob')).toMatchObject([{ session: { user: 'bob' } }, {}]);
    }));
});

describe('with a store of somebody else', () => {
  const all: readonly [string, (sessions: Map<string, Data>) => unknown][] = [
    ['by id', (sessions) => Object.fromEntries(sessions)],
    ['as a list with ids', (sessions) => [...sessions].map(([id, session]) => ({ ...session, id }))],
  ];

  function foreign(list?: (sessions: Map<string, Data>) => unknown): Writable {
    const sessions = new Map<string, Data>();
    return {
      get: (sid, done) => done(null, sessions.get(sid) ?? null),
      set: (sid, session, done) => done(void sessions.set(sid, session)),
      destroy: (sid, done) => done?.(void sessions.delete(sid)),
      ...(list && {
        all: (done: (error: unknown, value: never) => void) => done(null, list(sessions) as never),
      }),
    };
  }

  test.each(all)('that lists %s, logins are found among all', async (_, list) => {
    const store = foreign(list);
    await logOutEverywhere(store, { logins: new HttpLogins({ store, secret, userOf }) });
  });

  test("express-session's own store lists them", async () => {
    const store = new expressSession.MemoryStore() as unknown as Writable;
    await logOutEverywhere(store, { logins: new HttpLogins({ store, secret, userOf }) });
  });

  test.each<[string, () => SessionManagerOptions]>([
    ['no option logins', () => ({})],
    ['logins that cannot list', () => ({ logins: { touch: async () => true } })],
    ['a store without all()', () => ({ logins: new HttpLogins({ store: foreign(), secret, userOf }) })],
    ['no userOf', () => ({ logins: new HttpLogins({ store: foreign((s) => [...s]), secret }) })],
    [
      'a store that lists without ids',
      () => ({ logins: new HttpLogins({ store: foreign(() => [{ cookie: {} }]), secret, userOf }) }),
    ],
    [
      'httpSessionStore without userOf',
      () => {
        const manager = new SessionManager();
        const store = httpSessionStore({ Store: class {}, store: manager.store });
        closing.push(
          () => store.close(),
          () => manager.stop(),
        );
        return { logins: new HttpLogins({ store, secret, userOf }) };
      },
    ],
  ])('with %s it is refused, and ends nothing', async (_, options) => {
    const manager = new SessionManager(options());
    closing.push(() => manager.stop());
    const session = await manager.attach(new FakeSocket(), { userId: 'ann' });
    await expect(manager.endUser('ann', { logins: true })).rejects.toMatchObject(unsupported);
    await expect(manager.loginsOf('ann')).rejects.toMatchObject(unsupported);
    expect(session.status).toBe('active');
    expect(await manager.endUser('ann')).toBe(1);
  });

  test('one login that cannot be ended keeps no other, and is told', async () => {
    const ended: string[] = [];
    const manager = new SessionManager({
      logins: {
        touch: async () => true,
        byUser: async () => [{ loginId: 'l1' }, { loginId: 'l2' }, { loginId: 'l3' }],
        end: async (loginId) => {
          if (loginId === 'l2') throw new Error('stuck');
          ended.push(loginId);
        },
      },
    });
    closing.push(() => manager.stop());
    const session = await manager.attach(new FakeSocket(), { userId: 'ann', loginId: 'l2' });
    await expect(manager.endUser('ann', { logins: true })).rejects.toThrow('stuck');
    expect([ended, session.status]).toEqual([['l1', 'l3'], 'ended']);
    for (const wrong of [{ login: true }, null, 5])
      await expect(manager.endUser('ann', wrong as object)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
  });
});
