import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

describe('reading a connection that has a session', () => {
  test('[S2] [K1] messages and pongs are activity; a client that answers nothing expires with 4440', async () => {
    const { join, sessions } = await live(
      { pingInterval: 100, idleTimeout: 0, message: () => undefined },
      { ttl: 800, sweepInterval: 50 },
    );
    const [talks, pongs, mute] = [await join(), await join(), await join()];
    // The library of the client would answer pings by itself.
    mute.socket.pause();
    const talk = setInterval(() => talks.socket.send('x'), 100);
    await sleep(1700);
    clearInterval(talk);
    expect([talks.socket.readyState, pongs.socket.readyState]).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
    expect(sessions.stats()).toMatchObject({ attached: 2, expired: 1 });
    mute.socket.resume();
    expect((await mute.closed).code).toBe(4440);
  });

  test('a connection without message handler is read as a loop, with its session', async () => {
    const seen: unknown[] = [];
    const { join } = await live({
      async open(c, s) {
        void (async () => {
          for await (const data of c) seen.push(data, s.status);
        })();
      },
    });
    const { socket } = await join();
    socket.send('a');
    socket.send('b');
    await until('both', () => seen.length === 4);
    expect(seen).toEqual(['a', 'active', 'b', 'active']);
  });

  test('with pongsAreActivity off a client that only answers pings expires', async () => {
    const { join } = await live(
      { pingInterval: 100, message: () => undefined },
      { ttl: 700, sweepInterval: 20, pongsAreActivity: false },
    );
    expect((await (await join()).closed).code).toBe(4440);
  });

  test('[S2] what a loop reads is activity as well', async () => {
    const { join, sessions } = await live(
      {
        pingInterval: 0,
        async open(c) {
          for await (const _data of c);
        },
      },
      { ttl: 700, sweepInterval: 20 },
    );
    const { socket, closed } = await join();
    for (let n = 0; n < 14; n++) {
      socket.send('x');
      await sleep(100);
    }
    expect(sessions.stats()).toMatchObject({ attached: 1, expired: 0 });
    expect((await closed).code).toBe(4440);
  });

  test('an open handler may itself be the loop that reads the connection', async () => {
    const seen: unknown[] = [];
    const { join, errors } = await live({
      handshakeTimeout: 300,
      async open(c, s) {
        for await (const data of c) seen.push(data, s.status);
        seen.push('end');
      },
    });
    const { socket } = await join();
    socket.send('a');
    await until('first', () => seen.length === 2);
    await sleep(400);
    socket.send('b');
    await until('second', () => seen.length === 4);
    socket.close();
    await until('end', () => seen.length === 5);
    expect([seen, errors]).toEqual([['a', 'active', 'b', 'active', 'end'], []]);
  });
});
