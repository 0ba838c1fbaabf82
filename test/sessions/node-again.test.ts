import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend } from './helpers/managers.js';

describe.concurrent.each([memoryBackend(), redisBackend()])(
  'a node of the same name, with $name',
  (backend) => {
    beforeAll(() => backend.start());
    afterAll(() => backend.stop());

    test('detaches what the one before it left, each with an orphan event, and nothing of its own', () =>
      inSystem(backend, async (start) => {
        const crashed = await start({ nodeId: 'web-1' });
        const left = [];
        for (let n = 0; n < 3; n++) left.push((await crashed.attach(new FakeSocket())).id);
        const orphans: string[] = [];
        const again = new SessionManager({ store: crashed.store, nodeId: 'web-1' });
        again.on('orphan', ({ id }) => orphans.push(id));
        const sockets = Array.from({ length: 5 }, () => new FakeSocket());
        const sessions = await Promise.all(sockets.map((socket) => again.attach(socket)));
        expect(orphans.toSorted()).toEqual(left.toSorted());
        for (const id of left) expect((await again.get(id))?.status).toBe('detached');
        for (const { id } of sessions) expect((await again.get(id))?.status).toBe('active');
        await Promise.all(sessions.map((session) => session.touch()));
        await again.stop();
      }));

    test('tries that again where the store failed', () =>
      inSystem(backend, async (start) => {
        const crashed = await start({ nodeId: 'web-1' });
        const { id } = await crashed.attach(new FakeSocket());
        const { store } = crashed;
        const { orphans } = store;
        const again = new SessionManager({ store, nodeId: 'web-1' });
        store.orphans = () => Promise.reject(new Error('away'));
        await expect(again.attach(new FakeSocket())).rejects.toThrow('away');
        store.orphans = orphans;
        await again.attach(new FakeSocket());
        expect((await again.get(id))?.status).toBe('detached');
        await again.stop();
      }));
  },
);
