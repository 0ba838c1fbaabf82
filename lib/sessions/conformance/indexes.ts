import assert from 'node:assert/strict';
import { connectionKey } from '../ids.js';
import type { SessionRecord } from '../store.js';
import {
  attached,
  bytes,
  type Check,
  fenceOf,
  idsOf,
  listAll,
  make,
  minute,
  sleep,
  sweepAll,
} from './case.js';

const hostileNames = [
  'a b',
  '{0}',
  '{',
  'a:b:c',
  '*?[x]',
  'é',
  '日本',
  '😀',
  '__proto__',
  'constructor',
  '\'"\\\r\n',
  'x'.repeat(256),
];

/** Lookups by user, login and connection; listing. */
export const indexChecks: readonly Check[] = [
  [
    '[G5] by user: all live sessions of the user, oldest first, and none of others',
    async ({ store, peer }) => {
      const first = await make(store, { userId: 'ann' });
      const second = await attached(peer, 'c1', { userId: 'ann' });
      await make(store, { userId: 'anna' });
      await make(store);
      assert.deepEqual(await peer.byUser('ann'), [first, second]);
      assert.deepEqual(await store.byUser('nobody'), []);
    },
  ],
  [
    '[G6] by connection: the session it is attached to, while it is',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1', { userId: 'ann' });
      const key = connectionKey(record.id, 'c1');
      assert.equal(record.owner?.connectionId, key);
      assert.deepEqual(await peer.byConnection(key), record);
      assert.equal(await store.byConnection(connectionKey(record.id, 'c2')), undefined);
      assert.equal(await store.byConnection('c1'), undefined);
      await store.attach(record.id, { nodeId: 'n', connection: 'c2' });
      assert.equal(await store.byConnection(key), undefined);
      assert.equal((await peer.byConnection(connectionKey(record.id, 'c2')))?.id, record.id);
    },
  ],
  [
    'a connection that attaches to another session leaves the first one',
    async ({ store }) => {
      const owner = { nodeId: 'n', connection: 'c1' };
      const [one, two] = [await make(store, { userId: 'ann' }), await make(store, { userId: 'ann' })];
      await store.attach(one.id, owner);
      await store.attach(two.id, owner);
      assert.equal((await store.byConnection(connectionKey(one.id, 'c1')))?.id, two.id);
      assert.equal((await store.get(one.id))?.status, 'detached');
    },
  ],
  [
    '[D-G2] the indexes live as long as the session does, over several times to live',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1', { ttl: 1600, userId: 'ann', loginId: 'l1' });
      const { id } = record;
      for (let round = 0; round < 3; round++) {
        await sleep(850);
        await store.touch([{ id, fence: fenceOf(record) }], false);
      }
      assert.deepEqual(idsOf(await peer.byUser('ann')), [id]);
      assert.deepEqual(idsOf(await peer.byLogin('l1')), [id]);
      assert.equal((await peer.byConnection(fenceOf(record).connectionId))?.id, id);
    },
  ],
  [
    '[D-G3] a user who stays while sessions die keeps no trace of the dead ones',
    async ({ store }) => {
      const stays = await make(store, { userId: 'ann', loginId: 'l1' });
      for (let n = 0; n < 5; n++) await attached(store, `c${n}`, { userId: 'ann', loginId: 'l1', ttl: 40 });
      await sleep(70);
      assert.equal((await sweepAll(store)).length, 5);
      assert.deepEqual(await store.byUser('ann'), [stays]);
      assert.deepEqual(await store.byLogin('l1'), [stays]);
      assert.equal(await store.count(), 1);
    },
  ],
  [
    '[G4] destroy takes the session out of every index',
    async ({ store }) => {
      const record = await attached(store, 'c1', { userId: 'ann', loginId: 'l1' });
      await store.destroy(record.id, fenceOf(record));
      assert.deepEqual(await store.byUser('ann'), []);
      assert.deepEqual(await store.byLogin('l1', 'ann'), []);
      assert.equal(await store.byConnection(fenceOf(record).connectionId), undefined);
      assert.deepEqual(await listAll(store), []);
      assert.deepEqual((await store.orphans('node-a', 0, 10)).records, []);
    },
  ],
  [
    'names may contain anything: they are neither patterns nor syntax',
    async ({ store, peer }) => {
      for (const name of hostileNames) {
        const record = await attached(store, name, { userId: name, loginId: name }, name);
        assert.deepEqual(await peer.byUser(name), [record], name);
        assert.deepEqual(await peer.byLogin(name), [record], name);
        assert.deepEqual(await peer.byConnection(connectionKey(record.id, name)), record, name);
        assert.deepEqual(idsOf((await store.orphans(name, minute, 10)).records), [record.id], name);
      }
    },
  ],
  [
    'names and times out of their bounds are refused as arguments, and nothing is stored',
    async ({ store }) => {
      const owner = { nodeId: 'n', connection: 'c' };
      const wrong = [
        { userId: '' },
        { userId: 'x'.repeat(257) },
        { loginId: 'a\0b' },
        { userId: '\ud800' },
        { owner: { ...owner, nodeId: '' } },
        { owner: { ...owner, connection: 'c'.repeat(300) } },
        { ttl: 0 },
        { ttl: 1.5 },
        { ttl: Number.NaN },
        { ttl: Number.POSITIVE_INFINITY },
        { maxAge: -1 },
        { userId: 5 as unknown as string },
        { attributes: 'text' as unknown as Uint8Array },
      ];
      for (const session of wrong) {
        await assert.rejects(make(store, session), { code: 'ERR_INVALID_ARGUMENT' }, JSON.stringify(session));
      }
      assert.equal(await store.count(), 0);
    },
  ],
  [
    'newId: the partition follows from the user, the tail is random unless given',
    async ({ store }) => {
      const partition = (id: string) => id.slice(0, id.indexOf('.'));
      const ids = new Set(Array.from({ length: 1000 }, () => store.newId('ann')));
      assert.equal(ids.size, 1000);
      assert.equal(new Set([...ids].map(partition)).size, 1);
      assert.equal(store.newId(undefined, 'abc_DEF-1'), store.newId(undefined, 'abc_DEF-1'));
      assert.ok(store.newId('ann', 'abc').endsWith('.abc'));
      assert.throws(() => store.newId('ann', 'a b'), { code: 'ERR_INVALID_ARGUMENT' });
      assert.throws(() => store.newId('ann', 'x'.repeat(201)), { code: 'ERR_INVALID_ARGUMENT' });
      const { id } = await make(store, { id: store.newId(undefined, 'given') });
      assert.equal((await store.get(id))?.id, id);
    },
  ],
  [
    'list pages through all live sessions, also while others come and go',
    async ({ store, peer }) => {
      const stay = await Promise.all(
        Array.from({ length: 230 }, (_, n) => make(store, { userId: `u${n}`, attributes: bytes(n) })),
      );
      const leave = await Promise.all(Array.from({ length: 100 }, () => make(store)));
      const first = await peer.list(undefined, 20);
      await Promise.all(leave.map(({ id }) => store.destroy(id)));
      await Promise.all(Array.from({ length: 50 }, () => make(store)));
      const seen = new Map(first.records.map((record) => [record.id, record]));
      for (let { cursor } = first; cursor !== undefined; ) {
        const page = await peer.list(cursor, 20);
        for (const record of page.records) seen.set(record.id, record);
        cursor = page.cursor;
      }
      for (const record of stay) assert.deepEqual(seen.get(record.id), record);
      assert.equal(await store.count(), 280);
    },
  ],
  [
    'an unknown cursor is refused as an argument',
    async ({ store }) => {
      await assert.rejects(store.list('nonsense'), { code: 'ERR_INVALID_ARGUMENT' });
    },
  ],
  [
    'by group: from the first to the last moment, through changes, new ids and over all partitions',
    async ({ store, peer }) => {
      const made = [];
      for (let n = 0; n < 5; n++) made.push(await make(store, { userId: `u${n}`, group: 'ann' }));
      const [first, second] = made as [SessionRecord, SessionRecord];
      assert.equal(first.group, 'ann');
      assert.deepEqual(await peer.byGroup('ann'), made);
      assert.deepEqual(await store.byGroup('bob'), []);
      await peer.set(first.id, { version: 0, group: 'bob' });
      await peer.set(second.id, { version: 0, group: null });
      assert.deepEqual(idsOf(await store.byGroup('bob')), [first.id]);
      assert.deepEqual(idsOf(await store.byGroup('ann')), idsOf(made.slice(2)));
      assert.equal((await store.get(second.id))?.group, undefined);
      await store.set(first.id, { version: 1, attributes: bytes(1) });
      for (const userId of ['u0', 'x', 'y', undefined]) {
        const [record] = await store.byGroup('bob');
        const result = await peer.regenerate(record?.id ?? '', undefined, { userId });
        assert.ok(result.status === 'created');
        assert.deepEqual(await store.byGroup('bob'), [result.record]);
      }
      for (const { id } of await store.byGroup('ann')) await store.destroy(id);
      assert.deepEqual(await peer.byGroup('ann'), []);
    },
  ],
];
