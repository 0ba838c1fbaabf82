import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { Connection } from '../../lib/index.js';
import { MemoryStore, type ServeOptions, type Session } from '../../lib/sessions/index.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

const nameOf = (request: { query: URLSearchParams }) => ({
  data: { name: request.query.get('name') ?? 'anon' },
});

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
    let asked = 0;
    let release: (() => void) | undefined;
    const hold = () => new Promise<void>((resolve) => (release = resolve));
    const upgrade = async () => ({ data: ++asked > 3 ? await hold() : undefined });
    const { join, sessions, url } = await live({ upgrade });
    const clients = await Promise.all([join(), join(), join()]);
    await until('attached', () => sessions.stats().attached === 3);
    const late = new WebSocket(url);
    const told: unknown[] = [];
    late.on('message', (data) => told.push(data));
    const opened = once(late, 'open');
    await until('the late one is in its handshake', () => release !== undefined);
    expect(sessions.broadcast('hällo').map(({ result }) => result)).toEqual(['sent', 'sent', 'sent']);
    await until('received', () => clients.every(({ messages }) => messages.length === 1));
    release!();
    await opened;
    await until('attached', () => sessions.stats().attached === 4);
    expect(told).toEqual([]);
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
