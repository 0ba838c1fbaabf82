import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  httpSessionStore,
  MemoryStore,
  type Session,
  type SessionManager,
  type SessionManagerOptions,
} from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend } from './helpers/managers.js';

/** What a later version wrote, and bytes of nobody. */
const unreadable = [Uint8Array.of(2, 15, 0), Uint8Array.of(1, 99), Uint8Array.of(1, 4, 2), Uint8Array.of()];
const failed = { code: 'ERR_STORE' };

describe.concurrent.each([memoryBackend(), redisBackend()])(
  'values that cannot be read, with $name',
  (backend) => {
    beforeAll(() => backend.start());
    afterAll(() => backend.stop());

    /** For each kind of such values: a session that has them, as it is when its client returns. */
    function it(
      name: string,
      options: SessionManagerOptions,
      run: (session: Session, manager: SessionManager, errors: unknown[]) => Promise<void>,
    ): void {
      test(name, () =>
        inSystem(backend, async (start) => {
          const manager = await start(options);
          const errors: unknown[] = [];
          manager.on('error', (error) => errors.push(error));
          for (const attributes of unreadable) {
            const made = await manager.create({ attributes: { a: 1 } });
            await manager.store.set(made.id, { version: 0, attributes });
            const session = await manager.attach(new FakeSocket(), { sessionId: made.id });
            expect(session.resumed).toBe(true);
            await run(session, manager, errors);
          }
        }),
      );
    }

    it('are ERR_STORE where they are asked for, and logging the session is not', {}, async (session) => {
      expect(() => session.attributes).toThrow(expect.objectContaining(failed));
      expect(inspect(session)).toContain('cannot be read');
      expect(JSON.stringify(session)).toContain('cannot be read');
    });

    it('are repaired by an update that returns new ones, and by no other', {}, async (session, manager) => {
      const change = (update: (draft: Record<string, unknown>) => unknown) =>
        session.update(update as () => void);
      for (const looking of [
        () => undefined,
        (draft: Record<string, unknown>) => ({ ...draft, n: 1 }),
        (draft: Record<string, unknown>) => {
          draft.n = 1;
        },
      ])
        await expect(change(looking)).rejects.toMatchObject(failed);
      expect(await session.update(() => ({ n: 1 }))).toEqual({ n: 1 });
      expect((await manager.get(session.id))?.attributes).toEqual({ n: 1 });
    });

    it(
      'are replaced by nothing where that is the policy',
      { whenUnreadable: 'replace' },
      async (session, manager, errors) => {
        expect(session.attributes).toEqual({});
        expect(errors).not.toEqual([]);
        await session.update((draft) => {
          draft.n = 2;
        });
        expect((await manager.get(session.id))?.attributes).toEqual({ n: 2 });
      },
    );

    const policy = {
      whenUnreadable: (error: Error, bytes: Uint8Array, what: string) => ({
        length: bytes.length,
        what,
        list: [error.message],
      }),
    };
    it('are replaced by what the application says', policy, async (session) => {
      expect(session.attributes).toMatchObject({ what: 'attributes' });
      expect(() => (session.attributes.list as unknown[]).push(1)).toThrow(TypeError);
    });

    it('are not replaced by what could not be stored', {
      whenUnreadable: () => new Map(),
    }, async (session) => {
      expect(() => session.attributes).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    });
  },
);

describe('HTTP sessions that cannot be read', () => {
  async function made(whenUnreadable: 'fail' | 'replace') {
    const store = new MemoryStore();
    const http = httpSessionStore({ Store: class {}, store, whenUnreadable });
    const ask = <T>(run: (done: (error?: unknown, value?: T) => void) => void) =>
      new Promise<T | undefined>((resolve, reject) =>
        run((error, value) => (error ? reject(error as Error) : resolve(value))),
      );
    for (const sid of ['good', 'bad']) await ask((done) => http.set(sid, {}, done));
    await store.set(store.newId('bad', 'bad'), { version: 0, attributes: Uint8Array.of(2) });
    http.close();
    return { store, http, ask };
  }

  test('fail, or are as if there were none, and cost no other', async () => {
    const { http, ask } = await made('fail');
    await expect(ask((done) => http.get('bad', done))).rejects.toMatchObject(failed);
    expect(await ask((done) => http.all(done))).toHaveLength(1);
    const { http: lenient } = await made('replace');
    expect(await ask((done) => lenient.get('bad', done))).toBeNull();
    await ask((done) => lenient.set('bad', { cookie: {} }, done));
    expect(await ask((done) => lenient.get('bad', done))).toEqual({ cookie: {} });
  });

  test('are ended by clear, and their logins told of it', async () => {
    const { http, ask, store } = await made('fail');
    const ended: string[] = [];
    http.onEnd((sid) => ended.push(sid));
    await ask((done) => http.clear(done));
    expect(ended.toSorted()).toEqual(['bad', 'good']);
    expect(await store.count()).toBe(0);
  });
});
