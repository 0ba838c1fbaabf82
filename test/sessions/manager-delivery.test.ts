import { channel } from 'node:diagnostics_channel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encode, type SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { inSystem, memoryBackend, redisBackend, type StartNode, sleep, until } from './helpers/managers.js';

describe.concurrent.each([memoryBackend(), redisBackend()])('delivery, with $name', (backend) => {
  beforeAll(() => backend.start());
  afterAll(() => backend.stop());

  function it(name: string, run: (manager: SessionManager, start: StartNode) => Promise<void>): void {
    test(name, () => inSystem(backend, async (start) => run(await start(), start)));
  }

  it('[M4] send by session, connection, user or login answers what became of it', async (manager) => {
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket, { userId: 'ann', loginId: 'l1' });
    const place = { sessionId: id, connection: socket.id, nodeId: manager.nodeId, result: 'sent' };
    expect(await manager.send({ session: id }, 'a')).toEqual([place]);
    expect(await manager.send({ connection: socket.id }, 'b')).toEqual([place]);
    expect(await manager.send({ user: 'ann' }, 'c')).toEqual([place]);
    expect(await manager.send({ login: 'l1' }, Uint8Array.of(1))).toEqual([place]);
    expect(socket.sent).toEqual(['a', 'b', 'c', Buffer.of(1)]);
    expect(await manager.send({ user: 'nobody' }, 'x')).toEqual([]);
    expect(await manager.send({ session: '0.x' }, 'x')).toEqual([]);
    await expect(manager.send({} as { user: string }, 'x')).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  it('[M4] each session of a target has its own result', async (manager) => {
    const [open, full, bad] = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
    full.send = () => 'dropped';
    bad.send = () => {
      throw new Error('broken');
    };
    manager.on('error', () => undefined);
    for (const socket of [open, full, bad]) await manager.attach(socket, { userId: 'ann' });
    await manager.create({ userId: 'ann' });
    const results = await manager.send({ user: 'ann' }, 'x');
    expect(results.map(({ result }) => result)).toEqual(['sent', 'dropped', 'failed', 'detached']);
  });

  it('send and close reach connections of other nodes', async (manager, start) => {
    const other = await start();
    const socket = new FakeSocket();
    const { id } = await other.attach(socket, { userId: 'ann' });
    expect(await manager.send({ user: 'ann' }, 'text')).toMatchObject([
      { sessionId: id, result: 'forwarded' },
    ]);
    await manager.send({ session: id }, Uint8Array.of(0, 255));
    const [presence] = (await manager.presence('ann')).sessions;
    await manager.send({ connection: presence?.connection ?? '' }, 'by connection');
    await until('received', () => socket.sent.length === 3);
    expect(socket.sent).toEqual(['text', Buffer.of(0, 255), 'by connection']);
    expect(await manager.close({ session: id }, 4000, 'enough')).toMatchObject([{ result: 'forwarded' }]);
    await until('closed', () => !socket.isOpen);
    expect([socket.code, socket.reason]).toEqual([4000, 'enough']);
    await until('detached', async () => (await manager.get(id))?.status === 'detached');
  });

  it('a connection on a node that died without a word is gone', async (manager) => {
    const session = await manager.create({ userId: 'ann' });
    await manager.store.attach(session.id, { nodeId: 'dead', connection: 'c1' });
    expect(await manager.send({ user: 'ann' }, 'x')).toMatchObject([
      { nodeId: 'dead', connection: 'c1', result: 'gone' },
    ]);
    expect(manager.stats().undelivered).toBe(1);
  });

  it('[M6] close leaves the session, and refuses codes and reasons that cannot be sent', async (manager) => {
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    for (const code of [0, 1005, 1006, 1015, 2000, 5000, 1.5]) {
      await expect(manager.close({ session: id }, code)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
    }
    await expect(manager.close({ session: id }, 1000, 'é'.repeat(62))).rejects.toThrow('123 bytes');
    expect(await manager.close({ session: id }, 1000)).toMatchObject([{ result: 'closing' }]);
    await until('detached', async () => (await manager.get(id))?.status === 'detached');
    expect(await manager.close({ session: id })).toMatchObject([{ result: 'detached' }]);
  });

  it('[M7] broadcast reaches every session here once; a bad connection stops nobody', async (manager, start) => {
    const other = await start();
    manager.on('error', () => undefined);
    const sockets = Array.from({ length: 5 }, () => new FakeSocket());
    for (const socket of sockets) await manager.attach(socket);
    const remote = new FakeSocket();
    await other.attach(remote);
    const [first, second] = sockets as [FakeSocket, FakeSocket];
    second.send = () => {
      throw new Error('broken');
    };
    const results = manager.broadcast('hällo', { except: [first.id] });
    expect(results.map(({ result }) => result)).toEqual(['failed', 'sent', 'sent', 'sent']);
    expect(sockets.map(({ sent }) => sent)).toEqual([[], [], ['hällo'], ['hällo'], ['hällo']]);
    expect(remote.sent).toEqual([]);
  });

  it('[M7] a text is encoded once for all', async (manager) => {
    const seen = new Set<unknown>();
    for (let n = 0; n < 4; n++) {
      const socket = new FakeSocket();
      socket.send = (data) => {
        seen.add(data);
        return 'sent';
      };
      await manager.attach(socket);
    }
    manager.broadcast('text');
    expect(seen.size).toBe(1);
    expect([...seen][0]).toEqual(Buffer.from('text'));
  });

  it('[D-M1] connections that come and go during an iteration do not disturb it', async (manager) => {
    const sockets = Array.from({ length: 3 }, () => new FakeSocket());
    for (const socket of sockets) await manager.attach(socket);
    const seen: string[] = [];
    for (const { id } of manager.connections) {
      seen.push(id);
      for (const socket of sockets) await manager.detach(socket);
      await manager.attach(new FakeSocket());
    }
    expect(seen).toEqual(sockets.map(({ id }) => id));
    expect(manager.stats().attached).toBe(3);
  });

  it('presence tells who is online, with which sessions, where', async (manager, start) => {
    const other = await start();
    expect(await manager.presence('ann')).toEqual({ online: false, sessions: [] });
    const idle = await manager.create({ userId: 'ann' });
    expect((await manager.presence('ann')).online).toBe(false);
    const { id } = await other.attach(new FakeSocket('c1'), { userId: 'ann' });
    const presence = await manager.presence('ann');
    expect(presence.online).toBe(true);
    expect(presence.sessions).toMatchObject([
      { sessionId: idle.id, status: 'detached', nodeId: undefined },
      { sessionId: id, status: 'active', nodeId: other.nodeId, connection: `${id.split('.')[0]}.c1` },
    ]);
  });

  it('messages of other nodes that make no sense are an error event, and nothing else', async (manager) => {
    const socket = new FakeSocket();
    const { id } = await manager.attach(socket);
    const errors: string[] = [];
    manager.on('error', ({ code }) => errors.push(code));
    const { bus } = manager.store;
    for (const message of [
      Uint8Array.of(),
      Uint8Array.of(9, 9, 9),
      encode(null),
      encode({ kind: 'close', connection: socket.id }),
      encode({ kind: 'explode', connection: socket.id, sessionId: id }),
      encode({
        kind: 'close',
        connection: socket.id,
        sessionId: 'of another session',
        code: 1000,
        reason: '',
      }),
    ]) {
      await bus?.publish(manager.nodeId, message);
    }
    await until('told', () => errors.length > 0);
    await sleep(50);
    expect(errors).toEqual(['ERR_STORE']);
    expect(socket.isOpen).toBe(true);
  });

  it('stats and diagnostics channels show what goes on', async (manager) => {
    const seen: unknown[] = [];
    const listen = (message: unknown) => {
      const { nodeId, session } = message as { nodeId: string; session: { userId: string } };
      if (nodeId === manager.nodeId) seen.push(session.userId);
    };
    channel('libwebsockets:session:attach').subscribe(listen);
    await manager.attach(new FakeSocket(), { userId: 'ann', loginId: 'l1' });
    channel('libwebsockets:session:attach').unsubscribe(listen);
    expect(seen).toEqual(['ann']);
    expect(manager.stats()).toMatchObject({
      connections: 1,
      attached: 1,
      users: 1,
      logins: 1,
      created: 1,
      storeErrors: 0,
    });
  });
});
