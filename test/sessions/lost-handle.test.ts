import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Session } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend } from './helpers/managers.js';

const members: readonly [string, (session: Session) => Promise<unknown>][] = [
  ['end', (session) => session.end()],
  ['touch', (session) => session.touch()],
  ['reload', (session) => session.reload()],
  ['update', (session) => session.update(() => ({ n: 2 }))],
  ['updateExtensions', (session) => session.updateExtensions(() => ({ n: 2 }))],
  ['regenerate', (session) => session.regenerate({ userId: 'eve' })],
];

describe.concurrent.each([memoryBackend(), redisBackend()])('a lost session, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  test.each(members)('%s of the handle that lost it is ERR_SESSION_FENCED', (_, call) =>
    inSystem(backend, async (start) => {
      const [here, there] = [await start(), await start()];
      const lost = await here.attach(new FakeSocket(), { userId: 'ann', attributes: { n: 1 } });
      const owned = await there.attach(new FakeSocket(), { sessionId: lost.id, userId: 'ann' });
      await expect(call(lost)).rejects.toMatchObject({ code: 'ERR_SESSION_FENCED' });
      expect(lost.generation).toBeLessThan(owned.generation);
      await owned.update(() => ({ n: 3 }));
      expect(await here.get(owned.id)).toMatchObject({
        userId: 'ann',
        status: 'active',
        attributes: { n: 3 },
      });
    }),
  );

  test('the manager ends a session by its id whoever owns it, and a second end is nothing', () =>
    inSystem(backend, async (start) => {
      const [here, there] = [await start(), await start()];
      const lost = await here.attach(new FakeSocket());
      const socket = new FakeSocket();
      const owned = await there.attach(socket, { sessionId: lost.id });
      expect(await here.end(lost.id, 4000, 'bye')).toBe(true);
      await socket.closed;
      expect([socket.code, socket.reason]).toEqual([4000, 'bye']);
      expect(await there.end(lost.id)).toBe(false);
      await owned.end();
      expect(owned.status).toBe('ended');
    }));
});
