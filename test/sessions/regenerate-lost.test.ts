import { expect, test } from 'vitest';
import { regenerateAcross } from '../../lib/redis/regenerate.js';
import { MemoryStore, SessionManager, type SessionRecord } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { until } from './helpers/managers.js';

/** A store that moves a session in two steps, and in which it ends between them. */
function losing(): MemoryStore {
  const store = new MemoryStore();
  store.regenerate = (id, fence, { userId }, limit) => {
    let renewed: SessionRecord | undefined;
    return regenerateAcross(store, {
      old: id,
      renewed: store.newId(userId),
      fence,
      async create({ ttl }) {
        const result = await store.create({ userId, ttl }, limit);
        if (result.status === 'created') renewed = result.record;
        await store.destroy(id);
        return result;
      },
      destroy: () => store.destroy(id, fence),
      settle: async (undo) => undo && renewed && store.destroy(renewed.id),
    });
  };
  return store;
}

test('whom the limit evicted for a session that ended while it was regenerated is told all the same', async () => {
  const store = losing();
  const manager = new SessionManager({ store, maxPerUser: 1, onExcess: 'closeOldest' });
  const told: string[] = [];
  manager.on('end', ({ id }, reason) => told.push(`${id} ${reason}`));
  const [old, moving] = [new FakeSocket(), new FakeSocket()];
  const evicted = await manager.attach(old, { userId: 'ann' });
  const session = await manager.attach(moving);
  await expect(session.regenerate({ userId: 'ann' })).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' });
  await until('closed', () => !old.isOpen);
  expect(told).toContain(`${evicted.id} evicted`);
  expect(await store.byUser('ann')).toEqual([]);
  await manager.stop();
});
