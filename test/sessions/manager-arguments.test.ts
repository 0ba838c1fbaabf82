import expressSession from 'express-session';
import { afterEach, describe, expect, test } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import {
  HttpLogins,
  type HttpSessionData,
  httpSessionStore,
  MemoryStore,
  type ServeOptions,
  SessionManager,
  type SessionStore,
} from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { live } from './helpers/live.js';

/** A manager as somebody calls it who has no types. */
type Untyped = Record<keyof SessionManager, (...args: unknown[]) => unknown>;

const stopping: SessionManager[] = [];
afterEach(async () => {
  for (const manager of stopping.splice(0)) await manager.stop();
});

/** A manager whose store notes what it is asked, and the session of one connection. */
async function watched() {
  const asked: string[] = [];
  const store = new MemoryStore();
  const manager = new SessionManager({ store: noting(store, asked), whenStoreFails: 'local' });
  stopping.push(manager);
  const session = await manager.attach(new FakeSocket(), { userId: 'ann' });
  asked.length = 0;
  return { manager: manager as unknown as Untyped, session, asked };
}

function noting(store: MemoryStore, asked: string[]): SessionStore {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        asked.push(String(name));
        return Reflect.apply(value, target, args);
      };
    },
  });
}

const noNames: readonly unknown[] = [42, null, '', 'a\0', '\ud800', 'x'.repeat(257), {}, Number.NaN, ['ann']];
const noIds: readonly unknown[] = [42, null, {}, Number.NaN, Symbol('s')];
const socket = () => new FakeSocket();

const calls: readonly [string, readonly unknown[], (manager: Untyped, value: unknown) => unknown][] = [
  ['endUser', noNames, (manager, value) => manager.endUser(value)],
  ['endLogin', noNames, (manager, value) => manager.endLogin(value)],
  ['endLogin of a user', noNames, (manager, value) => manager.endLogin('l', value)],
  ['byUser', noNames, (manager, value) => manager.byUser(value)],
  ['byLogin', noNames, (manager, value) => manager.byLogin(value)],
  ['byLogin of a user', noNames, (manager, value) => manager.byLogin('l', value)],
  ['presence', noNames, (manager, value) => manager.presence(value)],
  ['newId', noNames, async (manager, value) => manager.newId(value)],
  ['releaseNode', noNames, (manager, value) => manager.releaseNode(value)],
  ['send to a user', noNames, (manager, value) => manager.send({ user: value }, 'x')],
  ['close of a login', noNames, (manager, value) => manager.close({ login: value })],
  ['get', noIds, (manager, value) => manager.get(value)],
  ['end', noIds, (manager, value) => manager.end(value)],
  ['byConnection', noIds, (manager, value) => manager.byConnection(value)],
  ['connection', noIds, async (manager, value) => manager.connection(value)],
  ['send to a session', noIds, (manager, value) => manager.send({ session: value }, 'x')],
  ['end with a code', [1005, 'x', null, 70_000], (manager, value) => manager.end('0.unknown', value)],
  [
    'end with a reason',
    [5, null, 'x'.repeat(124)],
    (manager, value) => manager.end('0.unknown', 1000, value),
  ],
  ['close with a code', [1005, 'x', null], (manager, value) => manager.close({ user: 'ann' }, value)],
  ['detach', [undefined, null, 'id', {}], (manager, value) => manager.detach(value)],
  ['of', [undefined, null, 'id', {}], async (manager, value) => manager.of(value)],
  ['noteActivity', [undefined, null, 'id', {}], async (manager, value) => manager.noteActivity(value)],
  ['broadcast but', [null, 'ann', 5, [5]], async (manager, except) => manager.broadcast('x', { except })],
  ['broadcast with', [null, 'ann', { exept: [] }], async (manager, value) => manager.broadcast('x', value)],
  ['attach of a user', noNames, (manager, userId) => manager.attach(socket(), { userId })],
  ['attach of a login', noNames, (manager, loginId) => manager.attach(socket(), { loginId })],
  ['attach to a session', noIds, (manager, sessionId) => manager.attach(socket(), { sessionId })],
  ['attach for', [0, '5', Number.NaN, null, Infinity], (manager, ttl) => manager.attach(socket(), { ttl })],
  ['attach with', [{ user: 'ann' }, null, [], 'sid'], (manager, value) => manager.attach(socket(), value)],
  ['create with', [{ user: 'ann' }, null, [], 'sid'], (manager, value) => manager.create(value)],
  ['create of', [{ sessionId: 'x' }, { authExpiresAt: 5 }], (manager, value) => manager.create(value)],
  [
    'create beginning with',
    [5, null, [], new Map(), new Date(), new (class Cart {})(), Buffer.from('a'), { f() {} }],
    (manager, attributes) => manager.create({ attributes }),
  ],
  [
    'create extended by',
    [
      5,
      null,
      new Set(),
      {
        get a() {
          throw new Error('mine');
        },
      },
    ],
    (manager, extensions) => manager.create({ extensions }),
  ],
];

describe('a wrong argument is refused before any store is asked', () => {
  test.each(calls)('%s', async (_, values, call) => {
    const { manager, asked } = await watched();
    for (const value of values)
      await expect((async () => call(manager, value))(), String(typeof value)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
    expect(asked).toEqual([]);
  });

  test('of the members of a session', async () => {
    const { session, asked } = await watched();
    const regenerate = session.regenerate.bind(session) as (identity: unknown) => Promise<void>;
    for (const identity of [null, 'ann', [], { user: 'bob' }, { userId: 42 }, { loginId: '' }])
      await expect(regenerate(identity)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    for (const values of [() => null, () => 0, () => new Map(), () => [], () => new Date(), () => 'x'])
      await expect(session.update(values as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    for (const end of [() => session.end(null as never), () => session.end(1000, 5 as never)])
      await expect(end()).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect(asked).toEqual([]);
    expect(session.userId).toBe('ann');
  });

  test('each member of a request is read once', async () => {
    const { manager } = await watched();
    let reads = 0;
    const request = {
      get userId() {
        return reads++ === 0 ? 'eve' : 42;
      },
    };
    expect(await manager.create(request)).toMatchObject({ userId: 'eve' });
  });
});

describe('what identify answers', () => {
  test.each<[string, unknown]>([
    ['a member that there is not', { user: 'ann' }],
    ['a user that is a number', { userId: 42 }],
    ['null', null],
    ['a string', 'ann'],
  ])('%s is told by name, and makes no anonymous session', async (_, answer) => {
    const { errors, join, sessions } = await live({ identify: () => answer as object });
    const client = await join();
    expect(await client.closed).toMatchObject({ code: 1011 });
    expect(errors).toMatchObject([{ code: 'ERR_HANDLER', cause: { code: 'ERR_INVALID_ARGUMENT' } }]);
    expect(await sessions.store.count()).toBe(0);
  });
});

describe('options', () => {
  const wrong = expect.objectContaining({ code: 'ERR_INVALID_OPTION' });
  const store = new MemoryStore();
  const http = { get() {}, destroy() {} };
  test.each<[string, (options: never) => unknown, readonly unknown[]]>([
    ['SessionManager', (options) => new SessionManager(options), [null, 5, 'x', [], { store: null }]],
    ['SessionManager', (options) => new SessionManager(options), [{ logins: null }, { ttl: null }]],
    [
      'SessionManager',
      (options) => new SessionManager(options),
      [{ logins: { touch() {}, onEnd: 5 } }, { nodeId: null }, { refreshAuth: null }],
    ],
    ['MemoryStore', (options) => new MemoryStore(options), [null, 5, { maxBytes: null }]],
    ['RedisStore', (options) => new RedisStore(options), [undefined, null, {}, { client: null }]],
    ['HttpLogins', (options) => new HttpLogins(options), [undefined, null, {}, { store: http, secret: [5] }]],
    [
      'httpSessionStore',
      (options) => httpSessionStore(options),
      [undefined, null, { store }, { Store: class {} }, { Store: class {}, store: {} }],
    ],
  ])('of %s that are none are refused by name', (_, make, values) => {
    for (const options of values) expect(() => make(options as never), String(options)).toThrow(wrong);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['an identify that is no function', { identify: 5 }],
    ['a handler that is no function', { message: 'x' }],
    ['a protocol without handlers', { protocols: { chat: null } }],
    ['a handler of a protocol that is no function', { protocols: { chat: { open: {} } } }],
  ])('of serve: %s is refused by name', (_, options) => {
    const manager = new SessionManager();
    stopping.push(manager);
    expect(() => manager.serve(options as ServeOptions<unknown, unknown, Record<string, unknown>>)).toThrow(
      wrong,
    );
  });
});

describe('HTTP sessions', () => {
  const made = httpSessionStore({ Store: expressSession.Store, store: new MemoryStore() });
  afterEach(() => made.close());
  const result = (run: (done: (error?: unknown, value?: unknown) => void) => void) =>
    new Promise((resolve) => run((error, value) => resolve(error ?? value)));

  test.each([42, null, {}])('an id that is %j is refused', async (sid) => {
    const wrong = { code: 'ERR_INVALID_ARGUMENT' };
    const id = sid as string;
    expect(await result((done) => made.get(id, done))).toMatchObject(wrong);
    expect(await result((done) => made.set(id, {}, done))).toMatchObject(wrong);
    expect(await result((done) => made.touch(id, {}, done))).toMatchObject(wrong);
    expect(await result((done) => made.destroy(id, done))).toMatchObject(wrong);
  });

  test.each([null, 'x', { self: undefined }])('one that is %j is refused, or stored', async (session) => {
    const data = session as HttpSessionData;
    const cyclic = Object.assign({}, data) as Record<string, unknown>;
    cyclic.self = cyclic;
    expect(await result((done) => made.set('a', cyclic, done))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('the HTTP session.session.self'),
    });
    if (typeof session === 'object' && session !== null) return;
    expect(await result((done) => made.set('a', data, done))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  test('a cookie that goes with the browser, `expires: false`, does not end the HTTP session', async () => {
    for (const expires of [false, null, undefined] as const) {
      const session = { cookie: { expires }, n: 1 } as HttpSessionData;
      expect(await result((done) => made.set(`b${expires}`, session, done))).toBeUndefined();
      expect(await result((done) => made.touch(`b${expires}`, session, done))).toBeUndefined();
      expect(await result((done) => made.get(`b${expires}`, done))).toMatchObject({ n: 1 });
    }
  });

  test('a login source that answers nothing ends no login', async () => {
    const manager = new SessionManager({ logins: { touch: (async () => undefined) as never } });
    stopping.push(manager);
    await expect(manager.attach(new FakeSocket(), { loginId: 'l' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('a boolean for what logins.touch() resolves to'),
    });
  });
});

describe('a manager that was stopped', () => {
  test('makes no session, and attaches none, not even one that is on its way', async () => {
    const store = new MemoryStore();
    const manager = new SessionManager({ store });
    const { attach } = store;
    const { id } = await manager.create();
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    store.attach = async (...args) => {
      await held;
      return attach.apply(store, args);
    };
    const attaching = manager.attach(new FakeSocket(), { sessionId: id });
    const stopped = manager.stop();
    go();
    const wrong = { code: 'ERR_INVALID_STATE', message: expect.stringContaining('was stopped') };
    await expect(attaching).rejects.toMatchObject(wrong);
    await stopped;
    await expect(manager.create()).rejects.toMatchObject(wrong);
    await expect(manager.attach(new FakeSocket())).rejects.toMatchObject(wrong);
    expect((await store.get(id))?.status).toBe('detached');
    expect(await store.count()).toBe(1);
  });
});
