import { afterEach, describe, expect, test, vi } from 'vitest';
import { LwsError } from '../../lib/index.js';
import type { Session, SessionManager } from '../../lib/sessions/index.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

const { now } = Date;

afterEach(() => void vi.restoreAllMocks());

/** The wall clock after a suspension: timers, which count other time, have not noticed. */
function wake(later: number): void {
  vi.spyOn(Date, 'now').mockImplementation(() => now() + later);
}

const identify = () => ({ authExpiresAt: Date.now() + 60_000 });

describe('a message that is found after a suspension in which the authentication ran out', () => {
  test('is not delivered; the connection is closed with 4401', async () => {
    const seen: unknown[] = [];
    const { join } = await live({ identify, message: (_, data) => void seen.push(data) });
    const { socket, closed } = await join();
    socket.send('before');
    await until('delivered', () => seen.length === 1);
    wake(61_000);
    socket.send('late');
    socket.send('later');
    expect((await closed).code).toBe(4401);
    expect(seen).toEqual(['before']);
  });

  test('waits for refreshAuth, in order with what follows', async () => {
    const seen: unknown[] = [];
    const { join } = await live(
      { identify, message: (_, data) => void seen.push(data) },
      {
        refreshAuth: async () => {
          seen.push('asked');
          await new Promise((resolve) => setTimeout(resolve, 20));
          seen.push('renewed');
          return Date.now() + 60_000;
        },
      },
    );
    const { socket } = await join();
    wake(61_000);
    for (const text of ['one', 'two', 'three']) socket.send(text);
    await until('delivered', () => seen.length === 5);
    expect(seen).toEqual(['asked', 'renewed', 'one', 'two', 'three']);
  });

  test('is not given to a loop either', async () => {
    const seen: unknown[] = [];
    const { join } = await live({
      identify,
      async open(connection) {
        for await (const data of connection) seen.push(data);
      },
    });
    const { socket, closed } = await join();
    socket.send('before');
    await until('delivered', () => seen.length === 1);
    wake(61_000);
    socket.send('late');
    expect((await closed).code).toBe(4401);
    expect(seen).toEqual(['before']);
  });

  test('stays behind a pause that was there before, and behind one of the handler', async () => {
    const seen: unknown[] = [];
    const { join, server } = await live(
      {
        identify,
        message(connection, data) {
          seen.push(data);
          if (data === 'one') connection.pause();
        },
      },
      { refreshAuth: () => Date.now() + 60_000 },
    );
    const { socket } = await join();
    wake(61_000);
    for (const text of ['one', 'two', 'three']) socket.send(text);
    await until('delivered', () => seen.length === 1);
    await sleep(50);
    expect(seen).toEqual(['one']);
    wake(122_000);
    const [connection] = server.connections;
    connection!.resume();
    await until('delivered', () => seen.length === 3);
    expect(seen).toEqual(['one', 'two', 'three']);
  });

  test('is not delivered while it waits and its connection is paused', async () => {
    const seen: unknown[] = [];
    let renew: (() => void) | undefined;
    const { join, server } = await live(
      { identify, message: (_, data) => void seen.push(data) },
      {
        refreshAuth: () =>
          new Promise((resolve) => {
            renew = () => resolve(Date.now() + 60_000);
          }),
      },
    );
    const { socket } = await join();
    wake(61_000);
    socket.send('one');
    await until('asked', () => renew !== undefined);
    const [connection] = server.connections;
    connection!.pause();
    renew!();
    await sleep(50);
    expect(seen).toEqual([]);
    connection!.resume();
    await until('delivered', () => seen.length === 1);
  });

  test('is delivered before the close of a client that left while it waited', async () => {
    const seen: unknown[] = [];
    const { join } = await live(
      {
        identify,
        message: (_, data) => void seen.push(data),
        close: (_, { code }) => void seen.push(code),
      },
      {
        refreshAuth: async () => {
          await sleep(50);
          return Date.now() + 60_000;
        },
      },
    );
    const { socket } = await join();
    wake(61_000);
    socket.send('last words');
    socket.close(1000);
    await until('closed', () => seen.length === 2);
    expect(seen).toEqual(['last words', 1000]);
  });

  test('is a piece, a pong or room to write as well', async () => {
    const seen: unknown[] = [];
    const { join, server } = await live({
      identify,
      fragment: () => void seen.push('fragment'),
      pong: () => void seen.push('pong'),
      writable: () => void seen.push('writable'),
      close: () => void seen.push('close'),
    });
    for (const act of ['fragment', 'pong', 'writable']) {
      vi.restoreAllMocks();
      const { socket, closed } = await join();
      const connection = [...server.connections].at(-1)!;
      wake(61_000);
      if (act === 'fragment') socket.send('late');
      else if (act === 'pong') socket.pong('late');
      else connection.requestWritable();
      expect((await closed).code).toBe(4401);
    }
    await until('closed', () => server.connections.size === 0);
    expect(seen).toEqual(['close', 'close', 'close']);
  });
});

describe('a message that is found after a suspension in which the session', () => {
  const ends: [string, object, number, (manager: SessionManager, id: string) => Promise<unknown>][] = [
    ['was ended elsewhere', {}, 1008, ({ store }, id) => store.destroy(id)],
    [
      'was taken over elsewhere',
      {},
      4409,
      ({ store }, id) => store.attach(id, { nodeId: 'other', connection: 'other' }, {}),
    ],
    ['reached its maxAge', { maxAge: 300 }, 4440, () => sleep(350)],
  ];

  for (const [what, options, code, end] of ends)
    test(`${what} is not delivered, to handler or loop`, async () => {
      for (const reading of ['handler', 'loop']) {
        const seen: unknown[] = [];
        let session: Session | undefined;
        const read = {
          handler: { message: (_: unknown, data: unknown) => void seen.push(data) },
          loop: {},
        }[reading];
        const { join, sessions } = await live(
          {
            async open(connection, given) {
              session = given;
              if (reading === 'loop') for await (const data of connection) seen.push(data);
            },
            ...read,
          },
          { ttl: 60_000, sweepInterval: 60_000, ...options },
        );
        const { socket, closed } = await join();
        socket.send('before');
        await until('delivered', () => seen.length === 1);
        await end(sessions, session!.id);
        wake(20_000);
        socket.send('late');
        socket.send('later');
        expect((await closed).code).toBe(code);
        expect(seen).toEqual(['before']);
        vi.restoreAllMocks();
      }
    });

  test('went on is delivered, also while its store fails', async () => {
    const seen: unknown[] = [];
    const { join, sessions } = await live({ message: (_, data) => void seen.push(data) }, { ttl: 60_000 });
    const { socket } = await join();
    socket.send('one');
    await until('delivered', () => seen.length === 1);
    wake(20_000);
    socket.send('two');
    await until('delivered', () => seen.length === 2);
    vi.spyOn(sessions.store, 'touch').mockRejectedValue(new LwsError('ERR_STORE', 'away'));
    wake(40_000);
    socket.send('three');
    socket.send('four');
    await until('delivered', () => seen.length === 4);
    expect(seen).toEqual(['one', 'two', 'three', 'four']);
  });
});
