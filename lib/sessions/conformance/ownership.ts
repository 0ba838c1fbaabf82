import assert from 'node:assert/strict';
import { connectionKey } from '../ids.js';
import { attached, bytes, type Check, fenceOf, idsOf, listAll, make, minute, sleep } from './case.js';

const here = { nodeId: 'node-a', connection: 'c1' };
const there = { nodeId: 'node-b', connection: 'c2' };

/** Attaching, taking over, fencing, detaching, orphans. */
export const ownershipChecks: readonly Check[] = [
  [
    'attach makes the connection the owner: active, generation +1, expiry anew',
    async ({ store, peer }) => {
      const { id, expiresAt } = await make(store);
      await sleep(15);
      const result = await store.attach(id, here);
      assert.ok(result.status === 'attached');
      assert.equal(result.previous, undefined);
      const { status, owner, generation, lastActive } = result.record;
      assert.deepEqual(
        [status, owner, generation],
        ['active', { nodeId: 'node-a', connectionId: connectionKey(id, 'c1') }, 1],
      );
      assert.ok(result.record.expiresAt >= expiresAt + 10 && result.record.expiresAt === lastActive + minute);
      assert.deepEqual(await peer.get(id), result.record);
    },
  ],
  [
    'a takeover names the previous owner, which is fenced from then on',
    async ({ store, peer }) => {
      const first = await attached(store, 'c1', {}, 'node-a');
      const { id } = first;
      const taken = await peer.attach(id, there);
      assert.ok(taken.status === 'attached');
      assert.deepEqual(taken.previous, first.owner);
      assert.equal(taken.record.generation, 2);
      const old = fenceOf(first);
      assert.deepEqual(await store.touch([{ id, fence: old }], true), ['fenced']);
      assert.deepEqual(await store.set(id, { version: 0, fence: old, attributes: bytes(1) }), {
        status: 'fenced',
      });
      assert.equal(await store.detach(id, old, 0), 'fenced');
      assert.equal(await store.destroy(id, old), 'fenced');
      assert.deepEqual(await store.regenerate(id, old, {}), { status: 'fenced' });
      assert.deepEqual(await store.get(id), taken.record, 'nothing of it had an effect');
    },
  ],
  [
    'fencing needs both: the right generation of another connection is fenced as well',
    async ({ store }) => {
      const record = await attached(store, 'c1');
      const { id, generation } = record;
      const stranger = { generation, connectionId: connectionKey(id, 'c9') };
      const stale = { generation: generation - 1, connectionId: fenceOf(record).connectionId };
      for (const fence of [stranger, stale]) {
        assert.deepEqual(await store.touch([{ id, fence }], false), ['fenced']);
        assert.deepEqual(await store.set(id, { version: 0, fence }), { status: 'fenced' });
      }
      assert.equal((await store.set(id, { version: 0, fence: fenceOf(record) })).status, 'set');
    },
  ],
  [
    'the same connection attaching again is nobody taking over',
    async ({ store }) => {
      const record = await attached(store, 'c1');
      const again = await store.attach(record.id, here);
      assert.ok(again.status === 'attached');
      assert.deepEqual([again.previous, again.record.generation], [undefined, 2]);
      assert.equal((await store.byConnection(connectionKey(record.id, 'c1')))?.id, record.id);
    },
  ],
  [
    'of concurrent attaches exactly one stays owner, and each but the first took over from another',
    async ({ store, peer }) => {
      const { id } = await make(store);
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 ? store : peer).attach(id, { nodeId: 'n', connection: `c${n}` }),
        ),
      );
      const generations = results.map((result) =>
        result.status === 'attached' ? result.record.generation : -1,
      );
      assert.deepEqual(
        generations.sort((a, b) => a - b),
        Array.from({ length: 20 }, (_, n) => n + 1),
      );
      const replaced = results.map((result) =>
        result.status === 'attached' ? result.previous?.connectionId : '-',
      );
      const owner = (await store.get(id))?.owner?.connectionId;
      assert.equal(new Set([...replaced, owner]).size, 21, 'one chain from none over all to the last');
    },
  ],
  [
    'detach gives up the ownership and starts the time that the session is kept',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1', { userId: 'ann' });
      assert.equal(await store.detach(record.id, fenceOf(record), 5000), 'ok');
      const detached = await peer.get(record.id);
      assert.deepEqual([detached?.status, detached?.owner, detached?.generation], ['detached', undefined, 1]);
      const kept = (detached?.expiresAt ?? 0) - (record.createdAt ?? 0);
      assert.ok(kept >= 5000 && kept < 15_000, `${kept} ms`);
      assert.equal(await store.byConnection(fenceOf(record).connectionId), undefined);
      assert.equal(await store.detach(record.id, fenceOf(record), 1000), 'fenced');
    },
  ],
  [
    'detach keeps a session at most its ttl',
    async ({ store }) => {
      const record = await attached(store, 'c1', { ttl: 5000 });
      await store.detach(record.id, fenceOf(record), 10 * minute);
      const kept = ((await store.get(record.id))?.expiresAt ?? 0) - record.createdAt;
      assert.ok(kept >= 5000 && kept < 15_000, `${kept} ms`);
    },
  ],
  [
    'a detached session attaches again, with a higher generation and the full ttl',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1');
      await store.detach(record.id, fenceOf(record), 20_000);
      const result = await peer.attach(record.id, there);
      assert.ok(result.status === 'attached');
      assert.deepEqual([result.previous, result.record.generation], [undefined, 2]);
      assert.equal(result.record.expiresAt, result.record.lastActive + minute);
    },
  ],
  [
    'attach by another user, or by an anonymous one, is denied and changes nothing',
    async ({ store }) => {
      const record = await attached(store, 'c1', { userId: 'ann' });
      for (const identity of [{ userId: 'bob' }, {}, { loginId: 'l1' }]) {
        assert.deepEqual(await store.attach(record.id, there, identity), { status: 'denied' });
      }
      assert.deepEqual(await store.get(record.id), record);
      assert.equal((await store.attach(record.id, there, { userId: 'ann' })).status, 'attached');
    },
  ],
  [
    'a user cannot attach an anonymous session: it has to be regenerated at login',
    async ({ store }) => {
      const { id } = await make(store);
      assert.deepEqual(await store.attach(id, here, { userId: 'ann' }), { status: 'denied' });
      assert.equal((await store.attach(id, here, {})).status, 'attached');
    },
  ],
  [
    'attach moves the session to the login it comes with',
    async ({ store }) => {
      const { id } = await make(store, { userId: 'ann', loginId: 'l1' });
      await store.attach(id, here, { userId: 'ann', loginId: 'l2' });
      assert.deepEqual(await store.byLogin('l1', 'ann'), []);
      assert.deepEqual(idsOf(await store.byLogin('l2', 'ann')), [id]);
      await store.attach(id, there, { userId: 'ann' });
      assert.equal((await store.get(id))?.loginId, 'l2', 'one without login leaves it');
    },
  ],
  [
    'orphans detaches what a dead node owned, each to one caller, and nothing else',
    async ({ store, peer }) => {
      const dead = await Promise.all(
        Array.from({ length: 60 }, (_, n) => attached(store, `c${n}`, { userId: `u${n}` }, 'dead')),
      );
      const alive = await attached(store, 'x', {}, 'alive');
      const found: string[] = [];
      const take = async (from: typeof store) => {
        for (;;) {
          const { records, more } = await from.orphans('dead', 5000, 16);
          for (const record of records) {
            assert.deepEqual([record.status, record.owner], ['detached', undefined]);
            found.push(record.id);
          }
          if (!more) return;
        }
      };
      await Promise.all([take(store), take(peer)]);
      assert.deepEqual(found.sort(), idsOf(dead));
      assert.deepEqual(await store.get(alive.id), alive);
      const [first] = dead;
      assert.ok(first);
      assert.deepEqual(await store.touch([{ id: first.id, fence: fenceOf(first) }], true), ['fenced']);
      const kept = ((await store.get(first.id))?.expiresAt ?? 0) - first.createdAt;
      assert.ok(kept >= 5000 && kept < 15_000, `${kept} ms`);
      assert.equal((await listAll(store)).length, 61);
    },
  ],
];
