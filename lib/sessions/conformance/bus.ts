import assert from 'node:assert/strict';
import { bytes, type Check, sleep } from './case.js';

/** The bus, of stores that have one. */
export const busChecks: readonly Check[] = [
  [
    'a message reaches its node, whole and in order, and no other node',
    async ({ store, peer }) => {
      if (store.bus === undefined || peer.bus === undefined) return;
      const seen: number[][] = [];
      const strays: Uint8Array[] = [];
      const mine = store.bus.subscribe('node-a', (message) => seen.push([...message]));
      const other = peer.bus.subscribe('node-b', (message) => strays.push(message));
      await Promise.all([mine.ready, other.ready]);
      for (let n = 0; n < 50; n++)
        assert.equal(await peer.bus.publish('node-a', bytes(0, 255, n, 10, 13)), true);
      for (let wait = 0; seen.length < 50 && wait < 200; wait++) await sleep(10);
      assert.deepEqual(
        seen,
        Array.from({ length: 50 }, (_, n) => [0, 255, n, 10, 13]),
      );
      assert.deepEqual(strays, []);
      await Promise.all([mine.close(), other.close()]);
    },
  ],
  [
    'publish to a node that nobody listens for answers false, also after it has closed',
    async ({ store, peer }) => {
      if (store.bus === undefined || peer.bus === undefined) return;
      assert.equal(await store.bus.publish('nobody', bytes(1)), false);
      let received = 0;
      const subscription = peer.bus.subscribe('node-a', () => received++);
      await subscription.ready;
      assert.equal(await store.bus.publish('node-a', bytes(1)), true);
      for (let wait = 0; received < 1 && wait < 200; wait++) await sleep(10);
      await subscription.close();
      for (let wait = 0; (await store.bus.publish('node-a', bytes(1))) && wait < 200; wait++) await sleep(10);
      assert.equal(await store.bus.publish('node-a', bytes(1)), false);
      assert.equal(received, 1);
    },
  ],
];
