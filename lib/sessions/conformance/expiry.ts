import assert from 'node:assert/strict';
import { attached, type Check, fenceOf, idsOf, listAll, make, minute, sleep, sweepAll } from './case.js';

/** Time to live, activity, sweeps. */
export const expiryChecks: readonly Check[] = [
  [
    '[G2] [G3] [D-G1] an expired session is gone for every operation, before any sweep',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1', { ttl: 60, userId: 'ann', loginId: 'l1' });
      const fence = fenceOf(record);
      await sleep(90);
      assert.equal(await peer.get(record.id), undefined);
      assert.deepEqual(await store.byUser('ann'), []);
      assert.deepEqual(await store.byLogin('l1', 'ann'), []);
      assert.equal(await store.byConnection(fence.connectionId), undefined);
      assert.deepEqual(await listAll(store), []);
      assert.deepEqual(await store.set(record.id, { version: 0, ttl: minute }), { status: 'gone' });
      assert.deepEqual(await store.touch([{ id: record.id, fence }, { id: record.id }], true), [
        'gone',
        'gone',
      ]);
      assert.deepEqual(await store.attach(record.id, { nodeId: 'n', connection: 'c' }), { status: 'gone' });
      assert.equal(await store.detach(record.id, fence, minute), 'gone');
      assert.deepEqual(await store.regenerate(record.id, fence, {}), { status: 'gone' });
      assert.equal(await store.destroy(record.id), undefined);
      assert.deepEqual(await store.endUser('ann'), []);
      assert.deepEqual(await store.endLogin('l1', { userId: 'ann' }), []);
      assert.deepEqual((await store.orphans('node-a', minute, 10)).records, []);
      assert.deepEqual(idsOf(await sweepAll(store)), [record.id], 'none of them swallowed its expiry');
    },
  ],
  [
    '[G8] sweep takes the expired ones, only those, with what they were',
    async ({ store, peer }) => {
      const dead = await attached(store, 'c1', { ttl: 1000, userId: 'ann', attributes: Uint8Array.of(7) });
      const alive = await make(store, { userId: 'ann' });
      assert.deepEqual(await sweepAll(store), []);
      await sleep(1050);
      assert.deepEqual(await sweepAll(peer), [dead]);
      assert.deepEqual(await sweepAll(store), []);
      assert.deepEqual(idsOf(await store.byUser('ann')), [alive.id]);
      assert.equal(await store.count(), 1);
    },
  ],
  [
    '[G9] [D-G9] [D-S7] sweepers in competition, with more expiries than they may take at once: each is returned to exactly one',
    async ({ store, peer }) => {
      const made = await Promise.all(
        Array.from({ length: 200 }, (_, n) => make(store, { ttl: 80, userId: `u${n % 40}` })),
      );
      await sleep(120);
      const swept = await Promise.all([
        sweepAll(store, 16),
        sweepAll(peer, 16),
        sweepAll(store, 7),
        sweepAll(peer, 50),
      ]);
      assert.deepEqual(idsOf(swept.flat()), idsOf(made));
      assert.equal(await store.count(), 0);
    },
  ],
  [
    '[D-G9] a session that is touched before the sweep is not swept',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1', { ttl: 2000 });
      await sleep(1150);
      await store.touch([{ id: record.id, fence: fenceOf(record) }], false);
      await sleep(1100);
      assert.deepEqual(await sweepAll(peer), []);
      assert.ok(await store.get(record.id));
    },
  ],
  [
    '[G7] [D-G7] a touch moves the expiry only when less than half is left, lastActive always',
    async ({ store }) => {
      const { id, expiresAt, lastActive } = await make(store, { ttl: 3000 });
      await sleep(100);
      assert.deepEqual(await store.touch([{ id }], false), [expiresAt]);
      const early = await store.get(id);
      assert.ok((early?.lastActive ?? 0) >= lastActive + 90);
      await sleep(1700);
      const [moved] = await store.touch([{ id }], false);
      const late = await store.get(id);
      assert.equal(moved, late?.expiresAt);
      assert.equal(moved, (late?.lastActive ?? 0) + 3000);
      assert.ok((moved as number) >= expiresAt + 1700);
    },
  ],
  [
    'an exact touch always moves the expiry',
    async ({ store }) => {
      const { id, expiresAt } = await make(store, { ttl: minute });
      await sleep(30);
      const [moved] = await store.touch([{ id }], true);
      assert.ok((moved as number) >= expiresAt + 25 && (moved as number) < expiresAt + minute / 2);
    },
  ],
  [
    'a touch that reports past activity counts from that activity, and never shortens',
    async ({ store }) => {
      const { id, expiresAt, lastActive } = await make(store, { ttl: minute });
      assert.deepEqual(await store.touch([{ id, idle: 50_000 }], true), [expiresAt]);
      assert.equal((await store.get(id))?.lastActive, lastActive);
      await sleep(40);
      const [moved] = await store.touch([{ id, idle: 20 }], true);
      const record = await store.get(id);
      assert.equal(moved, (record?.lastActive ?? 0) + minute);
      assert.ok((record?.lastActive ?? 0) > lastActive);
    },
  ],
  [
    'a batch of touches answers each entry in order, unknown ones and doubles included',
    async ({ store }) => {
      const owned = await attached(store, 'c1', { userId: 'ann' });
      const free = await make(store, { userId: 'bob' });
      const wrong = { ...fenceOf(owned), generation: 7 };
      const results = await store.touch(
        [
          { id: free.id },
          { id: 'x' },
          { id: owned.id, fence: wrong },
          { id: owned.id, fence: fenceOf(owned) },
          { id: free.id },
        ],
        false,
      );
      assert.deepEqual(results, [free.expiresAt, 'gone', 'fenced', owned.expiresAt, free.expiresAt]);
      assert.deepEqual(await store.touch([], false), []);
    },
  ],
  [
    'a batch larger than one call to the store takes is answered completely',
    async ({ store }) => {
      const made = await Promise.all(Array.from({ length: 1500 }, () => make(store)));
      const results = await store.touch(
        made.map(({ id }) => ({ id })),
        false,
      );
      assert.deepEqual(
        results,
        made.map(({ expiresAt }) => expiresAt),
      );
    },
  ],
  [
    'the absolute age ends a session however active it is',
    async ({ store }) => {
      const record = await attached(store, 'c1', { ttl: 1700, maxAge: 2000 });
      assert.equal(record.endsAt, record.createdAt + 2000);
      await sleep(500);
      assert.deepEqual(await store.touch([{ id: record.id }], true), [record.endsAt]);
      const again = await store.attach(record.id, { nodeId: 'n', connection: 'c2' });
      assert.ok(again.status === 'attached' && again.record.expiresAt === record.endsAt);
      assert.equal((await store.set(record.id, { version: 0, ttl: minute })).status, 'set');
      assert.equal((await store.get(record.id))?.expiresAt, record.endsAt);
      await sleep(1600);
      assert.deepEqual(idsOf(await sweepAll(store)), [record.id]);
    },
  ],
  [
    'maxAge below ttl already bounds the first expiry',
    async ({ store }) => {
      const record = await make(store, { ttl: minute, maxAge: 1000 });
      assert.equal(record.expiresAt, record.createdAt + 1000);
    },
  ],
];
