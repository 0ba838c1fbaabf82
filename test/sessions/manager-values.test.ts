import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend, type StartNode } from './helpers/managers.js';

describe.concurrent.each([memoryBackend(), redisBackend()])('values of a session, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  function it(name: string, run: (manager: SessionManager, start: StartNode) => Promise<void>): void {
    test(name, () => inSystem(backend, async (start) => run(await start(), start)));
  }

  it('update alters a draft, or takes what is returned, and other nodes read it', async (manager, start) => {
    const session = await manager.attach(new FakeSocket(), { attributes: { n: 1, list: [1] } });
    const updated = await session.update((a) => {
      a.n = 2;
      (a.list as number[]).push(2);
    });
    expect(updated).toEqual({ n: 2, list: [1, 2] });
    await session.update((a) => ({ ...a, m: new Date(5) }));
    const other = await (await start()).get(session.id);
    expect(other?.attributes).toEqual({ n: 2, list: [1, 2], m: new Date(5) });
    expect(other?.version).toBe(2);
  });

  it('[D-G4] a hundred concurrent updates on two nodes are all counted', async (manager, start) => {
    const socket = new FakeSocket();
    const mine = await manager.attach(socket, { attributes: { n: 0 } });
    const theirs = await (await start()).get(mine.id);
    const count = (a: Record<string, unknown>) => {
      a.n = (a.n as number) + 1;
    };
    for (let round = 0; round < 10; round++) {
      await Promise.all([...Array.from({ length: 5 }, () => mine.update(count)), theirs?.update(count)]);
      await Promise.all(Array.from({ length: 4 }, () => theirs?.update(count)));
    }
    await mine.reload();
    expect(mine.attributes).toEqual({ n: 100 });
  });

  it('an update that loses against others 16 times gives up with ERR_SESSION_CONFLICT', async (manager) => {
    const session = await manager.attach(new FakeSocket(), { attributes: { n: 0 } });
    const { store } = manager;
    let runs = 0;
    const set = store.set.bind(store);
    const meddled = session.store as { set: typeof store.set };
    meddled.set = async (id, change) => {
      await set(id, { version: change.version, extensions: Uint8Array.of(1, 15, 0) });
      return set(id, change);
    };
    const update = session.update((a) => {
      a.n = ++runs;
    });
    await expect(update).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT' });
    meddled.set = set;
    expect(runs).toBe(16);
  });

  it('extensions are apart from the attributes', async (manager) => {
    const session = await manager.attach(new FakeSocket(), { attributes: { a: 1 } });
    await session.updateExtensions((e) => {
      e.passport = { user: 7 };
    });
    expect([session.attributes, session.extensions]).toEqual([{ a: 1 }, { passport: { user: 7 } }]);
    expect((await manager.get(session.id))?.version).toBe(1);
  });

  it('values read are frozen, at every depth: a change that is not stored fails at once', async (manager) => {
    const session = await manager.attach(new FakeSocket(), { attributes: { deep: { list: [1] } } });
    const { deep } = session.attributes as { deep: { list: number[] } };
    expect(() => deep.list.push(2)).toThrow(TypeError);
    expect(() => {
      (session.attributes as Record<string, unknown>).x = 1;
    }).toThrow(TypeError);
  });

  it('an update without a change writes nothing', async (manager) => {
    const session = await manager.attach(new FakeSocket(), { attributes: { a: 1, d: new Date(1) } });
    await session.update(() => undefined);
    await session.update((a) => ({ ...a }));
    expect(session.version).toBe(0);
  });

  it('what cannot be stored is refused, and the session keeps what it had', async (manager) => {
    const session = await manager.attach(new FakeSocket(), { attributes: { a: 1 } });
    const set = (values: object) => session.update((a) => void Object.assign(a, values));
    const refused = (update: () => unknown) => session.update(update as () => void);
    const wrong = { code: 'ERR_INVALID_ARGUMENT' };
    await expect(set({ f: () => 1 })).rejects.toMatchObject(wrong);
    await expect(refused(async () => ({ a: 2 }))).rejects.toMatchObject(wrong);
    await expect(refused(() => [1])).rejects.toMatchObject(wrong);
    await expect(set({ big: 'x'.repeat(70_000) })).rejects.toMatchObject({
      code: 'ERR_LIMIT',
    });
    const thrown = new Error('mine');
    await expect(
      refused(() => {
        throw thrown;
      }),
    ).rejects.toBe(thrown);
    await set({ b: 2 });
    expect(session.attributes).toEqual({ a: 1, b: 2 });
  });

  it('a session without connection is updated, touched and reloaded as well', async (manager) => {
    const session = await manager.create({ userId: 'ann', attributes: { n: 1 } });
    expect([session.status, session.connection, session.send('x')]).toEqual([
      'detached',
      undefined,
      'closed',
    ]);
    const again = await manager.get(session.id);
    await again?.update(() => ({ n: 2 }));
    await session.touch();
    await session.reload();
    expect(session.attributes).toEqual({ n: 2 });
    await session.end();
    await expect(again?.reload()).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' });
  });

  it('a session that is logged, or made JSON, shows everything but its id', async (manager) => {
    const session = await manager.attach(new FakeSocket(), { userId: 'ann', attributes: { n: 1 } });
    for (const text of [inspect(session), JSON.stringify(session)]) {
      expect(text).toContain('ann');
      expect(text).not.toContain(session.id);
      expect(text.length).toBeLessThan(500);
    }
  });
});
