import assert from 'node:assert/strict';
import { Buffer } from '../../shared/ambient.js';
import { encode } from '../encode.js';
import { attached, bytes, type Check, make, minute, sleep } from './case.js';

/** Creating, reading, changing and destroying single sessions. */
export const recordChecks: readonly Check[] = [
  [
    '[G1] create fills in id, times, status and empty values',
    async ({ store }) => {
      const record = await make(store, { ttl: 5000 });
      assert.match(record.id, /^\d+\.[\w-]{22,}$/);
      assert.equal(record.expiresAt, record.createdAt + 5000);
      assert.equal(record.lastActive, record.createdAt);
      assert.ok(Math.abs(record.createdAt - Date.now()) < minute, 'times are epoch milliseconds');
      const { status, owner, userId, loginId, endsAt, generation, version } = record;
      assert.deepEqual(
        [status, owner, userId, loginId, endsAt],
        ['detached', undefined, undefined, undefined, undefined],
      );
      assert.deepEqual([generation, version, record.ttl], [0, 0, 5000]);
      assert.deepEqual(Buffer.from(record.attributes), Buffer.from(encode({})));
      assert.deepEqual(Buffer.from(record.extensions), Buffer.from(encode({})));
    },
  ],
  [
    '[G1] create keeps the values it is given',
    async ({ store }) => {
      const id = store.newId('ann');
      const owner = { nodeId: 'node-a', connection: 'c1' };
      const given = {
        id,
        userId: 'ann',
        loginId: 'l1',
        attributes: bytes(1),
        extensions: bytes(2),
        maxAge: 9000,
        owner,
      };
      const record = await make(store, { ...given, ttl: 5000 });
      assert.deepEqual([record.id, record.userId, record.loginId], [id, 'ann', 'l1']);
      assert.deepEqual([record.status, record.owner?.nodeId, record.generation], ['active', 'node-a', 1]);
      assert.deepEqual([record.endsAt, record.ttl], [record.createdAt + 9000, 5000]);
      assert.deepEqual([[...record.attributes], [...record.extensions]], [[1], [2]]);
    },
  ],
  [
    '[D-G5] an id that is taken is refused and its session stays as it is',
    async ({ store, peer }) => {
      const { id } = await make(store, { userId: 'ann', attributes: bytes(1) });
      assert.deepEqual(await peer.create({ id, userId: 'ann', ttl: minute, attributes: bytes(2) }), {
        status: 'exists',
      });
      assert.deepEqual([...((await store.get(id))?.attributes ?? [])], [1]);
    },
  ],
  [
    'a given id that was made for another user, or by nobody, is refused as an argument',
    async ({ store }) => {
      const refused = { code: 'ERR_INVALID_ARGUMENT' };
      await assert.rejects(store.create({ id: 'mine', ttl: minute }), refused);
      await assert.rejects(store.create({ id: '99999.x', ttl: minute }), refused);
    },
  ],
  [
    '[G2] [G13] get returns what another process stored, and nothing for an unknown id',
    async ({ store, peer }) => {
      const record = await make(store, { userId: 'ann', attributes: bytes(0, 255, 13, 10) });
      assert.deepEqual(await peer.get(record.id), record);
      assert.equal(await store.get(store.newId()), undefined);
      for (const hostile of ['', 'x', '0', '0.', '-1.a', '70000.a', '0.\0', '1e3.a', 'a'.repeat(100_000)]) {
        assert.equal(await store.get(hostile), undefined, JSON.stringify(hostile.slice(0, 20)));
      }
    },
  ],
  [
    '[G11] attributes and extensions come back byte by byte, whatever the bytes are',
    async ({ store, peer }) => {
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      const large = Uint8Array.from({ length: 60_000 }, (_, index) => (index * 31) % 256);
      const { id } = await make(store, { attributes: all, extensions: large });
      const record = await peer.get(id);
      assert.deepEqual(Buffer.from(record?.attributes ?? []), Buffer.from(all));
      assert.deepEqual(Buffer.from(record?.extensions ?? []), Buffer.from(large));
    },
  ],
  [
    'a record is a copy: later changes and writes into its bytes leave it and the store alone',
    async ({ store }) => {
      const given = bytes(1, 2, 3);
      const record = await make(store, { attributes: given });
      given.fill(9);
      record.attributes.fill(7);
      assert.deepEqual([...((await store.get(record.id))?.attributes ?? [])], [1, 2, 3]);
      await store.set(record.id, { version: 0, extensions: bytes(5) });
      assert.equal(record.version, 0);
    },
  ],
  [
    '[G3] set changes values and version, and leaves the expiry alone',
    async ({ store, peer }) => {
      const { id, expiresAt } = await make(store, { attributes: bytes(1), extensions: bytes(2) });
      await sleep(15);
      assert.deepEqual(await store.set(id, { version: 0, attributes: bytes(3) }), {
        status: 'set',
        version: 1,
        expiresAt,
      });
      assert.deepEqual(await peer.set(id, { version: 1, extensions: bytes(4) }), {
        status: 'set',
        version: 2,
        expiresAt,
      });
      const record = await store.get(id);
      assert.deepEqual([[...(record?.attributes ?? [])], [...(record?.extensions ?? [])]], [[3], [4]]);
    },
  ],
  [
    '[D-G6] only a given ttl moves the expiry, up or down, and is kept for the time after',
    async ({ store }) => {
      const { id } = await make(store, { ttl: 5000 });
      for (const ttl of [600_000, 2000]) {
        const version = (await store.get(id))?.version ?? -1;
        await store.set(id, { version, ttl });
        const record = await store.get(id);
        assert.equal(record?.ttl, ttl);
        const left = (record?.expiresAt ?? 0) - (record?.createdAt ?? 0);
        assert.ok(left >= ttl && left < ttl + 10_000, `${left} ms after creation`);
      }
    },
  ],
  [
    '[D-G4] set from a stale version conflicts and changes nothing',
    async ({ store, peer }) => {
      const { id } = await make(store);
      await store.set(id, { version: 0, attributes: bytes(1) });
      assert.deepEqual(await peer.set(id, { version: 0, attributes: bytes(2) }), { status: 'conflict' });
      const record = await store.get(id);
      assert.deepEqual([[...(record?.attributes ?? [])], record?.version], [[1], 1]);
    },
  ],
  [
    '[D-G4] of concurrent changes from one version exactly one wins',
    async ({ store, peer }) => {
      const { id } = await make(store);
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 ? store : peer).set(id, { version: 0, attributes: bytes(n) }),
        ),
      );
      assert.equal(results.filter(({ status }) => status === 'set').length, 1);
      assert.equal((await store.get(id))?.version, 1);
    },
  ],
  [
    '[D-G4] nothing resurrects a destroyed session',
    async ({ store, peer }) => {
      const record = await attached(store, 'c1', { userId: 'ann' });
      const fence = { connectionId: record.owner?.connectionId ?? '', generation: 1 };
      await peer.destroy(record.id);
      assert.deepEqual(await store.set(record.id, { version: 0, attributes: bytes(1) }), { status: 'gone' });
      assert.deepEqual(await store.touch([{ id: record.id, fence }], true), ['gone']);
      assert.equal(await store.detach(record.id, fence, minute), 'gone');
      assert.deepEqual(await store.attach(record.id, { nodeId: 'n', connection: 'c' }), { status: 'gone' });
      assert.deepEqual(await store.regenerate(record.id, fence, {}), { status: 'gone' });
      assert.equal(await store.get(record.id), undefined);
      assert.equal(await store.count(), 0);
    },
  ],
  [
    '[G4] [M6] destroy returns the session once; an absent one is not an error',
    async ({ store, peer }) => {
      const { id } = await make(store, { userId: 'ann', attributes: bytes(1) });
      const destroyed = await store.destroy(id);
      assert.ok(typeof destroyed === 'object');
      assert.deepEqual([destroyed.id, [...destroyed.attributes]], [id, [1]]);
      assert.equal(await peer.destroy(id), undefined);
      assert.equal(await store.destroy('nonsense'), undefined);
    },
  ],
];
