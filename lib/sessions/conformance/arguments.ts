import assert from 'node:assert/strict';
import type { SessionStore } from '../store.js';
import { attached, type Check, fenceOf, make, minute } from './case.js';

type Wrong = readonly [what: string, call: (store: SessionStore) => unknown];

/** A store as somebody calls it who has no types. */
type Untyped = Record<keyof SessionStore, (...args: unknown[]) => unknown>;

const wrongNames: readonly unknown[] = [42, null, '', 'a\0b', '\ud800', 'x'.repeat(257), {}, ['ann']];

function withName(what: string, call: (store: Untyped, name: unknown) => unknown): Wrong[] {
  return wrongNames.map((name) => [
    `${what} ${JSON.stringify(name)?.slice(0, 20)}`,
    (store) => call(store as unknown as Untyped, name),
  ]);
}

function wrong(what: string, call: (store: Untyped) => unknown): Wrong {
  return [what, (store) => call(store as unknown as Untyped)];
}

const owner = { nodeId: 'n', connection: 'c' };
const id = '0.unknown';

/** Every member with what it cannot take; also where the session it would be about does not exist. */
const calls: readonly Wrong[] = [
  ...withName('newId of', async (store, name) => store.newId(name)),
  ...withName('create for the user', (store, userId) => store.create({ ttl: minute, userId })),
  ...withName('create for the login', (store, loginId) => store.create({ ttl: minute, loginId })),
  ...withName('create on the node', (store, nodeId) =>
    store.create({ ttl: minute, owner: { ...owner, nodeId } }),
  ),
  ...withName('create by the connection', (store, connection) =>
    store.create({ ttl: minute, owner: { ...owner, connection } }),
  ),
  ...withName('byUser', (store, name) => store.byUser(name)),
  ...withName('byLogin', (store, name) => store.byLogin(name)),
  ...withName('byLogin of the user', (store, name) => store.byLogin('l', name)),
  ...withName('byGroup', (store, name) => store.byGroup(name)),
  ...withName('attach on the node', (store, nodeId) => store.attach(id, { ...owner, nodeId })),
  ...withName('attach as the user', (store, userId) => store.attach(id, owner, { userId })),
  ...withName('regenerate to the user', (store, userId) => store.regenerate(id, undefined, { userId })),
  ...withName('regenerate to the login', (store, loginId) => store.regenerate(id, undefined, { loginId })),
  ...withName('endUser', (store, name) => store.endUser(name)),
  ...withName('endLogin', (store, name) => store.endLogin(name)),
  ...withName('endLogin of the user', (store, userId) => store.endLogin('l', { userId })),
  ...withName('orphans of', (store, name) => store.orphans(name, 0, 1)),
  wrong('create with nothing', (store) => store.create(undefined)),
  wrong('create with a string', (store) => store.create('ann')),
  wrong('create for an owner that is a string', (store) => store.create({ ttl: minute, owner: 'c' })),
  ...[0, 1.5, Number.NaN, '5', Infinity, 1n].flatMap((ttl) => [
    wrong(`create with the ttl ${ttl}`, (store) => store.create({ ttl })),
    wrong(`create with the maxAge ${ttl}`, (store) => store.create({ ttl: minute, maxAge: ttl })),
    wrong(`set to the ttl ${ttl}`, (store) => store.set(id, { version: 0, ttl })),
  ]),
  wrong('create with a limit that is a number', (store) => store.create({ ttl: minute }, 3)),
  wrong('create with attributes that are no bytes', (store) =>
    store.create({ ttl: minute, attributes: 'a' }),
  ),
  wrong('attach without owner', (store) => store.attach(id)),
  wrong('attach with an identity that is a string', (store) => store.attach(id, owner, 'ann')),
  wrong('detach without fence', (store) => store.detach(id, undefined, 5)),
  wrong('detach with half a fence', (store) => store.detach(id, { connectionId: 'c' }, 5)),
  wrong('detach to be kept for NaN', (store) =>
    store.detach(id, { connectionId: 'c', generation: 1 }, Number.NaN),
  ),
  wrong('touch of no list', (store) => store.touch({ id }, true)),
  wrong('touch of nothing', (store) => store.touch([undefined], true)),
  wrong('touch with a fence without connection', (store) =>
    store.touch([{ id, fence: { generation: 1 } }], true),
  ),
  wrong('set of nothing', (store) => store.set(id)),
  wrong('set without version', (store) => store.set(id, {})),
  wrong('set from the version NaN', (store) => store.set(id, { version: Number.NaN })),
  wrong('set of extensions that are no bytes', (store) => store.set(id, { version: 0, extensions: {} })),
  wrong('regenerate without identity', (store) => store.regenerate(id, undefined)),
  wrong('regenerate with a fence of words', (store) => store.regenerate(id, 'c', {})),
  wrong('destroy with a fence of words', (store) => store.destroy(id, 'c')),
  wrong('endLogin with a block that is a date', (store) => store.endLogin('l', { block: new Date() })),
  wrong('endLogin with nothing', (store) => store.endLogin('l', null)),
  wrong('sweep of NaN', (store) => store.sweep(Number.NaN)),
  wrong('orphans kept for nothing', (store) => store.orphans('n', undefined, 1)),
  wrong('list from a cursor that is a number', (store) => store.list(42)),
  wrong('list of none', (store) => store.list(undefined, 0)),
];

/** What a caller hands over wrongly. */
export const argumentChecks: readonly Check[] = [
  [
    'a wrong argument is refused with ERR_INVALID_ARGUMENT, by every member, and changes nothing',
    async ({ store }) => {
      for (const [what, call] of calls) {
        await assert.rejects(
          async () => call(store),
          (error: Error & { code?: string }) => {
            assert.equal(error.code, 'ERR_INVALID_ARGUMENT', `${what}: ${error.message}`);
            return true;
          },
          what,
        );
      }
      assert.equal(await store.count(), 0);
    },
  ],
  [
    'no error about an id says what the id is',
    async ({ store }) => {
      const { id } = await make(store, { userId: 'ann' });
      const foreign = store.newId('bob').replace(/^\d+/, (partition) => `${Number(partition) + 5000}`);
      const tail = 'secret tail that is not allowed';
      for (const call of [
        () => store.create({ id: foreign, ttl: minute }),
        async () => store.newId('ann', tail),
        () => store.endLogin(`${id}\0`),
        () => store.list(id),
      ]) {
        await assert.rejects(call, (error: Error) => {
          for (const secret of [id, foreign, tail])
            assert.ok(!error.message.includes(secret.slice(-12)), error.message);
          return true;
        });
      }
    },
  ],
  [
    'an id that no store could have made is unknown, whatever it is',
    async ({ store }) => {
      const record = await attached(store, 'c1');
      for (const hostile of [42, null, undefined, {}, ['a'], '\ud800', '0.\ud800'] as unknown as string[]) {
        assert.equal(await store.get(hostile), undefined);
        assert.equal(await store.byConnection(hostile), undefined);
        assert.deepEqual(await store.attach(hostile, owner), { status: 'gone' });
        assert.equal(await store.detach(hostile, fenceOf(record), 5), 'gone');
        assert.deepEqual(await store.touch([{ id: hostile }], true), ['gone']);
        assert.deepEqual(await store.set(hostile, { version: 0 }), { status: 'gone' });
        assert.deepEqual(await store.regenerate(hostile, undefined, {}), { status: 'gone' });
        assert.equal(await store.destroy(hostile), undefined);
      }
      assert.deepEqual(await store.get(record.id), record);
    },
  ],
];
