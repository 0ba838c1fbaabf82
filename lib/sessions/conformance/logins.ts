import assert from 'node:assert/strict';
import { attached, bytes, type Check, fenceOf, idsOf, make, minute, sleep } from './case.js';

/** Limits per user, ending users and logins, new ids at login. */
export const loginChecks: readonly Check[] = [
  [
    'over the limit, reject refuses the new session and says how many there are',
    async ({ store, peer }) => {
      const limit = { max: 2, onExcess: 'reject' as const };
      for (let n = 0; n < 2; n++)
        assert.equal((await store.create({ userId: 'ann', ttl: minute }, limit)).status, 'created');
      assert.deepEqual(await peer.create({ userId: 'ann', ttl: minute }, limit), {
        status: 'limit',
        count: 2,
      });
      assert.equal((await store.create({ userId: 'bob', ttl: minute }, limit)).status, 'created');
      assert.equal((await store.byUser('ann')).length, 2);
    },
  ],
  [
    'over the limit, closeOldest makes room and returns what it removed',
    async ({ store }) => {
      const limit = { max: 2, onExcess: 'closeOldest' as const };
      const made = [];
      for (let n = 0; n < 4; n++) made.push(await attached(store, `c${n}`, { userId: 'ann' }));
      await store.touch(
        made.map(({ id }) => ({ id })),
        true,
      );
      const result = await store.create({ userId: 'ann', ttl: minute }, limit);
      assert.ok(result.status === 'created');
      assert.deepEqual(
        result.evicted.map(({ id }) => id),
        made.slice(0, 3).map(({ id }) => id),
      );
      assert.equal(result.evicted[0]?.owner?.nodeId, 'node-a');
      assert.deepEqual(idsOf(await store.byUser('ann')), idsOf([made[3] ?? result.record, result.record]));
    },
  ],
  [
    '200 concurrent creates at limit 3 leave exactly 3',
    async ({ store, peer }) => {
      for (const onExcess of ['reject', 'closeOldest'] as const) {
        const create = (n: number) =>
          (n % 2 ? store : peer).create({ userId: onExcess, ttl: minute }, { max: 3, onExcess });
        const results = await Promise.all(Array.from({ length: 200 }, (_, n) => create(n)));
        const created = results.filter(({ status }) => status === 'created').length;
        assert.equal(created, onExcess === 'reject' ? 3 : 200);
        const left = await store.byUser(onExcess);
        assert.equal(left.length, 3);
        const evicted = results.flatMap((result) => (result.status === 'created' ? result.evicted : []));
        assert.equal(new Set([...idsOf(evicted), ...idsOf(left)]).size, created);
      }
    },
  ],
  [
    'expired sessions do not count for the limit, and their expiry is still reported by the sweep',
    async ({ store }) => {
      const limit = { max: 1, onExcess: 'closeOldest' as const };
      const { id } = await make(store, { userId: 'ann', ttl: 40 });
      await sleep(70);
      const result = await store.create({ userId: 'ann', ttl: minute }, limit);
      assert.ok(result.status === 'created');
      assert.deepEqual(result.evicted, []);
      assert.deepEqual(idsOf((await store.sweep(10)).records), [id]);
    },
  ],
  [
    'anonymous sessions are not limited; a wrong limit is refused as an argument',
    async ({ store }) => {
      const limit = { max: 1, onExcess: 'reject' as const };
      for (let n = 0; n < 3; n++)
        assert.equal((await store.create({ ttl: minute }, limit)).status, 'created');
      const wrong = { code: 'ERR_INVALID_ARGUMENT' };
      await assert.rejects(store.create({ ttl: minute }, { max: 0, onExcess: 'reject' }), wrong);
      await assert.rejects(store.create({ ttl: minute }, { max: 1, onExcess: 'drop' as 'reject' }), wrong);
    },
  ],
  [
    '[S3] by login: all its sessions, also those of different users',
    async ({ store, peer }) => {
      const made = [
        await make(store, { loginId: 'l1' }),
        await attached(store, 'c1', { loginId: 'l1', userId: 'ann' }),
        await make(store, { loginId: 'l1', userId: 'bob' }),
      ];
      await make(store, { loginId: 'l2', userId: 'ann' });
      assert.deepEqual(idsOf(await peer.byLogin('l1')), idsOf(made));
      assert.deepEqual((await peer.byLogin('l1', 'ann')).map(({ userId }) => userId).includes('ann'), true);
      assert.deepEqual(await store.byLogin('l3'), []);
    },
  ],
  [
    '[S4] ending a login removes all its sessions and returns them; ending it again is nothing',
    async ({ store, peer }) => {
      const made = [
        await attached(store, 'c1', { loginId: 'l1', userId: 'ann' }),
        await make(store, { loginId: 'l1' }),
      ];
      const other = await make(store, { loginId: 'l2', userId: 'ann' });
      assert.deepEqual(idsOf(await peer.endLogin('l1')), idsOf(made));
      assert.deepEqual(await store.endLogin('l1'), []);
      assert.deepEqual(await store.byUser('ann'), [other]);
    },
  ],
  [
    '[D-S2] a session that comes just after the end of its login is refused',
    async ({ store, peer }) => {
      const free = await make(store, { userId: 'ann' });
      await store.endLogin('l1', { block: 1500 });
      assert.deepEqual(await peer.create({ loginId: 'l1', userId: 'ann', ttl: minute }), { status: 'ended' });
      assert.deepEqual(await peer.create({ loginId: 'l1', ttl: minute }), { status: 'ended' });
      const owner = { nodeId: 'n', connection: 'c' };
      assert.deepEqual(await peer.attach(free.id, owner, { userId: 'ann', loginId: 'l1' }), {
        status: 'denied',
      });
      assert.deepEqual(await peer.regenerate(free.id, undefined, { userId: 'ann', loginId: 'l1' }), {
        status: 'ended',
      });
      assert.deepEqual(await store.get(free.id), free);
      assert.equal((await peer.create({ loginId: 'l2', ttl: minute })).status, 'created');
      await sleep(1550);
      assert.equal((await peer.create({ loginId: 'l1', ttl: minute })).status, 'created');
    },
  ],
  [
    '[D-S1] creates and ends of one login at the same time: what is left after an end is what came after its block',
    async ({ store, peer }) => {
      const creating = Promise.all(
        Array.from({ length: 60 }, (_, n) => store.create({ loginId: 'l1', userId: `u${n}`, ttl: minute })),
      );
      const ended = (await peer.endLogin('l1', { block: minute })).length;
      const created = (await creating).filter(({ status }) => status === 'created').length;
      assert.equal(created, ended);
      assert.deepEqual(await store.byLogin('l1'), []);
    },
  ],
  [
    'ending a user removes all sessions of that user',
    async ({ store, peer }) => {
      const made = [
        await make(store, { userId: 'ann' }),
        await attached(store, 'c', { userId: 'ann', loginId: 'l' }),
      ];
      const other = await make(store, { userId: 'bob' });
      assert.deepEqual(idsOf(await peer.endUser('ann')), idsOf(made));
      assert.deepEqual(await store.endUser('ann'), []);
      assert.deepEqual(await store.get(other.id), other);
      assert.equal(
        (await store.create({ userId: 'ann', ttl: minute })).status,
        'created',
        'ann may come back',
      );
    },
  ],
  [
    '[D-S4] [D-G15] regenerate gives a new id, user and login; the old id is gone, the rest is the same',
    async ({ store, peer }) => {
      const old = await attached(store, 'c1', {
        attributes: bytes(1),
        extensions: bytes(2),
        maxAge: minute * 2,
      });
      await store.set(old.id, { version: 0, attributes: bytes(3) });
      const result = await peer.regenerate(old.id, fenceOf(old), { userId: 'ann', loginId: 'l1' });
      assert.ok(result.status === 'created');
      const { record } = result;
      assert.notEqual(record.id, old.id);
      assert.deepEqual([record.userId, record.loginId, record.generation], ['ann', 'l1', 2]);
      assert.deepEqual([[...record.attributes], [...record.extensions], record.version], [[3], [2], 1]);
      assert.deepEqual([record.createdAt, record.ttl, record.endsAt], [old.createdAt, old.ttl, old.endsAt]);
      assert.equal(record.owner?.nodeId, 'node-a');
      assert.equal(record.owner?.connectionId.split('.').slice(1).join('.'), 'c1');
      assert.equal(await store.get(old.id), undefined);
      assert.deepEqual(await store.byConnection(record.owner?.connectionId ?? ''), record);
      assert.deepEqual([await store.byUser('ann'), await store.byLogin('l1')], [[record], [record]]);
      assert.equal(await store.count(), 1);
      assert.deepEqual(await store.touch([{ id: record.id, fence: fenceOf(old) }], false), ['fenced']);
      assert.deepEqual(await store.touch([{ id: record.id, fence: fenceOf(record) }], false), [
        record.expiresAt,
      ]);
    },
  ],
  [
    'regenerate for the same user does not count the session it replaces',
    async ({ store }) => {
      const limit = { max: 1, onExcess: 'reject' as const };
      const old = await make(store, { userId: 'ann', loginId: 'l1' });
      const result = await store.regenerate(old.id, undefined, { userId: 'ann', loginId: 'l2' }, limit);
      assert.ok(result.status === 'created');
      assert.deepEqual(idsOf(await store.byUser('ann')), [result.record.id]);
      assert.deepEqual(await store.byLogin('l1'), []);
    },
  ],
  [
    'regenerate over the limit of the new user leaves the old session untouched, or evicts',
    async ({ store }) => {
      const first = await make(store, { userId: 'ann' });
      const old = await attached(store, 'c1');
      const identity = { userId: 'ann' };
      const refused = await store.regenerate(old.id, fenceOf(old), identity, { max: 1, onExcess: 'reject' });
      assert.deepEqual(refused, { status: 'limit', count: 1 });
      assert.deepEqual(await store.get(old.id), old);
      const result = await store.regenerate(old.id, fenceOf(old), identity, {
        max: 1,
        onExcess: 'closeOldest',
      });
      assert.ok(result.status === 'created');
      assert.deepEqual(idsOf(result.evicted), [first.id]);
      assert.equal(await store.count(), 1);
    },
  ],
  [
    'of concurrent regenerates of one session exactly one session is left',
    async ({ store, peer }) => {
      const old = await make(store, { userId: 'ann' });
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 ? store : peer).regenerate(old.id, undefined, { userId: `u${n}` }),
        ),
      );
      assert.equal(results.filter(({ status }) => status === 'created').length, 1);
      assert.equal(await store.count(), 1);
    },
  ],
  [
    'who regenerates without being the owner leaves word for the owner, through several new ids in a row',
    async ({ store, peer }) => {
      for (const [user, next] of [
        ['ann', 'ann'],
        [undefined, 'a'],
        ['b', 'c'],
        ['d', undefined],
      ] as const) {
        const old = await attached(store, `c-${user}`, { userId: user });
        assert.equal(await store.successor(old.id), undefined);
        const first = await peer.regenerate(old.id, undefined, { userId: next });
        assert.ok(first.status === 'created');
        assert.deepEqual(await store.successor(old.id), first.record);
        assert.deepEqual(await store.byConnection(first.record.owner?.connectionId ?? ''), first.record);
        const second = await peer.regenerate(first.record.id, undefined, { userId: 'z', loginId: 'l' });
        assert.ok(second.status === 'created');
        assert.deepEqual(await store.successor(old.id), second.record);
        await store.destroy(second.record.id);
        assert.equal(await store.successor(old.id), undefined);
      }
    },
  ],
  [
    'nobody finds the new id of a session by the old one that its owner, or nobody, had',
    async ({ store }) => {
      const owned = await attached(store, 'c1', { userId: 'ann' });
      const free = await make(store, { userId: 'ann' });
      for (const userId of ['ann', 'bob']) {
        for (const { id, owner, generation } of [owned, free]) {
          const fence = owner && { connectionId: owner.connectionId, generation };
          await store.regenerate(id, fence, { userId });
          assert.equal(await store.successor(id), undefined);
        }
      }
      for (const id of ['', 'x', '0.unknown', 42 as unknown as string])
        assert.equal(await store.successor(id), undefined);
    },
  ],
];
