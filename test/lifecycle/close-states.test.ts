import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { CloseInfo, ServerOptions } from '../../lib/index.js';
import { turns, type Watched, watch } from '../helpers/lifecycle.js';
import { BINARY, CLOSE, type Client, closeFrame, frame, TEXT, upgradeRequest } from './fixtures/wire.mjs';

const never = new Promise<never>(() => {});

/** Ways a peer disappears. */
const departures: Record<string, (client: Client) => void> = {
  'a reset': (client) => client.reset(),
  'a half-close': (client) => client.shut(),
};

async function whenGone({ server }: Watched): Promise<void> {
  while (server.stats().transports > 0) await turns(1);
}

async function whenAccepted({ server }: Watched, count = 1): Promise<void> {
  while (server.stats().accepted < count) await turns(1);
}

test('a connection whose close waits shows no bytes of whoever has its slot next', async () => {
  const w = await watch({ open: () => never });
  const first = await w.join();
  first.client.reset();
  await whenGone(w);
  const next = await w.join();
  expect(next.connection.slot).toBe(first.connection.slot);
  next.client.socket.pause();
  while (next.connection.send(Buffer.alloc(1024 * 1024)) === 'sent');
  expect(next.connection.bufferedAmount).toBeGreaterThan(0);
  first.connection.terminate();
  expect(first.connection.bufferedAmount).toBe(0);
});

describe.each(Object.entries(departures))('%s by the peer', (name, depart) => {
  const reset = name === 'a reset';

  test('before it sent anything leaves nothing', async () => {
    const w = await watch();
    const client = w.dial(new Uint8Array());
    await whenAccepted(w);
    depart(client);
    await whenGone(w);
    expect(w.calls).toEqual([]);
  });

  test('in the middle of the request head leaves nothing', async () => {
    const w = await watch();
    const client = w.dial(upgradeRequest().subarray(0, 40));
    while (w.server.stats().bytesReceived < 40) await turns(1);
    depart(client);
    await whenGone(w);
    expect(w.calls).toEqual([]);
  });

  test('while the upgrade is held ends the transport, and the late decision does nothing', async () => {
    let decide!: () => void;
    let asked!: () => void;
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const w = await watch({
      upgrade: () =>
        new Promise((resolve) => {
          decide = () => resolve({ data: 1 });
          asked();
        }),
    });
    const client = w.dial();
    await isAsked;
    depart(client);
    await whenGone(w);
    decide();
    await turns();
    expect(w.calls).toEqual([]);
    expect(w.server.stats().opened).toBe(0);
  });

  test('while open is pending waits with close for its end', async () => {
    let settle!: () => void;
    const w = await watch({ open: () => new Promise<void>((resolve) => (settle = resolve)), message() {} });
    const { client } = await w.join();
    client.write(frame(TEXT, 'early'));
    depart(client);
    /* held input keeps a half-closed transport, since it may hold messages */
    if (reset) await whenGone(w);
    else await turns();
    expect(w.story()).toBe('open');
    settle();
    const { detail } = await w.until('close');
    expect((detail as CloseInfo).code).toBe(1006);
    expect(w.story()).toBe(reset ? 'open close' : 'open message close');
  });

  test('while open ends in 1006, not clean', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    depart(client);
    const { detail } = await w.until('close');
    expect(detail).toEqual({
      code: 1006,
      reason: reset
        ? 'the network connection failed'
        : 'the peer ended the network connection without a close frame',
      clean: false,
    });
  });

  test('in the middle of a frame ends in 1006 without the broken message', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    const before = w.server.stats().bytesReceived;
    client.write(frame(BINARY, Buffer.alloc(100)).subarray(0, 50));
    while (w.server.stats().bytesReceived < before + 50) await turns(1);
    depart(client);
    expect(((await w.until('close')).detail as CloseInfo).code).toBe(1006);
    expect(w.story()).toBe('open close');
  });

  test('in the middle of a fragmented message ends in 1006 without it', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    const before = w.server.stats().bytesReceived;
    client.write(frame(TEXT, 'first', false));
    while (w.server.stats().bytesReceived === before) await turns(1);
    depart(client);
    expect(((await w.until('close')).detail as CloseInfo).code).toBe(1006);
    expect(w.story()).toBe('open close');
  });

  test('while a large queue waits for it ends in 1006 and frees the queue', async () => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    client.socket.pause();
    const chunk = Buffer.alloc(1024 * 1024);
    while (connection.send(chunk) === 'sent');
    expect(connection.bufferedAmount).toBeGreaterThan(0);
    depart(client);
    expect(((await w.until('close')).detail as CloseInfo).code).toBe(1006);
    expect(connection.bufferedAmount).toBe(0);
  });

  test('while the connection is paused is noticed after resume at the latest', async () => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    connection.pause();
    depart(client);
    await turns();
    connection.resume();
    expect(((await w.until('close')).detail as CloseInfo).code).toBe(1006);
    expect(w.story()).toBe('open close');
  });

  test('after our close frame, unanswered, ends in 1006', async () => {
    const w = await watch({ message() {} });
    const { client, connection } = await w.join();
    connection.close(4000, 'bye');
    expect((await client.next())?.opcode).toBe(CLOSE);
    depart(client);
    const { detail } = await w.until('close');
    expect(detail).toMatchObject({ code: 1006, clean: false });
  });

  test('right after its own close frame reports the code it sent', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    client.write(closeFrame(4001, 'done'));
    await client.next();
    depart(client);
    const { detail } = await w.until('close');
    expect(detail).toEqual({ code: 4001, reason: 'done', clean: !reset });
  });

  test.each(['request body', 'response'])('in the middle of a %s leaves nothing', async (part) => {
    const seen = { asked: () => {} };
    const asked = new Promise<void>((resolve) => {
      seen.asked = resolve;
    });
    const options: ServerOptions = {
      async request(request) {
        seen.asked();
        if (part === 'response') return never;
        await expect(request.bytes()).rejects.toMatchObject({ code: 'ERR_BODY' });
        return undefined;
      },
    };
    const w = await watch(options);
    const length = part === 'response' ? '' : 'Content-Length: 10\r\n';
    const client = w.dial(
      Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\n${length}\r\n${part === 'response' ? '' : 'abc'}`),
    );
    await asked;
    depart(client);
    /* a peer that half-closed may still read a response, so only closing the server ends that one */
    if (part === 'response' && !reset) await w.server.close({ timeout: 1 });
    else await whenGone(w);
    expect(w.calls).toEqual([]);
  });
});

describe('server.close()', () => {
  test('is clean when nothing ever listened or connected', async () => {
    const w = await watch();
    expect(await w.server.close()).toEqual({ closed: 0, forced: 0 });
  });

  test('ends a transport that has sent nothing, and one inside its head', async () => {
    const w = await watch();
    const silent = w.dial(new Uint8Array());
    const slow = w.dial(upgradeRequest().subarray(0, 40));
    await whenAccepted(w, 2);
    await w.server.close({ timeout: 1 });
    expect(await Promise.all([silent.head, slow.head])).toEqual(['', '']);
    expect(w.calls).toEqual([]);
  });

  test('refuses a held upgrade, whose late decision does nothing', async () => {
    let decide!: (answer: undefined) => void;
    const w = await watch({ upgrade: () => new Promise((resolve) => (decide = resolve)) });
    const client = w.dial();
    while (w.server.stats().requests === 0) await turns(1);
    await w.server.close({ timeout: 1 });
    expect(await client.head).not.toMatch(/^HTTP\/1.1 101/);
    decide(undefined);
    await turns();
    expect(w.calls).toEqual([]);
  });

  test('waits for close even where open is still pending', async () => {
    let settle!: () => void;
    const w = await watch({ open: () => new Promise<void>((resolve) => (settle = resolve)) });
    const { client } = await w.join();
    let closed = false;
    const closing = w.server.close().then(() => {
      closed = true;
    });
    client.reset();
    while (w.server.stats().transports > 0) await turns(1);
    await turns();
    expect(closed).toBe(false);
    settle();
    await closing;
    expect(w.story()).toBe('open close');
  });

  test('gives up on an open that is still pending after its timeout', async () => {
    const w = await watch({ open: () => never });
    const { client } = await w.join();
    client.reset();
    await w.server.close({ timeout: 20 });
    expect(w.story()).toBe('open close');
  });

  test('closes a connection that opens after it was called', async () => {
    let asked = 0;
    const w: Watched = await watch({
      upgrade() {
        if (++asked === 2) void w.server.close();
        return undefined;
      },
    });
    const clients = [w.dial(new Uint8Array()), w.dial(new Uint8Array())];
    await Promise.all(clients.map((client) => once(client.socket, 'connect')));
    await whenAccepted(w, 2);
    /* in one batch: the first is accepted, the server closes, the second is refused; then the first opens */
    for (const client of clients) client.write(upgradeRequest());
    const heads = await Promise.all(clients.map((client) => client.head));
    expect(heads.map((head: string) => head.slice(9, 12)).sort()).toEqual(['101', '503']);
    const accepted = clients[heads.findIndex((head: string) => head.startsWith('HTTP/1.1 101 '))]!;
    expect((await accepted.next())?.payload.readUInt16BE()).toBe(1001);
    accepted.write(closeFrame(1001));
    for (const client of clients) client.shut();
    expect(await w.server.close()).toMatchObject({ forced: 0 });
  });

  test('keeps the counters readable', async () => {
    const w = await watch({ message() {} });
    await w.join();
    await w.server.close({ timeout: 1 });
    expect(w.server.stats()).toMatchObject({
      accepted: 1,
      opened: 1,
      closed: 1,
      transports: 0,
      connections: 0,
    });
  });

  test('rejects a code that may not be sent, and goes on serving', async () => {
    const w = await watch({ message: (c, data) => void c.send(data) });
    await expect(w.server.close({ code: 1005 })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    const { client } = await w.join();
    client.write(frame(TEXT, 'still here'));
    expect((await client.next())?.payload.toString()).toBe('still here');
  });

  test('drops peers that do not answer, after its timeout', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    const result = await w.server.close({ timeout: 1 });
    expect(result).toEqual({ closed: 1, forced: 1 });
    expect((await client.next())?.payload.readUInt16BE()).toBe(1001);
    expect(w.story()).toBe('open close');
  });

  test('counts nothing as forced when all peers answer', async () => {
    const w = await watch({ message() {} });
    const { client } = await w.join();
    const closing = w.server.close();
    expect((await client.next())?.opcode).toBe(CLOSE);
    client.write(closeFrame(1001));
    client.shut();
    expect(await closing).toEqual({ closed: 1, forced: 0 });
    expect((await w.until('close')).detail).toEqual({ code: 1001, reason: '', clean: true });
  });

  test.each(['open', 'message', 'close'] as const)('may be called inside %s', async (handler) => {
    let closing: Promise<unknown> | undefined;
    const w: Watched = await watch({
      message() {},
      [handler]: () => {
        closing ??= w.server.close({ timeout: 1 });
      },
    });
    const { client } = await w.join();
    if (handler !== 'open') client.write(frame(TEXT, 'a'));
    if (handler === 'close') client.reset();
    await w.until('close');
    await closing;
    expect(w.server.stats()).toMatchObject({ transports: 0, connections: 0 });
  });
});
