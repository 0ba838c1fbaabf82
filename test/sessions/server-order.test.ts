import { describe, expect, test } from 'vitest';
import { MemoryStore, type SessionStore } from '../../lib/sessions/index.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

/** A store whose `create` waits until it is let go. */
function slowStore(): { store: SessionStore; release: () => void } {
  const store = new MemoryStore();
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const create = store.create.bind(store);
  store.create = async (session, limit) => {
    await gate;
    return create(session, limit);
  };
  return { store, release };
}

describe('events of a connection while its session is loaded', () => {
  test('[N6] open, messages and close of one connection never overlap or change order, also when they are async', async () => {
    const story: string[] = [];
    const { join } = await live({
      async open() {
        story.push('open');
        await sleep(30);
        story.push('opened');
      },
      message: (_c, data) => void story.push(String(data)),
      close: () => void story.push('close'),
    });
    const { socket } = await join();
    for (const text of ['1', '2', '3']) socket.send(text);
    socket.close();
    await until('closed', () => story.includes('close'));
    expect(story).toEqual(['open', 'opened', '1', '2', '3', 'close']);
  });

  test('[N7] [D-N4] [D-N5] messages that come before the session is loaded wait for it, and never see none', async () => {
    const { store, release } = slowStore();
    const seen: unknown[] = [];
    const { join } = await live(
      {
        identify: () => ({ attributes: { ready: true } }),
        message: (_c, data, s) => void seen.push(data, s.attributes.ready),
      },
      { store },
    );
    const { socket } = await join();
    socket.send('early');
    await sleep(50);
    expect(seen).toEqual([]);
    release();
    await until('delivered', () => seen.length === 2);
    expect(seen).toEqual(['early', true]);
  });

  test('[D-N3] an open handler that uses its session cannot dead-lock with the messages that wait for it', async () => {
    const seen: unknown[] = [];
    const { join } = await live({
      async open(c, s) {
        await s.update(() => ({ step: 1 }));
        await s.regenerate({ userId: 'ann' });
        c.send('opened');
      },
      message: (_c, data, s) => void seen.push(data, s.attributes.step, s.userId),
    });
    const { socket } = await join();
    socket.send('early');
    await until('delivered', () => seen.length === 3);
    expect(seen).toEqual(['early', 1, 'ann']);
  });

  test('[D-S3] once a session has ended no message of its connection is delivered any more', async () => {
    const seen: string[] = [];
    const { join } = await live({
      message(_c, data, s) {
        seen.push(String(data));
        void s.end();
      },
    });
    const client = await join();
    client.socket.send('first');
    await until('first', () => seen.length === 1);
    await client.closed;
    const another = await join();
    for (let n = 0; n < 5; n++) another.socket.send('x');
    expect((await another.closed).code).toBe(1008);
    const after = seen.length;
    await sleep(30);
    expect(seen.length).toBe(after);
  });

  test('[N8] the wait for the session is bounded: after handshakeTimeout the connection closes with 1011', async () => {
    const { store, release } = slowStore();
    const closes: unknown[] = [];
    const { join, sessions, errors } = await live(
      { handshakeTimeout: 200, close: (_c, _info, s) => void closes.push(s) },
      { store },
    );
    const client = await join();
    expect((await client.closed).code).toBe(1011);
    await until('told', () => closes.length === 1);
    expect([closes, errors.map(({ code }) => code)]).toEqual([[undefined], ['ERR_HANDLER']]);
    release();
    await until(
      'the late session is detached',
      async () => (await sessions.store.list()).records.length === 1,
    );
    await until('detached', async () => (await sessions.store.list()).records[0]?.status === 'detached');
    expect(sessions.stats()).toMatchObject({ connections: 0, attached: 0 });
  });

  test('[N9] [N10] [D-N7] a client that leaves while its session is loaded: close comes once and last, never to a waiter that stays', async () => {
    const { store, release } = slowStore();
    const opened: unknown[] = [];
    const closes: unknown[] = [];
    const { join, sessions } = await live(
      { open: (_c, s) => void opened.push(s), close: (_c, _info, s) => void closes.push(s, opened.length) },
      { store },
    );
    const { socket } = await join();
    socket.terminate();
    await sleep(50);
    release();
    await until('closed', () => closes.length > 0);
    await sleep(30);
    // Whether the server noticed it before the session came or after: the session that open saw, or a definite none.
    expect(closes).toEqual([opened[0], opened.length]);
    await until('detached', async () => (await sessions.store.list()).records[0]?.status !== 'active');
    expect(sessions.stats()).toMatchObject({ connections: 0, attached: 0 });
  });
});
