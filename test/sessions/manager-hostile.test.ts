import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LwsError } from '../../lib/index.js';
import {
  HttpLogins,
  httpSessionStore,
  MemoryStore,
  SessionManager,
  type SessionManagerOptions,
  type Target,
} from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { sleep, until } from './helpers/managers.js';

const refused = (message: string) => ({
  code: 'ERR_INVALID_ARGUMENT',
  message: expect.stringContaining(message),
});

let closing: (() => unknown)[] = [];
let unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
  await sleep(0);
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

function newManager(options: SessionManagerOptions = {}) {
  const manager = new SessionManager(options);
  const errors: LwsError[] = [];
  manager.on('error', (error) => errors.push(error));
  closing.push(() => manager.stop());
  return { manager, errors };
}

describe('what is wrong with an attach', () => {
  const socket = () => new FakeSocket();
  test.each<[string, unknown, unknown, string]>([
    [
      'no connection',
      null,
      {},
      'an object with id, isOpen, closed, send() and close() for a connection but got null',
    ],
    [
      'a connection without send',
      { id: 'a', closed: Promise.resolve(), close() {} },
      {},
      'for a connection but got an object of Object',
    ],
    [
      'a connection without closed',
      { id: 'a', send() {}, close() {} },
      {},
      'an object with id, isOpen, closed, send() and close() for a connection',
    ],
    [
      'an id that is no string',
      Object.assign(socket(), { id: 7 }),
      {},
      'for the id of a connection but got a number',
    ],
    [
      'an endless id',
      new FakeSocket('x'.repeat(300)),
      {},
      '1 to 256 bytes of well-formed text without NUL for the id of a connection',
    ],
    [
      'a request that is a string',
      socket(),
      'sid',
      'an object for a request for a session but got a string of 3 bytes',
    ],
    ['a request that is null', socket(), null, 'an object for a request for a session but got null'],
    [
      'an authentication that ends never',
      socket(),
      { authExpiresAt: Number.NaN },
      'epoch milliseconds for authExpiresAt',
    ],
    [
      'an authentication that ends in words',
      socket(),
      { authExpiresAt: 'soon' },
      'epoch milliseconds for authExpiresAt',
    ],
    [
      'a user that is an object',
      socket(),
      { userId: { constructor: { name: 'x\u001b[2J' } } },
      'for userId but got an object of no class',
    ],
    ['attributes that are a list', socket(), { attributes: [1] }, 'a plain object, as {}, for attributes'],
    ['a time to live below 1', socket(), { ttl: 0 }, 'for ttl but got the number 0'],
    ['a new id that is none', socket(), { newId: 5 }, 'an id of newId() for newId'],
  ])('%s is refused, and leaves no session', async (_, connection, request, message) => {
    const { manager } = newManager();
    await expect(manager.attach(connection as FakeSocket, request as object)).rejects.toMatchObject(
      refused(message),
    );
    expect(await manager.store.count()).toBe(0);
    expect(manager.stats()).toMatchObject({ connections: 0, created: 0 });
  });
});

describe('what is wrong with an update', () => {
  test.each<[string, unknown, string]>([
    ['no function', { n: 2 }, 'a function for update() but got an object of Object'],
    [
      'a function that returns a number',
      (draft: { n: number }) => ++draft.n,
      'an object or nothing for what the function of update() returns but got a number',
    ],
    ['an async function', async () => ({ n: 2 }), 'a synchronous function'],
    [
      'an async function that fails',
      async () => {
        throw new Error('late');
      },
      'a synchronous function',
    ],
    ['a function that returns a list', () => [], 'a plain object, as {}, for attributes'],
  ])('%s is refused, and nothing changes', async (_, change, message) => {
    const { manager } = newManager();
    const session = await manager.attach(new FakeSocket(), { attributes: { n: 1 } });
    await expect(session.update(change as () => Record<string, unknown>)).rejects.toMatchObject(
      refused(message),
    );
    expect(session.attributes).toEqual({ n: 1 });
    expect(await session.update(() => ({ n: 3 }))).toEqual({ n: 3 });
  });
});

describe('what is wrong with a message or a close', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a string', 'session'],
    ['an unknown kind', { room: 'a' }],
    ['two kinds', { user: 'ann', session: 'x' }],
    ['an id that is no string', { user: 5 }],
  ])('a target that is %s is refused', async (_, target) => {
    const { manager } = newManager();
    for (const run of [() => manager.send(target as Target, 'x'), () => manager.close(target as Target)])
      await expect(run()).rejects.toMatchObject(
        refused('{ session }, { connection }, { user } or { login } with an id for a target'),
      );
  });

  test.each([[1e9], [null], [{}], [true]])('data that is %j is refused and takes no memory', async (data) => {
    const { manager } = newManager();
    await manager.attach(new FakeSocket(), { userId: 'ann' });
    await expect(manager.send({ user: 'ann' }, data as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(() => manager.broadcast(data as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });

  test('one that is too long for another node fails alone', async () => {
    const store = new MemoryStore();
    const [{ manager, errors }, { manager: other }] = [newManager({ store }), newManager({ store })];
    const [here, there] = [new FakeSocket(), new FakeSocket()];
    await manager.attach(here, { userId: 'ann' });
    await other.attach(there, { userId: 'ann' });
    const results = await manager.send({ user: 'ann' }, new Uint8Array(2 ** 21));
    expect(results.map(({ result }) => result).toSorted()).toEqual(['failed', 'sent']);
    expect(errors).toMatchObject([{ code: 'ERR_LIMIT' }]);
  });

  test('an end with a code that cannot be sent ends nothing', async () => {
    const { manager } = newManager();
    const socket = new FakeSocket();
    const session = await manager.attach(socket);
    await expect(session.end(1005)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(manager.end(session.id, 1000, 'x'.repeat(124))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect([session.status, socket.isOpen]).toEqual(['active', true]);
  });

  test('a node that is alive cannot declare itself dead', async () => {
    const { manager } = newManager({ nodeId: 'me' });
    const socket = new FakeSocket();
    await manager.attach(socket);
    await expect(manager.releaseNode('me')).rejects.toMatchObject(refused('but got its own'));
    await expect(manager.releaseNode('')).rejects.toMatchObject(
      refused('for nodeId but got a string of 0 bytes'),
    );
    expect(manager.of(socket)?.status).toBe('active');
  });
});

describe('what throws where nobody waits', () => {
  test('a connection that fails to close when its authentication ran out is an error event', async () => {
    const { manager, errors } = newManager();
    const socket = new FakeSocket();
    socket.close = () => {
      throw new Error('stuck');
    };
    await manager.attach(socket, { authExpiresAt: Date.now() + 50 });
    await until('told', () => errors.length > 0);
    expect(errors).toMatchObject([{ message: 'closing a connection failed: stuck' }]);
  });

  test.each<[string, () => never]>([
    [
      'throws',
      () => {
        throw new Error('no bus');
      },
    ],
    [
      'gives a subscription that fails',
      () => ({ ready: Promise.reject(new Error('no bus')), close() {} }) as never,
    ],
  ])('a bus that %s is an error event, and ready does not reject', async (_, subscribe) => {
    const store = new MemoryStore();
    store.bus.subscribe = subscribe;
    const warnings: string[] = [];
    const warn = (warning: Error) => warnings.push(warning.message);
    process.on('warning', warn);
    const { manager, errors } = newManager({ store });
    await manager.ready;
    await until('told', () => errors.length + warnings.length > 0);
    process.off('warning', warn);
    expect([...errors.map(({ message }) => message), ...warnings].join()).toContain(
      'listening to other nodes failed: no bus',
    );
  });

  test('an HTTP session that cannot be read, or whose listener fails, keeps no other from being told', async () => {
    const store = new MemoryStore();
    const made = httpSessionStore({ Store: class {}, store, sweepInterval: 20 });
    closing.push(() => made.close());
    const ended: string[] = [];
    made.onEnd((sid) => {
      if (sid === 'b') throw new Error('mine');
      ended.push(sid);
    });
    const warnings: string[] = [];
    const warn = (warning: Error) => warnings.push(warning.message);
    process.on('warning', warn);
    await store.create({ ttl: 30, attributes: Uint8Array.of(9, 9) });
    const cookie = { expires: new Date(Date.now() + 30) };
    for (const sid of ['a', 'b', 'c']) await new Promise((resolve) => made.set(sid, { cookie }, resolve));
    await until('told', () => ended.length === 2 && warnings.length >= 2);
    process.off('warning', warn);
    expect(ended.toSorted()).toEqual(['a', 'c']);
  });

  test('a listener of logins that fails is told to whoever destroyed the HTTP session', async () => {
    const store = { get() {}, destroy: (_sid: string, callback?: (error?: unknown) => void) => callback?.() };
    const logins = new HttpLogins({ store, secret: 's' });
    logins.onEnd(async () => {
      throw new Error('mine');
    });
    const error = await new Promise((resolve) => logins.store.destroy('a', resolve));
    expect(error).toMatchObject({ message: 'mine' });
  });
});
