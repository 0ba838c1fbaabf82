import { getEventListeners } from 'node:events';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type CloseInfo,
  connect,
  LwsError,
  type Reconnecting,
  type RetryInfo,
  reconnect,
} from '../../lib/index.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { startProxy } from './helpers/proxy.js';
import { rawServer, rejection, responseText } from './helpers/raw-server.js';

const quick = { minDelay: 1, maxDelay: 4 };

describe('reconnect() after a close', () => {
  it.each([1001, 1011, 1012, 1013, 1014, 4408, 4440])('with %i comes back', async (code) => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const again = reconnect(url, quick);
    (await record.opened.next()).close(code);
    await record.opened.next();
    await turnUntil(() => again.connection !== undefined);
    again.close();
    expect(await again.finished).toMatchObject({ code: 1000 });
  });

  it('with a bare close frame, 1005, comes back', async () => {
    const { url, asked } = await rawServer((one) => one.accept());
    const again = reconnect(url, quick);
    (await asked.next()).peer.send({ opcode: 8, mask: false, payload: '' });
    (await asked.next()).peer.end();
    await again[Symbol.asyncDispose]();
  });

  it('without a close frame comes back', async () => {
    const record = recorder();
    const { url } = await startServer(record.handlers);
    const again = reconnect(url, quick);
    (await record.opened.next()).terminate();
    await record.opened.next();
    await again[Symbol.asyncDispose]();
  });

  it.each([1000, 1002, 1003, 1007, 1008, 1009, 3000, 4000, 4401, 4409, 4429])(
    'with %i is final',
    async (code) => {
      const record = recorder();
      const { url } = await startServer(record.handlers);
      const again = reconnect(url, quick);
      (await record.opened.next()).close(code, 'over');
      expect(await again.finished).toMatchObject({ code, reason: 'over' });
      expect(again.connection).toBeUndefined();
      expect(record.opened.all).toHaveLength(1);
    },
  );
});

describe('reconnect() after a refusal', () => {
  it.each([200, 204, 302, 400, 401, 403, 404, 407, 410, 426])('with %i gives up', async (status) => {
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

describe('reconnect() to a proxy', () => {
  it.each([
    [407, 1],
    [403, 1],
    [502, 3],
    [503, 3],
  ])('that refuses with %i asks %i times', async (status, times) => {
    const proxy = await startProxy(`HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`);
    const link = reconnect('ws://127.0.0.1:1/', { ...quick, maxRetries: 2, proxy: `http://${proxy.at}` });
    expect(await link.finished).toMatchObject({ code: 'ERR_CONNECT', cause: { status } });
    expect(proxy.asked.all).toHaveLength(times);
  });
});

describe('the retry function of reconnect()', () => {
  const refusing = (status: number) =>
    rawServer(({ peer }) => peer.write(responseText(`${status} x`, { 'Content-Length': '0' })));

  it('is told what the table says, and true overrules it', async () => {
    const { url, asked } = await refusing(403);
    const told: RetryInfo[] = [];
    const link = reconnect(url, {
      ...quick,
      retry: async (info) => {
        told.push(info);
        return info.attempt < 3;
      },
    });
    expect(await link.finished).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status: 403 } });
    expect(asked.all).toHaveLength(3);
    expect(told).toMatchObject(
      [1, 2, 3].map((attempt) => ({ attempt, final: true, cause: { cause: { status: 403 } } })),
    );
  });

  it('ends with false what would go on', async () => {
    const { url, asked } = await refusing(503);
    const told: boolean[] = [];
    const link = reconnect(url, { ...quick, retry: ({ final }) => told.push(final) > 1 });
    expect(await link.finished).toMatchObject({ cause: { status: 503 } });
    expect([asked.all.length, told]).toEqual([1, [false]]);
  });

  it.each([undefined, null, 7, 'yes', {}])('leaves it to the table with %o', async (answer) => {
    const { url, asked } = await refusing(503);
    await reconnect(url, { ...quick, maxRetries: 2, retry: () => answer }).finished;
    expect(asked.all).toHaveLength(3);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no idea'))],
  ])('that %s ends it with ERR_HANDLER', async (_, retry) => {
    const { url } = await refusing(503);
    const over = await reconnect(url, { ...quick, retry }).finished;
    expect(over).toBeInstanceOf(LwsError);
    expect(over).toMatchObject({ code: 'ERR_HANDLER', cause: { message: 'no idea' } });
  });

  it('that never answers does not keep close() waiting', async () => {
    const { url } = await refusing(503);
    const link = reconnect(url, {
      ...quick,
      retry: () => new Promise(() => setImmediate(() => link.close())),
    });
    expect(await link.finished).toMatchObject({ cause: { status: 503 } });
  });
});

describe('Retry-After (RFC 9110 10.2.3) is waited for by reconnect(), at most maxDelay', () => {
  const at = (ms: number) => new Date(Date.now() + ms);
  const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
  const rfc850 = (date: Date) => {
    const [, day, month, year, time] = /, (\d+) (\w+) \d\d(\d\d) (\S+)/.exec(date.toUTCString())!;
    return `${days[date.getUTCDay()]}, ${day}-${month}-${year} ${time} GMT`;
  };
  const asctime = (date: Date) => {
    const [, name, day, month, year, time] = /^(\w+), (\d+) (\w+) (\d+) (\S+)/.exec(date.toUTCString())!;
    return `${name} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
  };
  const rows: [what: string, value: () => string, least: number, most: number][] = [
    ['seconds', () => '20', 20_000, 20_000],
    ['no wait', () => '0', 0, 0],
    ['more than maxDelay', () => '86400', 60_000, 60_000],
    ['more than a century', () => '9'.repeat(12), 60_000, 60_000],
    ['more than a number holds', () => '9'.repeat(400), 60_000, 60_000],
    ['a date', () => at(30_000).toUTCString(), 25_000, 30_000],
    ['a date of RFC 850', () => rfc850(at(30_000)), 25_000, 30_000],
    ['a date of asctime', () => asctime(at(30_000)), 25_000, 30_000],
    ['a date that is past', () => at(-60_000).toUTCString(), 0, 0],
    ['nonsense', () => 'soon', 0, 1],
    ['a negative number', () => '-1', 0, 1],
  ];

  it.each(rows)('%s', async (_, value, least, most) => {
    const { url } = await rawServer(({ peer }) =>
      peer.write(responseText('503 Later', { 'Retry-After': value(), 'Content-Length': '0' })),
    );
    const delays: number[] = [];
    const retry = ({ delay }: RetryInfo) => {
      delays.push(delay);
      return false;
    };
    await reconnect(url, { minDelay: 1, maxDelay: 60_000, retry }).finished;
    expect(delays[0]).toBeGreaterThanOrEqual(least);
    expect(delays[0]).toBeLessThanOrEqual(most);
  });

  it('is really waited', async () => {
    const { url, asked } = await rawServer(({ peer }) =>
      peer.write(responseText('429 Slow', { 'Retry-After': '1', 'Content-Length': '0' })),
    );
    const started = performance.now();
    await reconnect(url, { minDelay: 1, maxDelay: 2_000, maxRetries: 1 }).finished;
    expect(asked.all).toHaveLength(2);
    expect(performance.now() - started).toBeGreaterThan(990);
  });
});

describe('headers as a function', () => {
  it('are asked before each try, also async', async () => {
    let tries = 0;
    const { url, asked } = await rawServer(({ peer }) =>
      peer.write(responseText('503 Later', { 'Content-Length': '0' })),
    );
    const headers = async () => ({ Authorization: `Bearer ${++tries}` });
    await reconnect(url, { ...quick, maxRetries: 2, headers }).finished;
    expect(asked.all.map((one) => one.header('authorization'))).toEqual(['Bearer 1', 'Bearer 2', 'Bearer 3']);
  });

  it('are asked once by connect(), redirects included', async () => {
    let tries = 0;
    const { url, asked } = await rawServer((one) =>
      one.line.includes('/new') ? one.accept() : one.peer.write(responseText('302 x', { Location: '/new' })),
    );
    const connection = await connect(url, { followRedirects: 1, headers: () => [['X-Try', `${++tries}`]] });
    expect(asked.all.map((one) => one.header('x-try'))).toEqual(['1', '1']);
    connection.terminate();
  });

  it('that fail are ERR_CONNECT, and tried again', async () => {
    const { url } = await rawServer((one) => one.accept());
    const causes: unknown[] = [];
    const link: Reconnecting = reconnect(url, {
      ...quick,
      headers: () => {
        if (causes.length === 0) throw new Error('no token');
        return {};
      },
      open: () => link.close(),
      retry: ({ cause }) => void causes.push(cause),
    });
    await link.finished;
    expect(causes).toMatchObject([{ code: 'ERR_CONNECT', cause: { message: 'no token' } }]);
  });

  it.each([7, 'x', null])('that give %o are ERR_INVALID_ARGUMENT, for good', async (given) => {
    const link = reconnect('ws://127.0.0.1:1/', { ...quick, headers: () => given as never });
    expect(await link.finished).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('that never answer are given up at handshakeTimeout', async () => {
    const never = () => new Promise<never>(() => {});
    const outcome = connect('ws://127.0.0.1:1/', { handshakeTimeout: 20, headers: never });
    expect(await rejection(outcome)).toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  it('of a generator are sent by each try', async () => {
    const { url, asked } = await rawServer(({ peer }) =>
      peer.write(responseText('503 Later', { 'Content-Length': '0' })),
    );
    const headers = (function* (): Generator<[string, string]> {
      yield ['X-A', '1'];
    })();
    await reconnect(url, { ...quick, maxRetries: 1, headers }).finished;
    expect(asked.all.map((one) => one.header('x-a'))).toEqual(['1', '1']);
  });
});

it('reconnect() leaves no listener on its signal', async () => {
  const stop = new AbortController();
  const { url } = await rawServer(({ peer }) =>
    peer.write(responseText('403 No', { 'Content-Length': '0' })),
  );
  for (let i = 0; i < 3; i++) await reconnect(url, { ...quick, signal: stop.signal }).finished;
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
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

it.each<[object, RegExp]>([
  [{ minDelay: 0 }, /minDelay/],
  [{ stableAfter: -1 }, /stableAfter/],
  [{ stableAfter: 0.5 }, /stableAfter/],
  [{ maxRetries: -1 }, /maxRetries/],
  [{ maxdelay: 2 }, /did you mean "maxDelay"/],
  [{ handshakeTimout: 2 }, /did you mean "handshakeTimeout"/],
  [{ minDelay: 10, maxDelay: 5 }, /minDelay/],
  [{ retry: true }, /retry/],
  [{ protocols: ['a', 'a'] }, /protocols/],
  [{ headers: { Upgrade: 'x' } }, /Upgrade/],
  [{ headers: 'x' }, /headers/],
])('reconnect() throws at once for %o', (bad, says) => {
  expect(() => reconnect('ws://127.0.0.1', bad)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(says) }),
  );
});

it.each(['nonsense', 'ftp://x/', 'ws://x/#y', 7])('reconnect() throws at once for the URL %o', (url) => {
  expect(() => reconnect(url as string)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
});
