import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Session, SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend, type StartNode, until } from './helpers/managers.js';

describe.concurrent.each([memoryBackend(), redisBackend()])('attaching, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  /** A case with one node, and the means to start more. */
  function it(name: string, run: (manager: SessionManager, start: StartNode) => Promise<void>): void {
    test(name, () => inSystem(backend, async (start) => run(await start(), start)));
  }

  it('a connection gets a new session, active, with its user, login, attributes and extensions', async (manager) => {
    const socket = new FakeSocket();
    const since = new Date(0);
    const session = await manager.attach(socket, {
      userId: 'ann',
      loginId: 'l1',
      attributes: { cart: new Map([['apple', 2n]]), since },
      extensions: { seen: true },
    });
    expect(session).toMatchObject({
      userId: 'ann',
      loginId: 'l1',
      status: 'active',
      resumed: false,
      generation: 1,
    });
    expect(session.attributes).toEqual({ cart: new Map([['apple', 2n]]), since });
    expect(session.extensions).toEqual({ seen: true });
    expect(session.connection).toBe(socket);
    expect(manager.of(socket)).toBe(session);
  });

  it('[M3] get, byUser, byLogin and byConnection find it; nothing finds what is not there', async (manager) => {
    const socket = new FakeSocket();
    const session = await manager.attach(socket, { userId: 'ann', loginId: 'l1' });
    expect(await manager.get(session.id)).toBe(session);
    expect(await manager.byUser('ann')).toEqual([session]);
    expect(await manager.byLogin('l1')).toEqual([session]);
    expect(await manager.byConnection(socket.id)).toBe(session);
    expect(await manager.get('0.nothing')).toBeUndefined();
    expect(await manager.byUser('bob')).toEqual([]);
    expect(await manager.byConnection('nothing')).toBeUndefined();
  });

  it('[M1] [M2] the registry has the connection from the start of the attach to its end', async (manager) => {
    const socket = new FakeSocket();
    const attaching = manager.attach(socket);
    expect(manager.connection(socket.id)).toBe(socket);
    await attaching;
    expect(manager.connections).toEqual([socket]);
    socket.drop();
    await until('gone', () => manager.connection(socket.id) === undefined);
    expect(manager.of(socket)).toBeUndefined();
    expect(manager.stats()).toMatchObject({ connections: 0, attached: 0, users: 0, logins: 0 });
  });

  it('[G10] a closed connection leaves its session detached, for the next connection to continue', async (manager) => {
    const first = new FakeSocket();
    const { id } = await manager.attach(first, { userId: 'ann', attributes: { n: 1 } });
    first.drop();
    await until('detached', async () => (await manager.get(id))?.status === 'detached');
    const second = new FakeSocket();
    const session = await manager.attach(second, { sessionId: id, userId: 'ann', attributes: { n: 2 } });
    expect(session).toMatchObject({ id, resumed: true, generation: 2, attributes: { n: 1 } });
    expect(manager.stats()).toMatchObject({ created: 1, resumed: 1, takenOver: 0 });
  });

  it('[D-A1] a session continues on another node, wherever its client is led', async (manager, start) => {
    const other = await start();
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket, { attributes: { room: 'a' } });
    socket.drop();
    await until('detached', async () => (await manager.get(id))?.status === 'detached');
    const session = await other.attach(new FakeSocket(), { sessionId: id });
    expect(session).toMatchObject({ id, resumed: true, attributes: { room: 'a' } });
  });

  it('an unknown, foreign or hostile session id gives a new session under a new id', async (manager) => {
    const { id: ofAnn } = await manager.attach(new FakeSocket(), { userId: 'ann' });
    const { id: anonymous } = await manager.attach(new FakeSocket());
    const unknown = manager.newId('bob');
    for (const sessionId of [unknown, ofAnn, anonymous, '', 'x'.repeat(10_000), '../../etc', '0.\n']) {
      const session = await manager.attach(new FakeSocket(), { userId: 'bob', sessionId });
      expect(session.resumed).toBe(false);
      expect(session.id).not.toBe(sessionId);
      expect(session.userId).toBe('bob');
    }
    expect((await manager.get(ofAnn))?.status).toBe('active');
  });

  it('a new session takes an id that was made for it before', async (manager) => {
    const newId = manager.newId('ann');
    expect(await manager.attach(new FakeSocket(), { userId: 'ann', newId })).toMatchObject({ id: newId });
    const again = manager.attach(new FakeSocket(), { userId: 'ann', newId });
    await expect(again).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('a connection that has a session, or is getting one, cannot get another', async (manager) => {
    const socket = new FakeSocket();
    const attaching = manager.attach(socket);
    await expect(manager.attach(socket)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    await attaching;
    await expect(manager.attach(socket)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(manager.stats().attached).toBe(1);
  });

  it('[N10] a connection that closes while its session is loaded leaves it detached', async (manager) => {
    const socket = new FakeSocket();
    const attaching = manager.attach(socket, { userId: 'ann' });
    socket.drop();
    await expect(attaching).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(manager.stats()).toMatchObject({ connections: 0, attached: 0 });
    await until('detached', async () => (await manager.byUser('ann'))[0]?.status === 'detached');
  });

  it('a second connection takes the session over: the first is closed with 4409 and fenced', async (manager) => {
    const first = new FakeSocket();
    const held = await manager.attach(first, { attributes: { n: 1 } });
    const session = await manager.attach(new FakeSocket(), { sessionId: held.id });
    expect(session.generation).toBe(2);
    expect([first.code, first.reason]).toEqual([4409, 'taken over by another connection']);
    await expect(held.update(() => ({ n: 5 }))).rejects.toMatchObject({ code: 'ERR_SESSION_FENCED' });
    await session.reload();
    expect(session.attributes).toEqual({ n: 1 });
    expect((await manager.get(held.id))?.status).toBe('active');
    expect(manager.stats()).toMatchObject({ attached: 1, takenOver: 1 });
  });

  it('[D-G14] a takeover from another node closes the connection there', async (manager, start) => {
    const other = await start();
    const first = new FakeSocket();
    const { id } = await manager.attach(first);
    const session = await other.attach(new FakeSocket(), { sessionId: id });
    await until('closed', () => !first.isOpen);
    expect(first.code).toBe(4409);
    expect(await manager.get(id)).toMatchObject({ status: 'active', generation: session.generation });
  });

  it('fifty connections for one session on two nodes at once: one keeps it, all others are closed', async (manager, start) => {
    const other = await start();
    const { id } = await manager.create();
    const sockets = Array.from({ length: 50 }, () => new FakeSocket());
    const outcomes = await Promise.allSettled(
      sockets.map((socket, n) => (n % 2 ? other : manager).attach(socket, { sessionId: id })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    await until('one left', () => sockets.filter(({ isOpen }) => isOpen).length === 1);
    const kept = sockets.find(({ isOpen }) => isOpen) as FakeSocket;
    const owner = (await manager.get(id)) as Session;
    expect(owner.generation).toBe(50);
    expect(await manager.byConnection(`${id.split('.')[0]}.${kept.id}`)).toMatchObject({ id });
    expect(manager.stats().attached + other.stats().attached).toBe(1);
    expect(new Set(sockets.filter((socket) => socket !== kept).map(({ code }) => code))).toEqual(
      new Set([4409]),
    );
  });

  it('events tell each create, attach and detach once, with the session', async (manager) => {
    const told: string[] = [];
    for (const event of ['create', 'attach', 'detach'] as const) {
      manager.on(event, (session: Session) => told.push(`${event} ${session.userId}`));
    }
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket, { userId: 'ann' });
    await manager.attach(new FakeSocket(), { userId: 'ann', sessionId: id });
    expect(told).toEqual(['create ann', 'attach ann', 'detach ann', 'attach ann']);
  });

  it('what a listener throws does not disturb the attach', async (manager) => {
    const uncaught: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error));
    manager.on('attach', () => {
      throw new Error('listener');
    });
    expect(await manager.attach(new FakeSocket())).toMatchObject({ status: 'active' });
    await until('told as uncaught', () => uncaught.length === 1);
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });

  it('a node that stops detaches its sessions', async (manager, start) => {
    const other = await start();
    const { id } = await other.attach(new FakeSocket());
    await other.stop();
    expect(await manager.get(id)).toMatchObject({ status: 'detached' });
  });

  it('a manager that was stopped attaches nothing more; stopping twice is once', async (manager) => {
    await manager.attach(new FakeSocket());
    await Promise.all([manager.stop(), manager.stop()]);
    await expect(manager.attach(new FakeSocket())).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    expect(manager.stats()).toMatchObject({ connections: 0, attached: 0, detached: 1 });
  });

  it('sessions of a node that is declared dead are detached, with one orphan event each', async (manager, start) => {
    const dead = await start({ nodeId: 'dead' });
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await dead.attach(new FakeSocket())).id),
    );
    const { id: mine } = await manager.attach(new FakeSocket());
    const orphans: string[] = [];
    manager.on('orphan', (session: Session) => orphans.push(session.id));
    expect(await manager.releaseNode('dead')).toBe(20);
    expect(orphans.sort()).toEqual(ids.sort());
    expect(await manager.get(mine)).toMatchObject({ status: 'active' });
    expect(await manager.releaseNode('dead')).toBe(0);
  });
});
