import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type CloseInfo, type LwsError, reconnect } from '../../lib/index.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { rawServer, responseText } from './helpers/raw-server.js';

const quick = { minDelay: 1, maxDelay: 4 };

describe('reconnect() after a close', () => {
  it.each([1001, 1012, 1013, 4408])('with %i comes back', async (code) => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const again = reconnect(url, quick);
    (await record.opened.next()).close(code);
    await record.opened.next();
    await turnUntil(() => again.connection !== undefined);
    again.close();
    expect(await again.finished).toMatchObject({ code: 1000 });
  });

  it('without a close frame comes back', async () => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const again = reconnect(url, quick);
    (await record.opened.next()).terminate();
    await record.opened.next();
    await again[Symbol.asyncDispose]();
  });

  it.each([1000, 1002, 1008, 4000, 4401, 4409, 4429])('with %i is final', async (code) => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const again = reconnect(url, quick);
    (await record.opened.next()).close(code, 'over');
    expect(await again.finished).toMatchObject({ code, reason: 'over' });
    expect(again.connection).toBeUndefined();
    expect(record.opened.all).toHaveLength(1);
  });
});

describe('reconnect() after a refusal', () => {
  it.each([400, 401, 403, 404, 410])('with %i gives up', async (status) => {
    const { url, asked } = await rawServer(({ peer }) =>
      peer.write(responseText(`${status} No`, { 'Content-Length': '0' })),
    );
    expect(await reconnect(url, quick).finished).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status } });
    expect(asked.all).toHaveLength(1);
  });

  it.each([408, 425, 429, 500, 502, 503])(
    'with %i asks again, maxRetries times, each told before its wait',
    async (status) => {
      const { url, asked } = await rawServer(({ peer }) =>
        peer.write(responseText(`${status} Later`, { 'Content-Length': '0' })),
      );
      const told: { attempt: number; delay: number; cause: CloseInfo | LwsError }[] = [];
      const again = reconnect(url, {
        minDelay: 2,
        maxDelay: 5,
        maxRetries: 4,
        retry: (info) => void told.push(info),
      });
      expect(await again.finished).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status } });
      expect(asked.all).toHaveLength(5);
      expect(told.map((info) => info.attempt)).toEqual([1, 2, 3, 4]);
      const most = [2, 4, 5, 5];
      told.forEach(({ delay }, i) => {
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(most[i]!);
      });
    },
  );
});

describe('reconnect() to a server that opens every connection and drops it', () => {
  const dropping = () => startServer({ open: (connection) => connection.terminate() });

  it('backs off and gives up as with one that refuses', async () => {
    const { url } = await dropping();
    const attempts: number[] = [];
    const again = reconnect(url, {
      ...quick,
      maxRetries: 3,
      retry: ({ attempt }) => void attempts.push(attempt),
    });
    expect(await again.finished).toMatchObject({ code: 1006 });
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('waits longer each time', async () => {
    const { url } = await dropping();
    const random = vi.spyOn(Math, 'random').mockReturnValue(1);
    onTestFinished(() => random.mockRestore());
    const delays: number[] = [];
    const again = reconnect(url, {
      minDelay: 1,
      maxDelay: 10,
      maxRetries: 6,
      retry: ({ delay }) => void delays.push(delay),
    });
    await again.finished;
    expect(delays).toEqual([1, 2, 4, 8, 10, 10]);
  });

  it.each([
    ['stayed open for stableAfter', 20, [1, 1, 1]],
    ['opened, with stableAfter: 0', 0, [1, 1, 1]],
    ['did not stay open for so long', 3_600_000, [1, 2, 3]],
  ])('counts anew after a connection that %s', async (_, stableAfter, expected) => {
    const { url } = await startServer({ message() {} });
    const attempts: number[] = [];
    const again = reconnect(url, {
      ...quick,
      stableAfter,
      open: (connection) => void setTimeout(() => connection.terminate(), 60),
      message() {},
      retry: ({ attempt }) => {
        attempts.push(attempt);
        if (attempts.length === 3) again.close();
      },
    });
    await again.finished;
    expect(attempts).toEqual(expected);
  });
});

describe('reconnect() with a function for its URL', () => {
  it('asks it before each try', async () => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    let tries = 0;
    const again = reconnect(async () => `${url}/?try=${++tries}`, quick);
    const first = await record.opened.next();
    expect(first.request.query.get('try')).toBe('1');
    first.close(1012);
    expect((await record.opened.next()).request.query.get('try')).toBe('2');
    await again[Symbol.asyncDispose]();
  });

  it('tries again when it fails', async () => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const causes: unknown[] = [];
    const again = reconnect(
      () => {
        if (causes.length === 0) throw new Error('no token');
        return url;
      },
      { ...quick, retry: ({ cause }) => void causes.push(cause) },
    );
    await record.opened.next();
    expect(causes).toMatchObject([{ code: 'ERR_CONNECT', cause: { message: 'no token' } }]);
    await again[Symbol.asyncDispose]();
  });

  it('is over at once though the function never answers', async () => {
    const again = reconnect(() => new Promise<string>(() => {}), quick);
    again.close();
    expect(await again.finished).toMatchObject({ code: 'ERR_ABORTED' });
  });
});

it.each([
  ['retry=7', 7, 7],
  ['retry=2;spread=6', 2, 8],
  ['busy;retry=3', 3, 3],
  ['retry=99999', 20, 20],
])('reconnect() waits as the reason "%s" says, at most maxDelay', async (reason, least, most) => {
  const record = recorder();
  const { url } = await startServer(record.handlers);
  const delays: number[] = [];
  const again = reconnect(url, { minDelay: 1, maxDelay: 20, retry: ({ delay }) => void delays.push(delay) });
  (await record.opened.next()).close(1013, reason);
  await record.opened.next();
  expect(delays[0]).toBeGreaterThanOrEqual(least);
  expect(delays[0]).toBeLessThanOrEqual(most);
  await again[Symbol.asyncDispose]();
});

describe('close() of a reconnecting client', () => {
  it('while it connects', async () => {
    const { url, asked } = await rawServer();
    const again = reconnect(url);
    const { peer } = await asked.next();
    again.close();
    again.close();
    expect(await again.finished).toMatchObject({ code: 'ERR_ABORTED' });
    await peer.ended;
  });

  it('while it waits', async () => {
    const { url, asked } = await rawServer(({ peer }) => peer.end());
    const again = reconnect(url, {
      minDelay: 3_600_000,
      maxDelay: 3_600_000,
      retry: () => setImmediate(() => again.close()),
    });
    expect(await again.finished).toMatchObject({ code: 'ERR_HANDSHAKE' });
    expect(asked.all).toHaveLength(1);
  });

  it('while it is open closes with 1000', async () => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const again = reconnect(url);
    await turnUntil(() => again.connection !== undefined);
    again.close();
    expect(await record.closed.next()).toMatchObject({ code: 1000, clean: true });
    expect(await again.finished).toMatchObject({ code: 1000, clean: true });
  });
});

it.each([{ minDelay: 0 }, { stableAfter: -1 }, { stableAfter: 0.5 }, { maxRetries: -1 }])(
  'reconnect() throws at once for %o',
  (bad) => {
    expect(() => reconnect('ws://127.0.0.1', bad)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_OPTION',
        message: expect.stringContaining(Object.keys(bad)[0]!),
      }),
    );
  },
);
