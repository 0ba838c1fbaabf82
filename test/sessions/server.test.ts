import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { Connection } from '../../lib/index.js';
import { connect as connectClient, LwsError } from '../../lib/index.js';
import { MemoryStore, type ServeOptions, type Session, type SessionStore } from '../../lib/sessions/index.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

const nameOf = (request: { query: URLSearchParams }) => ({
  data: { name: request.query.get('name') ?? 'anon' },
});

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

describe('a server with sessions', () => {
  test('[N1] what is bound to the connection, and its session, are the same in every event', async () => {
    const seen: unknown[] = [];
    const note = (event: string, c: Connection<{ name: string }>, s: Session | undefined) =>
      seen.push([event, c.data.name, s?.userId, s?.attributes.visits]);
    const { join } = await live({
      upgrade: nameOf,
      identify: (c) => ({ userId: c.data.name, attributes: { visits: 1 } }),
      open(c, s) {
        note('open', c, s);
        c.ping();
        c.requestWritable();
      },
      message: (c, _data, s) => void note('message', c, s),
      writable: (c, s) => void note('writable', c, s),
      pong: (c, _data, s) => void note('pong', c, s),
      close: (c, _info, s) => void note('close', c, s),
    });
    const client = await join('?name=ann');
    client.socket.send('x');
    await until('message and pong', () => seen.length >= 4);
    client.socket.close();
    await until('close', () => seen.length === 5);
    const events = seen.map((entry) => (entry as string[])[0]);
    expect([events[0], events[4], [...events].sort()]).toEqual([
      'open',
      'close',
      ['close', 'message', 'open', 'pong', 'writable'],
    ]);
    for (const entry of seen) expect((entry as unknown[]).slice(1)).toEqual(['ann', 'ann', 1]);
  });

  test('[N2] the bound value is replaced at any time, and the next event sees the new one', async () => {
    const seen: unknown[] = [];
    const { join } = await live<{ n: number }, unknown>({
      upgrade: () => ({ data: { n: 0 } }),
      message(c) {
        seen.push(c.data.n);
        c.data = { n: c.data.n + 1 };
      },
      close: (c) => void seen.push(c.data.n),
    });
    const { socket } = await join();
    socket.send('a');
    socket.send('b');
    await until('both', () => seen.length === 2);
    socket.close();
    await until('closed', () => seen.length === 3);
    expect(seen).toEqual([0, 1, 2]);
  });

  test('[N3] [L8] a connection is a stable identity: values kept in a Map or WeakMap by it work as well', async () => {
    const kept = new Map<object, number>();
    const left: unknown[] = [];
    const { join } = await live({
      open: (c) => void kept.set(c, 0),
      message: (c) => void kept.set(c, (kept.get(c) ?? Number.NaN) + 1),
      close(c) {
        left.push(kept.get(c));
        kept.delete(c);
      },
    });
    const { socket } = await join();
    for (const text of ['a', 'b', 'c']) socket.send(text);
    socket.close();
    await until('closed', () => left.length === 1);
    expect([left, kept.size]).toEqual([[3], 0]);
  });

  test('[N4] [N5] [L7] [D-N6] data of transport, connection and session are independent of each other and of ours', async () => {
    const seen: unknown[] = [];
    const { join, sessions } = await live<{ layer: string }, { layer: string }>({
      upgrade(request) {
        request.transport.data = { layer: 'transport' };
        return { data: { layer: 'connection' } };
      },
      identify: () => ({ attributes: { layer: 'session' }, extensions: { layer: 'extension' } }),
      open(c) {
        c.data = { layer: 'replaced right after the upgrade' };
      },
      async message(c, _data, s) {
        await s.update(() => ({ layer: 'updated' }));
        seen.push(c.transport.data.layer, c.data.layer, s.attributes.layer, s.extensions.layer);
        seen.push(sessions.of(c) === s);
      },
    });
    const { socket } = await join();
    socket.send('x');
    await until('seen', () => seen.length === 5);
    expect(seen).toEqual(['transport', 'replaced right after the upgrade', 'updated', 'extension', true]);
  });

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

  test('[M1] [M2] the registry has a connection before its first event, and not any more after its close', async () => {
    const seen: unknown[] = [];
    let id = '';
    const { join, sessions } = await live({
      identify(c) {
        id = c.id;
        seen.push(sessions.connection(c.id) === c);
        return {};
      },
      open: (c) => void seen.push(sessions.of(c)?.connection === c),
      close: (c, _info, s) => void seen.push(sessions.of(c) === s),
    });
    const { socket } = await join();
    socket.close();
    await until('closed', () => seen.length === 3);
    await until('gone', () => sessions.connection(id) === undefined);
    expect(seen).toEqual([true, true, true]);
    expect(await sessions.byConnection(id)).toBeUndefined();
  });

  test('[D-M2] [L5] [D-L1] [D-L2] ids are never used again, and what was meant for one connection never reaches a later one', async () => {
    const ids = new Set<string>();
    const { join, sessions } = await live({ open: (c) => void ids.add(c.id) });
    for (let n = 0; n < 30; n++) {
      const { socket } = await join();
      socket.terminate();
      await until('gone', () => sessions.stats().connections === 0);
    }
    const last = await join();
    expect(ids.size).toBe(31);
    for (const id of [...ids].slice(0, 30)) expect(await sessions.send({ connection: id }, 'x')).toEqual([]);
    await sleep(30);
    expect(last.messages).toEqual([]);
  });

  test('[M5] concurrent writers never mix their frames on one connection', async () => {
    const { join, sessions } = await live({ identify: () => ({ userId: 'ann' }) });
    const client = await join();
    const texts = Array.from({ length: 40 }, (_, n) => `${n}:`.padEnd(n % 4 === 0 ? 300_000 : 50, 'x'));
    await Promise.all(texts.map((text) => sessions.send({ user: 'ann' }, text)));
    await until('all received', () => client.messages.length === texts.length);
    expect([...client.messages].sort()).toEqual([...texts].sort());
  });

  test('[M7] [D-M4] broadcast reaches every client that has its session, once, and none in its handshake', async () => {
    const { join, sessions, url } = await live({ upgrade: async () => ({ data: await sleep(60) }) });
    const clients = await Promise.all([join(), join(), join()]);
    await until('attached', () => sessions.stats().attached === 3);
    const late = new WebSocket(url);
    await sleep(20);
    expect(sessions.broadcast('hällo').map(({ result }) => result)).toEqual(['sent', 'sent', 'sent']);
    await until('received', () => clients.every(({ messages }) => messages.length === 1));
    await once(late, 'open');
    late.terminate();
    expect(clients.map(({ messages }) => messages)).toEqual([['hällo'], ['hällo'], ['hällo']]);
  });

  test('[D-M3] a stalled client does not hold up a broadcast; over its limit it is closed or skipped', async () => {
    const { join, sessions } = await live({ maxBackpressure: 1_000_000, onBackpressure: 'drop' });
    const [stalled, quick] = [await join(), await join()];
    stalled.socket.pause();
    await until('attached', () => sessions.stats().attached === 2);
    const text = 'x'.repeat(400_000);
    const results = new Set<string>();
    for (let n = 0; n < 40; n++) {
      for (const { result } of sessions.broadcast(text)) results.add(result);
      await until('the quick one has it', () => quick.messages.length === n + 1);
    }
    expect(results).toContain('dropped');
  });

  test('[M11] [D-M5] a vetoed connect is answered, makes no session and leaves nothing', async () => {
    const { sessions, server, url } = await live({ upgrade: () => ({ status: 401, body: 'no' }) });
    const socket = new WebSocket(url);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(401);
    response.destroy();
    await until('closed', () => server.stats().transports === 0);
    expect(sessions.stats()).toMatchObject({ connections: 0, created: 0 });
  });

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

  test('a reload continues the session: the id comes back in a cookie that the handshake set', async () => {
    const greetings: string[] = [];
    const store = new MemoryStore();
    const options: ServeOptions<
      { sid: string | undefined; newId: string },
      unknown,
      Record<string, unknown>
    > = {
      upgrade(request) {
        const sid = /sid=([^;]+)/.exec(request.headers.get('cookie') ?? '')?.[1];
        const newId = store.newId();
        const headers: Record<string, string> = {};
        if (sid === undefined) headers['Set-Cookie'] = `sid=${newId}; HttpOnly; SameSite=Strict`;
        return { data: { sid, newId }, headers };
      },
      identify: ({ data: { sid, newId } }) => ({ sessionId: sid, newId }),
      async open(_c, s) {
        await s.update((a) => ({ visits: Number(a.visits ?? 0) + 1 }));
        greetings.push(`${s.resumed} ${s.attributes.visits}`);
      },
    };
    const { url, sessions } = await live(options, { store });
    let cookie = '';
    for (let n = 0; n < 3; n++) {
      const socket = new WebSocket(url, { headers: cookie === '' ? {} : { cookie } });
      socket.once('upgrade', ({ headers }) => {
        cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? cookie;
      });
      await once(socket, 'open');
      await until('greeted', () => greetings.length === n + 1);
      socket.close();
      await until('gone', () => sessions.stats().connections === 0);
    }
    expect(greetings).toEqual(['false 1', 'true 2', 'true 3']);
    expect(await sessions.store.count()).toBe(1);
  });

  test('a second tab with the same id takes over: the first one is told 4409', async () => {
    const ids: string[] = [];
    const { join } = await live<{ sid: string | undefined }, unknown>({
      upgrade: (request) => ({ data: { sid: request.query.get('sid') ?? undefined } }),
      identify: ({ data: { sid } }) => ({ sessionId: sid }),
      open: (_c, { id }) => void ids.push(id),
    });
    const first = await join();
    await until('open', () => ids.length === 1);
    const second = await join(`?sid=${ids[0]}`);
    expect((await first.closed).code).toBe(4409);
    await until('open', () => ids.length === 2);
    expect(ids[0]).toBe(ids[1]);
    expect(second.socket.readyState).toBe(WebSocket.OPEN);
  });

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

  test('protocols have their own handlers; without handlers of its own the server still refuses other names', async () => {
    const { join, url } = await live({
      protocols: {
        chat: { open: (c, s) => void c.send(`chat ${s.status}`) },
        echo: { message: (c, data, s) => void c.send(`${data} ${s.status}`) },
      },
    });
    const chat = await join('', ['chat']);
    const echo = await join('', ['other', 'echo']);
    echo.socket.send('x');
    await until('both', () => chat.messages.length + echo.messages.length === 2);
    expect([chat.messages, echo.messages]).toEqual([['chat active'], ['x active']]);
    const socket = new WebSocket(url, ['nothing']);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(400);
    response.destroy();
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

  test('[D-M6] [M9] stats count what is there and what happened', async () => {
    const { join, sessions } = await live({ identify: () => ({ userId: 'ann', loginId: 'l1' }) });
    await join();
    const { socket } = await join();
    await until('attached', () => sessions.stats().attached === 2);
    expect(sessions.stats()).toMatchObject({ connections: 2, users: 1, logins: 1, created: 2, detached: 0 });
    socket.close();
    await until('one left', () => sessions.stats().connections === 1);
    expect(sessions.stats()).toMatchObject({ attached: 1, users: 1, detached: 1 });
  });
});

describe('values with the life of the layers below', () => {
  test('[L1] [L2] [L3] memory is zeroed, the same in every event, and gone after close', async () => {
    const seen: ArrayBuffer[] = [];
    const sizes: number[] = [];
    const { join } = await live({
      memory: 32,
      open(c) {
        seen.push(c.memory);
        sizes.push(c.memory.byteLength, Math.max(...new Uint8Array(c.memory)));
        new Uint8Array(c.memory)[0] = 7;
      },
      message: (c) => void seen.push(c.memory),
      close(c) {
        seen.push(c.memory);
        sizes.push(c.memory.byteLength, new Uint8Array(c.memory)[0] ?? -1);
      },
    });
    const { socket } = await join();
    socket.send('x');
    socket.close();
    await until('closed', () => seen.length === 3);
    await until('detached', () => seen[0]?.byteLength === 0);
    expect(new Set(seen).size).toBe(1);
    expect(sizes).toEqual([32, 0, 32, 7]);
  });

  test('[D-L3] memory that its user moved elsewhere is safe: close leaves the moved bytes alone', async () => {
    const moved: Uint8Array[] = [];
    const { join, server } = await live({
      memory: 8,
      message(c) {
        new Uint8Array(c.memory).fill(7);
        moved.push(new Uint8Array(structuredClone(c.memory, { transfer: [c.memory] })));
      },
    });
    const { socket, closed } = await join();
    socket.send('x');
    await until('moved', () => moved.length === 1);
    socket.close();
    await closed;
    for (let n = 0; n < 20; n++) (await join()).socket.terminate();
    await until('gone', () => server.connections.size === 0);
    expect([...(moved[0] ?? [])]).toEqual(new Array(8).fill(7));
  });

  test('[L10] a client either fails to connect or opens and closes, never both', async () => {
    const story: string[] = [];
    const { url, server } = await live({});
    const handlers = { open: () => void story.push('open'), close: () => void story.push('close') };
    const connection = await connectClient(url, handlers);
    connection.close();
    await connection.closed;
    expect(story).toEqual(['open', 'close']);
    await server.close({ timeout: 0 });
    await expect(connectClient(url, handlers)).rejects.toThrow(LwsError);
    expect(story).toEqual(['open', 'close']);
  });

  test('[L4] [L3] after close nothing of ours keeps the connection or its data alive', async () => {
    const refs: WeakRef<object>[] = [];
    const { join, sessions } = await live<{ big: number[] }, unknown>({
      upgrade: () => ({ data: { big: new Array(1000).fill(0) } }),
      open: (c, s) => void refs.push(new WeakRef(c), new WeakRef(c.data), new WeakRef(s)),
    });
    for (let n = 0; n < 10; n++) {
      const { socket, closed } = await join();
      await until('open', () => refs.length === 3 * (n + 1));
      socket.close();
      await closed;
    }
    await until('gone', () => sessions.stats().connections === 0);
    await until('collected', async () => {
      await sleep(20);
      globalThis.gc?.();
      return refs.every((ref) => ref.deref() === undefined);
    });
    expect(refs).toHaveLength(30);
  });

  test('[L6] transport data survives keep-alive requests and the upgrade on the same connection', async () => {
    const seen: unknown[] = [];
    const { port } = await live<unknown, { requests: number }>({
      request(request) {
        request.transport.data = { requests: (request.transport.data?.requests ?? 0) + 1 };
        return new Response(`${request.transport.data.requests}`);
      },
      open: (c, s) => void seen.push(c.transport.data.requests, s.status),
    });
    const socket = connect(port, '127.0.0.1');
    const plain = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
    const upgrade =
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
    let received = '';
    socket.on('data', (data) => {
      received += data;
    });
    socket.write(plain);
    await until('first answer', () => received.endsWith('1'));
    socket.write(plain);
    await until('second answer', () => received.endsWith('2'));
    socket.write(upgrade);
    await until('open', () => seen.length === 2);
    socket.destroy();
    expect(seen).toEqual([2, 'active']);
  });

  test('plain HTTP beside sessions is left alone', async () => {
    const { port } = await live({ request: () => new Response('hello') });
    const [response] = await once(get({ port, host: '127.0.0.1' }), 'response');
    let body = '';
    for await (const part of response) body += part;
    expect(body).toBe('hello');
  });
});
