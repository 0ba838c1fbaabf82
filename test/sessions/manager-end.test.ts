import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LwsError } from '../../lib/index.js';
import type { Session, SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend, type StartNode, sleep, until } from './helpers/managers.js';

describe.concurrent.each([memoryBackend(), redisBackend()])('ending and limits, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  function it(name: string, run: (start: StartNode) => Promise<void>): void {
    test(name, () => inSystem(backend, run));
  }

  it('[S4] ending a session closes its connection with 1008, or a code of your own', async (start) => {
    const manager = await start();
    const [plain, chosen] = [new FakeSocket(), new FakeSocket()];
    const session = await manager.attach(plain);
    const other = await manager.attach(chosen);
    await session.end();
    await other.end(4000, 'bye');
    expect([plain.code, plain.reason, chosen.code, chosen.reason]).toEqual([
      1008,
      'session ended',
      4000,
      'bye',
    ]);
    expect([session.status, await manager.get(session.id)]).toEqual(['ended', undefined]);
    await expect(session.touch()).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' });
    await session.end();
  });

  it('[S4] [M6] a session is ended from any node by its id; ending it again is false', async (start) => {
    const [manager, other] = [await start(), await start()];
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    expect(await other.end(id, 4001, 'over')).toBe(true);
    await until('closed', () => !socket.isOpen);
    expect([socket.code, socket.reason]).toEqual([4001, 'over']);
    expect(await other.end(id)).toBe(false);
  });

  it('[S3] [S4] ending a login closes all its connections, on all nodes, and no others', async (start) => {
    const [manager, other] = [await start(), await start()];
    const reasons: string[] = [];
    for (const node of [manager, other]) node.on('end', (_session, reason) => reasons.push(reason));
    const tabs = Array.from({ length: 6 }, () => new FakeSocket());
    for (const [n, tab] of tabs.entries())
      await (n % 2 ? other : manager).attach(tab, { userId: 'ann', loginId: 'l1' });
    const elsewhere = new FakeSocket();
    await manager.attach(elsewhere, { userId: 'ann', loginId: 'l2' });
    expect(await manager.byLogin('l1', 'ann')).toHaveLength(6);
    expect(await other.endLogin('l1')).toBe(6);
    await until('all closed', () => tabs.every(({ isOpen }) => !isOpen));
    expect(new Set(tabs.map(({ code, reason }) => `${code} ${reason}`))).toEqual(
      new Set(['1008 login ended']),
    );
    expect(elsewhere.isOpen).toBe(true);
    expect(reasons).toEqual(new Array(6).fill('loginEnded'));
    expect(await manager.byLogin('l1')).toEqual([]);
  });

  it('[S6] a connection that fails to close does not keep the others open', async (start) => {
    const manager = await start();
    const sockets = Array.from({ length: 3 }, () => new FakeSocket());
    for (const socket of sockets) await manager.attach(socket, { loginId: 'l1' });
    const [bad] = sockets as [FakeSocket];
    bad.close = () => {
      throw new Error('stuck');
    };
    const errors: string[] = [];
    manager.on('error', ({ message }) => errors.push(message));
    expect(await manager.endLogin('l1')).toBe(3);
    expect(sockets.map(({ isOpen }) => isOpen)).toEqual([true, false, false]);
    expect(errors).toEqual(['closing a connection failed: stuck']);
    expect(manager.of(bad)).toBeUndefined();
  });

  it('what is thrown may be anything, also what cannot be shown', async (start) => {
    const manager = await start();
    const sockets = Array.from({ length: 2 }, () => new FakeSocket());
    for (const socket of sockets) await manager.attach(socket, { loginId: 'l1' });
    const thrown = Object.create(null);
    sockets[0]!.close = () => {
      throw thrown;
    };
    const errors: LwsError[] = [];
    manager.on('error', (error) => errors.push(error));
    expect(await manager.endLogin('l1')).toBe(2);
    expect(sockets.map(({ isOpen }) => isOpen)).toEqual([true, false]);
    expect(errors).toMatchObject([
      { message: 'closing a connection failed: a value that cannot be shown', cause: thrown },
    ]);
  });

  it('[D-S1] [D-S2] connections that attach while their login ends: none of them is left', async (start) => {
    const [manager, other] = [await start(), await start()];
    const sockets = Array.from({ length: 60 }, () => new FakeSocket());
    const attaching = Promise.allSettled(
      sockets.map(async (socket, n) => {
        await sleep(n % 10);
        await (n % 2 ? other : manager).attach(socket, { userId: `u${n}`, loginId: 'l1' });
      }),
    );
    await sleep(4);
    await manager.endLogin('l1');
    const outcomes = await attaching;
    await until('all gone', () =>
      sockets.every((socket, n) => !socket.isOpen || outcomes[n]?.status === 'rejected'),
    );
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_SESSION_GONE' });
    }
    expect(await manager.byLogin('l1')).toEqual([]);
    expect(manager.stats().attached + other.stats().attached).toBe(0);
  });

  it('[D-S2] a login that ended elsewhere while its session was on the way is noticed by the second look', async (start) => {
    const ended = new Set(['l1']);
    const manager = await start({ logins: { touch: async (id) => !ended.has(id) }, loginBlock: 0 });
    const socket = new FakeSocket();
    await expect(manager.attach(socket, { loginId: 'l1' })).rejects.toMatchObject({
      code: 'ERR_SESSION_GONE',
    });
    expect(socket.code).toBe(1008);
    expect(await manager.byLogin('l1')).toEqual([]);
  });

  it('[S2] [S4] activity prolongs the login; when that says it is gone, its sessions end', async (start) => {
    const asked: string[] = [];
    let alive = true;
    const touch = async (loginId: string) => {
      asked.push(loginId);
      return alive;
    };
    const manager = await start({ ttl: 2400, logins: { touch } });
    const tabs = [new FakeSocket(), new FakeSocket()];
    for (const tab of tabs) await manager.attach(tab, { loginId: 'l1' });
    await sleep(650);
    for (const tab of tabs) manager.noteActivity(tab);
    await until('asked again', () => asked.length > 2);
    expect(asked).toEqual(['l1', 'l1', 'l1']);
    alive = false;
    await sleep(650);
    for (const tab of tabs) manager.noteActivity(tab);
    await until('both closed', () => tabs.every(({ isOpen }) => !isOpen));
    expect(tabs.map(({ code }) => code)).toEqual([1008, 1008]);
  });

  it('ending a user closes all connections of that user; the user may come back at once', async (start) => {
    const [manager, other] = [await start(), await start()];
    const [here, there, free] = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
    await manager.attach(here, { userId: 'ann' });
    await other.attach(there, { userId: 'ann' });
    await other.attach(free, { userId: 'bob' });
    expect(await manager.endUser('ann')).toBe(2);
    await until('closed', () => !here.isOpen && !there.isOpen);
    expect([here.code, there.code, free.isOpen]).toEqual([1008, 1008, true]);
    expect(await manager.attach(new FakeSocket(), { userId: 'ann' })).toMatchObject({ userId: 'ann' });
  });

  it('[D-G15] over maxPerUser a new connection is refused with ERR_LIMIT, on every node', async (start) => {
    const options = { maxPerUser: 2 };
    const [manager, other] = [await start(options), await start(options)];
    await manager.attach(new FakeSocket(), { userId: 'ann' });
    const { id } = await other.attach(new FakeSocket(), { userId: 'ann' });
    const third = manager.attach(new FakeSocket(), { userId: 'ann' });
    await expect(third).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    expect(manager.stats()).toMatchObject({ limited: 1, connections: 1, attached: 1 });
    await manager.attach(new FakeSocket(), { userId: 'ann', sessionId: id });
    await manager.attach(new FakeSocket(), { userId: 'bob' });
  });

  it('with closeOldest the oldest connection is closed with 4429, on whichever node', async (start) => {
    const options = { maxPerUser: 2, onExcess: 'closeOldest' as const };
    const [manager, other] = [await start(options), await start(options)];
    const reasons: string[] = [];
    manager.on('end', (_session, reason) => reasons.push(reason));
    const sockets = Array.from({ length: 4 }, () => new FakeSocket());
    for (const [n, socket] of sockets.entries()) {
      await (n === 0 ? other : manager).attach(socket, { userId: 'ann' });
    }
    await until('two closed', () => sockets.filter(({ isOpen }) => isOpen).length === 2);
    expect(sockets.map(({ code }) => code)).toEqual([4429, 4429, 0, 0]);
    expect(reasons).toEqual(['evicted', 'evicted']);
    expect(manager.stats().evicted).toBe(2);
  });

  it('200 concurrent connections at limit 3 leave exactly 3', async (start) => {
    const options = { maxPerUser: 3, onExcess: 'closeOldest' as const };
    const [manager, other] = [await start(options), await start(options)];
    const sockets = Array.from({ length: 200 }, () => new FakeSocket());
    await Promise.allSettled(
      sockets.map((socket, n) => (n % 2 ? other : manager).attach(socket, { userId: 'ann' })),
    );
    await until('three left', () => sockets.filter(({ isOpen }) => isOpen).length === 3);
    expect(await manager.byUser('ann')).toHaveLength(3);
    expect(manager.stats().attached + other.stats().attached).toBe(3);
  });

  it('[D-G15] [D-S4] regenerate: new id, user and login; connection, values and registry follow', async (start) => {
    const [manager, other] = [await start(), await start()];
    const told: string[] = [];
    manager.on('regenerate', (session: Session, previous) => told.push(`${previous} ${session.id}`));
    const socket = new FakeSocket();
    const session = await manager.attach(socket, { attributes: { cart: [1] } });
    const { id: before } = session;
    await session.update((a) => {
      a.seen = true;
    });
    await session.regenerate({ userId: 'ann', loginId: 'l1' });
    expect(session.id).not.toBe(before);
    expect(told).toEqual([`${before} ${session.id}`]);
    expect(session).toMatchObject({
      userId: 'ann',
      loginId: 'l1',
      status: 'active',
      attributes: { cart: [1], seen: true },
    });
    expect(await other.get(before)).toBeUndefined();
    expect(await manager.get(session.id)).toBe(session);
    expect(manager.of(socket)).toBe(session);
    expect(manager.stats()).toMatchObject({ users: 1, logins: 1, attached: 1 });
    await session.update((a) => {
      a.n = 1;
    });
    await session.touch();
    expect(await other.endLogin('l1')).toBe(1);
    await until('closed', () => !socket.isOpen);
  });

  it('regenerate keeps what it is not given, and takes away what is given as undefined', async (start) => {
    const manager = await start();
    const session = await manager.attach(new FakeSocket(), { userId: 'ann', loginId: 'l1' });
    await session.regenerate();
    expect(session).toMatchObject({ userId: 'ann', loginId: 'l1' });
    await session.regenerate({ loginId: undefined });
    expect([session.userId, session.loginId]).toEqual(['ann', undefined]);
    await session.regenerate({ userId: undefined });
    expect(session.userId).toBeUndefined();
  });

  it('regenerate over the limit fails with ERR_LIMIT and leaves the session as it is', async (start) => {
    const manager = await start({ maxPerUser: 1 });
    await manager.attach(new FakeSocket(), { userId: 'ann' });
    const socket = new FakeSocket();
    const session = await manager.attach(socket, { attributes: { n: 1 } });
    await expect(session.regenerate({ userId: 'ann' })).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    await session.update((a) => {
      a.n = 2;
    });
    expect([socket.isOpen, session.status]).toEqual([true, 'active']);
  });

  it('a connection that closes while its session is regenerated leaves one detached session, old or new', async (start) => {
    const manager = await start();
    const socket = new FakeSocket();
    const session = await manager.attach(socket, { attributes: { n: 1 } });
    const regenerating = session.regenerate({ userId: 'ann' });
    socket.drop();
    await Promise.allSettled([regenerating]);
    const left = async () => (await manager.get(session.id))?.status;
    await until('detached', async () => (await left()) === 'detached');
    expect(await manager.store.count()).toBe(1);
    expect(manager.stats().attached).toBe(0);
  });

  it('activity during a regenerate does not close the connection', async (start) => {
    const manager: SessionManager = await start({ ttl: 4000 });
    const socket = new FakeSocket();
    const session = await manager.attach(socket);
    const end = performance.now() + 1300;
    while (performance.now() < end) {
      manager.noteActivity(socket);
      await Promise.all([manager.flush(), session.regenerate({ userId: `u${Math.random()}` }), sleep(5)]);
    }
    expect(socket.isOpen).toBe(true);
    expect(await manager.store.count()).toBe(1);
  });
});
