import { describe, expect, test } from 'vitest';
import { LwsError } from '../../lib/index.js';
import { MemoryStore } from '../../lib/sessions/index.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

describe('the end of a connection that has a session', () => {
  test('[D-M7] [S4] however a connection ends, it is told once and its session is detached once', async () => {
    const closes: string[] = [];
    const { join, sessions } = await live({
      identify: () => ({ userId: 'ann' }),
      close: (_c, { code }) => void closes.push(String(code)),
    });
    let detached = 0;
    sessions.on('detach', () => detached++);
    const [left, ended, kicked] = [await join(), await join(), await join()];
    await until('attached', () => sessions.stats().attached === 3);
    left.socket.terminate();
    await until('first', () => closes.length === 1);
    const [, second] = await sessions.byUser('ann');
    await second?.end();
    expect(await ended.closed).toEqual({ code: 1008, reason: 'session ended' });
    await sessions.close({ user: 'ann' }, 4000, 'kicked');
    expect(await kicked.closed).toEqual({ code: 4000, reason: 'kicked' });
    await until('all told', () => closes.length === 3);
    await sleep(30);
    expect([closes.length, detached, sessions.stats().connections]).toEqual([3, 3, 0]);
  });

  test.each([
    ['too many sessions', { maxPerUser: 1 }, { userId: 'ann' }, 4429, 'too many sessions'],
    ['an ended login', {}, { loginId: 'ended' }, 1008, 'login ended'],
  ])('%s closes a new connection at once', async (_, options, request, code, reason) => {
    const opened: unknown[] = [];
    const { join, sessions } = await live(
      { identify: () => request, open: (_c, s) => void opened.push(s) },
      options,
    );
    await sessions.endLogin('ended');
    await sessions.create({ userId: 'ann' });
    const client = await join();
    expect(await client.closed).toEqual({ code, reason });
    expect(opened).toEqual([]);
  });

  test('a store that fails closes a new connection with 1013 and tells the error event', async () => {
    const store = new MemoryStore();
    store.create = async () => {
      throw new LwsError('ERR_STORE', 'down');
    };
    const { join, errors } = await live({}, { store });
    expect(await (await join()).closed).toEqual({ code: 1013, reason: 'sessions are not available' });
    expect(errors.map(({ code, message }) => `${code} ${message}`)).toEqual(['ERR_STORE down']);
  });

  test('identify that throws is a failing handler: 1011 and the error handler', async () => {
    const { join, errors } = await live({
      identify() {
        throw new Error('mine');
      },
    });
    expect((await (await join()).closed).code).toBe(1011);
    expect(errors).toMatchObject([{ code: 'ERR_HANDLER', cause: { message: 'mine' } }]);
  });

  test('[K2] [D-K1] a peer that vanished is closed in bounded time and its session detached', async () => {
    const closes: number[] = [];
    const { join, sessions } = await live({
      pingInterval: 100,
      idleTimeout: 400,
      close: (_c, { code }) => void closes.push(code),
    });
    const { socket } = await join();
    socket.pause();
    await until('closed', () => closes.length === 1);
    expect(closes).toEqual([1006]);
    await until('detached', async () => (await sessions.store.list()).records[0]?.status === 'detached');
  });

  test('what a close handler still changes is stored before the session is detached', async () => {
    const { join, sessions } = await live({
      identify: () => ({ userId: 'ann' }),
      async close(_c, { code }, s) {
        await sleep(20);
        await s?.update(() => ({ left: code }));
      },
    });
    (await join()).socket.close(4321);
    await until('detached', async () => (await sessions.byUser('ann'))[0]?.status === 'detached');
    expect((await sessions.byUser('ann'))[0]?.attributes).toEqual({ left: 4321 });
  });

  test('stop waits until the store knows of everybody who left, their close handlers included', async () => {
    const { join, sessions, server } = await live({
      identify: () => ({ userId: 'ann' }),
      async close(_c, _info, s) {
        await sleep(100);
        await s?.update(() => ({ saved: true }));
      },
    });
    await Promise.all([join(), join()]);
    await until('attached', () => sessions.stats().attached === 2);
    await server.close({ timeout: 1000 });
    await sessions.stop();
    const records = await sessions.store.byUser('ann');
    expect(records.map(({ status, version }) => [status, version])).toEqual([
      ['detached', 1],
      ['detached', 1],
    ]);
  });
});
