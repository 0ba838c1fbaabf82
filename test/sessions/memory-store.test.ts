import { describe, expect, test } from 'vitest';
import { conformance } from '../../lib/sessions/conformance/index.js';
import { MemoryStore, type MemoryStoreOptions } from '../../lib/sessions/memory-store.js';

describe.concurrent('[G12] MemoryStore: conformance', () => {
  for (const { name, run } of conformance({ open: async () => ({ store: new MemoryStore() }) }))
    test(name, run);
});

describe('MemoryStore: bounds', () => {
  test('refuses one session too many with ERR_LIMIT, and takes one again when another is gone', async () => {
    const store = new MemoryStore({ maxSessions: 2 });
    const first = await store.create({ ttl: 1000 });
    await store.create({ ttl: 1000 });
    await expect(store.create({ ttl: 1000 })).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    await store.destroy(first.status === 'created' ? first.record.id : '');
    expect(await store.create({ ttl: 1000 })).toMatchObject({ status: 'created' });
  });

  test('lets a user at the limit replace a session even when the store is full', async () => {
    const store = new MemoryStore({ maxSessions: 1 });
    await store.create({ ttl: 1000, userId: 'ann' });
    const limit = { max: 1, onExcess: 'closeOldest' } as const;
    expect(await store.create({ ttl: 1000, userId: 'ann' }, limit)).toMatchObject({ status: 'created' });
    expect(await store.count()).toBe(1);
  });

  test('counts the bytes of all values, on create, change, regenerate and destroy', async () => {
    const store = new MemoryStore({ maxBytes: 1024 });
    const big = new Uint8Array(600);
    const created = await store.create({ ttl: 1000, attributes: big });
    const id = created.status === 'created' ? created.record.id : '';
    await expect(store.create({ ttl: 1000, attributes: big })).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    await expect(store.set(id, { version: 0, extensions: big })).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    expect(await store.set(id, { version: 0, attributes: new Uint8Array(900) })).toMatchObject({
      status: 'set',
    });
    const renewed = await store.regenerate(id, undefined, {});
    expect(renewed).toMatchObject({ status: 'created' });
    await store.destroy(renewed.status === 'created' ? renewed.record.id : '');
    expect(await store.create({ ttl: 1000, attributes: new Uint8Array(1000) })).toMatchObject({
      status: 'created',
    });
  });

  test.each([
    [{ maxSessions: 0 }, 'for the option "maxSessions" but got the number 0'],
    [{ maxBytes: 1.5 }, 'for the option "maxBytes" but got the number 1.5'],
    [{ maxSession: 5 }, 'Unknown option "maxSession"; did you mean "maxSessions"?'],
  ])('refuses the options %j', (options, message) => {
    expect(() => new MemoryStore(options as MemoryStoreOptions)).toThrow(message);
  });

  test('a listing that was given up long ago says so', async () => {
    const store = new MemoryStore();
    for (let n = 0; n < 3; n++) await store.create({ ttl: 1000 });
    const { cursor } = await store.list(undefined, 1);
    for (let n = 0; n < 20; n++) await store.list(undefined, 1);
    await expect(store.list(cursor)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});
