import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LwsError } from '../../lib/index.js';
import { MemoryStore, type Session, SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend, type StartNode, until } from './helpers/managers.js';

/** Lets no message reach other nodes, as if all were lost. */
function silence(manager: SessionManager): void {
  const { bus } = manager.store;
  if (bus !== undefined) bus.publish = async () => true;
}

async function regenerated(manager: SessionManager, id: string, userId?: string): Promise<Session> {
  const handle = await manager.get(id);
  await handle?.regenerate({ userId });
  if (handle === undefined) throw new Error('there is no session');
  return handle;
}

describe.concurrent.each([memoryBackend(), redisBackend()])(
  'a new id given elsewhere, with $name',
  (backend) => {
    beforeAll(() => backend.start());
    afterAll(() => backend.stop());

    const it = (name: string, run: (start: StartNode) => Promise<void>) =>
      test(name, () => inSystem(backend, run));

    it('is taken over by the node of the connection, which tells it once', async (start) => {
      const [here, there] = [await start(), await start()];
      const told: [string, string][] = [];
      for (const manager of [here, there])
        manager.on('regenerate', ({ id }, previousId) => told.push([previousId, id]));
      const socket = new FakeSocket();
      const session = await here.attach(socket, { attributes: { n: 1 } });
      const { id: old } = session;
      const handle = await regenerated(there, old, 'ann');
      await until('taken over', () => session.id === handle.id);
      expect(told).toEqual([[old, handle.id]]);
      expect(session).toMatchObject({ userId: 'ann', status: 'active', attributes: { n: 1 } });
      expect([socket.isOpen, here.of(socket) === session, here.stats().users]).toEqual([true, true, 1]);
      await session.update(() => ({ n: 2 }));
      await session.touch();
      expect(await there.send({ user: 'ann' }, 'hello')).toMatchObject([{ result: 'forwarded' }]);
      await until('a message arrived', () => socket.sent.length === 1);
      expect(await there.get(old)).toBeUndefined();
      expect(await there.endUser('ann')).toBe(1);
      await socket.closed;
      expect(await there.store.count()).toBe(0);
    });

    const members: readonly [string, (session: Session) => Promise<unknown>][] = [
      ['update', (session) => session.update(() => ({ n: 2 }))],
      ['touch', (session) => session.touch()],
      ['reload', (session) => session.reload()],
      ['regenerate', (session) => session.regenerate()],
    ];
    for (const [name, call] of members)
      it(`is found by ${name} where the message about it was lost`, async (start) => {
        const [here, there] = [await start(), await start()];
        silence(there);
        const socket = new FakeSocket();
        const session = await here.attach(socket);
        const { id } = await regenerated(there, session.id, 'ann');
        await regenerated(there, id, 'bob');
        await call(session);
        expect([session.userId, session.status, socket.isOpen]).toEqual(['bob', 'active', true]);
        expect(await there.store.count()).toBe(1);
        expect((await there.byUser('bob')).map((found) => found.id)).toEqual([session.id]);
      });

    it('is ended by the handle that does not know it yet', async (start) => {
      const [here, there] = [await start(), await start()];
      silence(there);
      const socket = new FakeSocket();
      const session = await here.attach(socket);
      await regenerated(there, session.id, 'ann');
      await session.end();
      await socket.closed;
      expect(await there.store.count()).toBe(0);
    });

    it('is found by the next report of activity, and the connection stays', async (start) => {
      const [here, there] = [await start({ ttl: 400 }), await start({ ttl: 400 })];
      silence(there);
      const socket = new FakeSocket();
      const session = await here.attach(socket);
      const { id } = await regenerated(there, session.id);
      await until('found', () => {
        here.noteActivity(socket);
        return session.id === id;
      });
      expect(socket.isOpen).toBe(true);
    });

    it('whose session is ended at once closes the connection, and leaves nothing', async (start) => {
      const [here, there] = [await start(), await start()];
      const socket = new FakeSocket();
      await here.attach(socket, { userId: 'ann' });
      const [session] = await there.byUser('ann');
      await session?.regenerate({ userId: 'bob' });
      await session?.end(4001, 'no');
      await socket.closed;
      expect(await there.store.count()).toBe(0);
      expect(here.stats()).toMatchObject({ attached: 0, users: 0 });
    });

    it('by another handle of the same node is known at once', async (start) => {
      const here = await start();
      const handle = await here.create();
      const socket = new FakeSocket();
      const session = await here.attach(socket, { sessionId: handle.id });
      await handle.regenerate({ userId: 'ann' });
      expect([session.id, session.userId, socket.isOpen]).toEqual([handle.id, 'ann', true]);
      await session.update(() => ({ n: 1 }));
    });

    it('is a session of nobody if its connection had left', async (start) => {
      const [here, there] = [await start(), await start()];
      const socket = new FakeSocket();
      const { id } = await here.attach(socket);
      await here.detach(socket);
      expect(await regenerated(there, id, 'ann')).toMatchObject({ userId: 'ann', status: 'detached' });
      expect(there.stats()).toMatchObject({ regenerated: 1 });
    });
  },
);

test('a local session gets its new id in the memory of its process', async () => {
  const store = new MemoryStore();
  store.create = async () => {
    throw new LwsError('ERR_STORE', 'away');
  };
  const manager = new SessionManager({ store, whenStoreFails: 'local' });
  manager.on('error', () => undefined);
  const socket = new FakeSocket();
  const session = await manager.attach(socket, { userId: 'ann' });
  const { id } = session;
  await manager.detach(socket);
  const again = await manager.attach(new FakeSocket(), { sessionId: id, userId: 'ann' });
  const [handle] = await manager.byUser('ann');
  await handle?.regenerate({ userId: 'bob' });
  expect(again).toMatchObject({ userId: 'bob', isLocal: true, status: 'active' });
  expect(again.id).not.toBe(id);
  await manager.stop();
});
