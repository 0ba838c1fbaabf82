import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Session, SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import {
  type Backend,
  inSystem,
  memoryBackend,
  redisBackend,
  type StartNode,
  sleep,
  until,
} from './helpers/managers.js';

describe.concurrent.each([memoryBackend(), redisBackend()])('time, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  function it(name: string, run: (start: StartNode) => Promise<void>): void {
    test(name, () => inSystem(backend, run));
  }

  it('[M8] [G9] [D-G8] silence lets the session expire: its connection is closed with 4440, once told', async (start) => {
    const manager = await start({ ttl: 300, sweepInterval: 20 });
    const told: string[] = [];
    manager.on('expire', (session: Session) => told.push(`expire ${session.attributes.n} ${session.status}`));
    manager.on('detach', () => told.push('detach'));
    const socket = new FakeSocket();
    const session = await manager.attach(socket, { attributes: { n: 7 } });
    await until('closed', () => !socket.isOpen);
    expect([socket.code, socket.reason]).toEqual([4440, 'session expired']);
    expect(told).toEqual(['expire 7 ended', 'detach']);
    expect(session.status).toBe('ended');
    await expect(session.update((a) => a)).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' });
    expect(await manager.get(session.id)).toBeUndefined();
  });

  it('the connection of an expired session is closed on whichever node it is', async (start) => {
    const quiet = await start({ ttl: 300, sweepInterval: 60_000 });
    await start({ ttl: 300, sweepInterval: 20 });
    const socket = new FakeSocket();
    await quiet.attach(socket);
    await until('closed', () => !socket.isOpen);
    expect(socket.code).toBe(4440);
  });

  it('[S2] activity keeps it alive as long as it goes on, in half and in exact mode', async (start) => {
    const keepAlive = async (touch: 'half' | 'exact') => {
      const manager = await start({ ttl: 1200, sweepInterval: 20, touch });
      const socket = new FakeSocket();
      const { id } = await manager.attach(socket);
      for (let n = 0; n < 36; n++) {
        await sleep(50);
        manager.noteActivity(socket);
      }
      expect(await manager.get(id), touch).toMatchObject({ status: 'active' });
      expect(socket.isOpen).toBe(true);
      await until('closed after silence', () => !socket.isOpen);
    };
    await Promise.all([keepAlive('half'), keepAlive('exact')]);
  });

  it('[S2] activity also keeps a session alive whose ttl is far below that of its manager', async (start) => {
    const manager = await start({ ttl: 60_000, sweepInterval: 20 });
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket, { ttl: 800 });
    for (let n = 0; n < 36; n++) {
      await sleep(50);
      manager.noteActivity(socket);
    }
    expect(await manager.get(id)).toMatchObject({ status: 'active' });
    expect(socket.isOpen).toBe(true);
    await until('closed after silence', () => !socket.isOpen);
    expect(socket.code).toBe(4440);
  });

  it('[D-S5] [G7] many messages are few touches: at most one per session and quarter of its ttl', async (start) => {
    const manager = await start({ ttl: 2000 });
    const sockets = Array.from({ length: 10 }, () => new FakeSocket());
    const begin = performance.now();
    await Promise.all(sockets.map((socket) => manager.attach(socket)));
    while (performance.now() - begin < 1100) {
      for (const socket of sockets) manager.noteActivity(socket);
      await sleep(1);
    }
    const quarters = Math.ceil((performance.now() - begin) / 500);
    const { touches, touchBatches } = manager.stats();
    expect(touches).toBeGreaterThanOrEqual(10);
    expect(touches).toBeLessThanOrEqual(10 * quarters);
    expect(touchBatches).toBeLessThanOrEqual(2 * quarters + 1);
  });

  it('[D-S5] activity after a quiet time is reported at once, and lastActive is that of the activity', async (start) => {
    const manager = await start({ ttl: 2000 });
    const socket = new FakeSocket();
    const session = await manager.attach(socket);
    await sleep(600);
    const before = session.createdAt;
    manager.noteActivity(socket);
    await until('reported', () => manager.stats().touches > 0);
    await manager.flush();
    const record = await manager.store.get(session.id);
    expect((record?.lastActive ?? 0) - before).toBeGreaterThanOrEqual(590);
    expect(Math.abs(session.lastActive - (record?.lastActive ?? 0))).toBeLessThan(100);
  });

  it('[M9] a session tells when it was created, was last active and expires', async (start) => {
    const manager = await start({ ttl: 10_000, maxAge: 20_000 });
    const session = await manager.attach(new FakeSocket());
    expect(session.expiresAt).toBe(session.lastActive + 10_000);
    expect(session.endsAt).toBe(session.createdAt + 20_000);
    await sleep(30);
    await session.touch();
    expect(session.lastActive).toBeGreaterThanOrEqual(session.createdAt + 25);
    expect((await manager.store.get(session.id))?.lastActive).toBeGreaterThanOrEqual(session.createdAt + 25);
  });

  it('the absolute age ends it however active it is', async (start) => {
    const manager = await start({ ttl: 1500, maxAge: 2000, sweepInterval: 20 });
    const socket = new FakeSocket();
    const { createdAt, endsAt } = await manager.attach(socket);
    const begin = performance.now();
    while (socket.isOpen && performance.now() - begin < 5000) {
      manager.noteActivity(socket);
      await sleep(20);
    }
    expect(socket.code).toBe(4440);
    expect(endsAt).toBe(createdAt + 2000);
    expect(performance.now() - begin).toBeGreaterThan(1900);
  });

  it('a detached session is kept for keepDetached, then it expires', async (start) => {
    const manager = await start({ ttl: 60_000, keepDetached: 1000, sweepInterval: 20 });
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    socket.drop();
    await until('detached', async () => (await manager.get(id))?.status === 'detached');
    await until('expired', async () => (await manager.get(id)) === undefined);
    await until('told', () => manager.stats().expired === 1);
  });

  it('with keepDetached 0 it ends with its connection', async (start) => {
    const manager = await start({ keepDetached: 0 });
    const reasons: string[] = [];
    manager.on('end', (_session, reason) => reasons.push(reason));
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    socket.drop();
    await until('ended', () => reasons.length === 1);
    expect(reasons).toEqual(['ended']);
    expect(await manager.get(id)).toBeUndefined();
  });

  it('a takeover that the old node was not told about is found by its next look at the session', async (start) => {
    const manager = await start({ ttl: 1500 });
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    await manager.store.attach(id, { nodeId: 'somebody', connection: 'elsewhere' });
    await until('closed', () => !socket.isOpen);
    expect(socket.code).toBe(4409);
    expect(await manager.get(id)).toMatchObject({ status: 'active', generation: 2 });
  });

  it('[D-S6] an end that the node was not told about is found as well, and closes with 1008', async (start) => {
    const manager = await start({ ttl: 3000 });
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    await manager.store.destroy(id);
    await until('closed', () => !socket.isOpen);
    expect([socket.code, socket.reason]).toEqual([1008, 'session ended']);
  });
});

describe.each([memoryBackend(), redisBackend()])('one at a time, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());
  test('10,000 expiries with two sweepers: each is told exactly once, and nothing is left', async () => {
    await inSystem(backend, async (start) => {
      const options = { ttl: 1500, sweepInterval: 50 };
      const [one, two] = [await start(options), await start(options)];
      const expired = new Map<string, number>();
      for (const manager of [one, two]) {
        manager.on('expire', ({ id }: Session) => expired.set(id, (expired.get(id) ?? 0) + 1));
      }
      const create = (n: number) =>
        (n % 2 ? one : two).create({ userId: `u${n % 500}`, loginId: `l${n % 700}` });
      const made: Session[] = [];
      for (let n = 0; n < 10_000; n += 500) {
        made.push(...(await Promise.all(Array.from({ length: 500 }, (_, m) => create(n + m)))));
      }
      await until('all told', () => expired.size === 10_000, { timeout: 15_000 });
      await sleep(200);
      expect(new Set(made.map(({ id }) => id))).toEqual(new Set(expired.keys()));
      expect(Math.max(...expired.values())).toBe(1);
      expect(one.stats().expired + two.stats().expired).toBe(10_000);
      expect(await one.store.count()).toBe(0);
    });
  });
});

describe('a wrong clock', () => {
  afterEach(() => void vi.restoreAllMocks());

  test.each([3_600_000, -3_600_000])(
    '[D-G13] a node that is %i ms off neither expires nor prolongs anything',
    async (offset) => {
      const real = Date.now;
      const backends = [memoryBackend(), redisBackend()];
      await Promise.all(backends.map((backend) => backend.start()));
      const live = (backend: Backend) =>
        inSystem(backend, async (start) => {
          const manager = await start({ ttl: 1000, sweepInterval: 20 });
          vi.spyOn(Date, 'now').mockImplementation(() => real() + offset);
          const socket = new FakeSocket();
          const session = await manager.attach(socket);
          expect(session.expiresAt - session.createdAt).toBe(1000);
          await sleep(200);
          expect(socket.isOpen).toBe(true);
          manager.noteActivity(socket);
          expect(session.lastActive - session.createdAt).toBeLessThan(1000);
          await until('expired', () => !socket.isOpen);
          expect(socket.code).toBe(4440);
        });
      await Promise.all(backends.map(live));
      await Promise.all(backends.map((backend) => backend.stop()));
    },
  );
});

describe('time, with MemoryStore alone', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('setting the system time does nothing to a MemoryStore', async () => {
    const manager = new SessionManager({ ttl: 60_000 });
    const { id } = await manager.create();
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_000);
    expect(await manager.get(id)).toMatchObject({ id, status: 'detached' });
    expect(await manager.sweep()).toBe(0);
    await manager.stop();
  });
});

describe.concurrent('authentication', () => {
  test('[K2] when it runs out the connection is closed with 4401, and the session stays', async () => {
    const manager = new SessionManager();
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket, { authExpiresAt: Date.now() + 1000 });
    await sleep(300);
    expect(socket.isOpen).toBe(true);
    await until('closed', () => !socket.isOpen);
    expect([socket.code, socket.reason]).toEqual([4401, 'authentication expired']);
    await until('detached', async () => (await manager.get(id))?.status === 'detached');
    expect(manager.stats().authExpired).toBe(1);
    await manager.stop();
  });

  test('setting authExpiresAt renews it, and undefined lifts it', async () => {
    const manager = new SessionManager();
    const [renewed, lifted] = [new FakeSocket(), new FakeSocket()];
    const session = await manager.attach(renewed, { authExpiresAt: Date.now() + 400 });
    const free = await manager.attach(lifted, { authExpiresAt: Date.now() + 400 });
    session.authExpiresAt = Date.now() + 1400;
    free.authExpiresAt = undefined;
    await sleep(800);
    expect([renewed.isOpen, lifted.isOpen]).toEqual([true, true]);
    await until('closed', () => !renewed.isOpen);
    expect(lifted.isOpen).toBe(true);
    expect(() => {
      session.authExpiresAt = Number.NaN;
    }).toThrow('epoch milliseconds');
    await manager.stop();
  });

  test('refreshAuth is asked first; what it answers decides', async () => {
    const asked: string[] = [];
    const manager = new SessionManager({
      async refreshAuth({ userId = '' }) {
        asked.push(userId);
        if (userId === 'ann') return Date.now() + 60_000;
        if (userId === 'eve') throw new Error('no');
        return undefined;
      },
    });
    manager.on('error', () => undefined);
    const sockets = ['ann', 'bob', 'eve'].map((userId) => ({ userId, socket: new FakeSocket() }));
    for (const { userId, socket } of sockets) {
      await manager.attach(socket, { userId, authExpiresAt: Date.now() + 100 });
    }
    await until('two closed', () => sockets.filter(({ socket }) => socket.isOpen).length === 1);
    await sleep(250);
    expect(asked.sort()).toEqual(['ann', 'bob', 'eve']);
    expect(sockets.map(({ socket }) => socket.code)).toEqual([0, 4401, 4401]);
    await manager.stop();
  });
});
