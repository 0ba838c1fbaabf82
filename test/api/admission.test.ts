import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Buckets } from '../../lib/handshake/bucket.js';
import { type Admission, createServer, type UpgradeRequest } from '../../lib/index.js';
import { sessionKey } from '../../lib/sessions/index.js';
import { connectRaw, handshakeText } from '../helpers/raw-client.js';
import { startServer } from '../helpers/server.js';

async function gated(admission: Admission, options: Parameters<typeof startServer>[0] = {}) {
  const asked: UpgradeRequest[] = [];
  const running = await startServer({
    trustProxy: ['127.0.0.1'],
    upgrade(request) {
      asked.push(request);
      return undefined;
    },
    ...options,
    admission,
  });
  return {
    ...running,
    asked,
    /** The status that a client gets, and how long it is to wait. */
    async ask(headers: Record<string, string> = {}) {
      const client = await running.connect();
      client.write(handshakeText({ headers }));
      const { status, header } = await client.response();
      return { status, wait: header('retry-after') };
    },
  };
}

const from = (address: string) => ({ 'X-Forwarded-For': address });

describe('admission of a whole server', () => {
  test('takes a burst, then refuses with 503 before any handler', async () => {
    const { ask, asked, server } = await gated({ rate: 0.01, burst: 3 });
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push((await ask()).status);
    expect(answers).toEqual([101, 101, 101, 503, 503]);
    expect(asked).toHaveLength(3);
    expect(server.stats().upgradesRefused).toBe(2);
  });

  test('takes as many a second as it says', async () => {
    const { ask } = await gated({ rate: 20, burst: 1 });
    const begin = performance.now();
    let taken = 0;
    while (performance.now() - begin < 1000) if ((await ask()).status === 101) taken++;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThanOrEqual(22);
  });

  test('spreads those that it refused over the time that they need', async () => {
    const { ask } = await gated({ rate: 1, burst: 1 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask()));
    const waits = answers.filter(({ status }) => status === 503).map(({ wait }) => Number(wait));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...waits)).toBeGreaterThan(5);
    expect(Math.max(...waits)).toBeLessThanOrEqual(31);
  });

  test('holds for a server without handlers, for requests of none', async () => {
    const { ask, connect } = await gated(
      { rate: 0.01, burst: 1 },
      { upgrade: undefined, request: () => undefined },
    );
    expect((await ask()).status).toBe(101);
    expect((await ask()).status).toBe(503);
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await client.response()).status).toBe(404);
  });
});

describe('admission per address', () => {
  const perAddress = { rate: 0.1, burst: 2 };

  test('refuses one address with 429 and the time until its next, and no other', async () => {
    const { ask } = await gated({ rate: 1000, perAddress });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push(await ask(from('192.0.2.1')));
    expect(statuses.map(({ status }) => status)).toEqual([101, 101, 429]);
    expect(Number(statuses[2]!.wait)).toBe(10);
    expect((await ask(from('192.0.2.2'))).status).toBe(101);
  });

  test('takes no token of the whole server for whom it refuses', async () => {
    const { ask } = await gated({ rate: 0.01, burst: 3, perAddress });
    for (let i = 0; i < 10; i++) await ask(from('192.0.2.1'));
    expect((await ask(from('192.0.2.2'))).status).toBe(101);
  });

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', true],
    ['2001:db8:1:2::1', '2001:0DB8:1:0002:0:0:0:9', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:db8:0:1::1', false],
    ['::1', '::2', true],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
    ['192.0.2.1', '192.0.2.2', false],
  ])('%s and %s are one client: %s', async (one, other, same) => {
    const { ask } = await gated({ rate: 1000, perAddress: { rate: 0.01, burst: 1 } });
    expect((await ask(from(one))).status).toBe(101);
    expect((await ask(from(other))).status).toBe(same ? 429 : 101);
  });

  test('is not for the far end of a unix socket, which is anybody', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lwsn-admission-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const socketPath = join(folder, 'socket');
    const { ask } = await gated(
      { rate: 1000, perAddress: { rate: 0.01, burst: 1 } },
      { socketPath, trustProxy: false },
    );
    for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(101);
  });
});

describe('the lane of those who come back', () => {
  const key = sessionKey('a secret of sixteen bytes');
  const identify = (request: UpgradeRequest) => key.open(request.headers.get('x-session'));
  const back = (id: string) => ({ 'X-Session': key.sign(id) });

  test('is open when that of the new ones is full', async () => {
    const { ask } = await gated({ rate: 0.01, burst: 1, returning: { identify, rate: 1000 } });
    await ask();
    expect((await ask()).status).toBe(503);
    for (let i = 0; i < 20; i++) expect((await ask(back(`s${i}`))).status).toBe(101);
  });

  test('is not entered by a forged signature', async () => {
    const { ask } = await gated({ rate: 0.01, burst: 1, returning: { identify, rate: 1000 } });
    await ask();
    const signed = key.sign('s1');
    for (const forged of ['s1', `s2${signed.slice(2)}`, `${signed.slice(0, -1)}A`, 'x'.repeat(10_000)])
      expect((await ask({ 'X-Session': forged })).status).toBe(503);
  });

  test('is not filled by one of them', async () => {
    const { ask } = await gated({ rate: 1, returning: { identify, rate: 1000 } });
    const statuses = [];
    for (let i = 0; i < 12; i++) statuses.push((await ask(back('greedy'))).status);
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(101));
    expect(statuses.at(-1)).toBe(429);
    expect((await ask(back('other'))).status).toBe(101);
  });

  test('is not shared by those of one address', async () => {
    const { ask } = await gated({
      rate: 1000,
      perAddress: { rate: 0.01, burst: 1 },
      returning: { identify },
    });
    for (let i = 0; i < 5; i++)
      expect((await ask({ ...back(`s${i}`), ...from('192.0.2.1') })).status).toBe(101);
  });

  test('has a bound of its own', async () => {
    const { ask } = await gated({ rate: 1000, returning: { identify, rate: 0.01, burst: 2 } });
    expect((await ask(back('a'))).status).toBe(101);
    expect((await ask(back('b'))).status).toBe(101);
    expect((await ask(back('c'))).status).toBe(503);
    expect((await ask()).status).toBe(101);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['returns a promise', async () => 'someone'],
    ['returns true', () => true],
    ['returns an empty name', () => ''],
  ])('an identify that %s takes the client for a new one, and is told', async (_, wrong) => {
    const error = vi.fn();
    const { ask } = await gated({ rate: 0.01, burst: 1, returning: { identify: wrong as never } }, { error });
    expect((await ask()).status).toBe(101);
    expect((await ask()).status).toBe(503);
    expect(error).toHaveBeenCalledTimes(2);
    expect(error.mock.calls[0]![0]).toMatchObject({ code: 'ERR_HANDLER' });
  });
});

describe('the option admission', () => {
  test.each([
    [5, 'an object for the option "admission"'],
    [{}, 'the option "admission.rate"'],
    [{ rate: 0 }, 'for the option "admission.rate"'],
    [{ rate: 1, burst: 0.5 }, 'for the option "admission.burst"'],
    [{ rate: 1, perAddress: {} }, 'the option "admission.perAddress.rate"'],
    [{ rate: 1, perAddress: { rate: Number.NaN } }, 'for the option "admission.perAddress.rate"'],
    [{ rate: 1, returning: {} }, 'the option "admission.returning.identify"'],
    [{ rate: 1, returning: { identify: 1 } }, 'a function for the option "admission.returning.identify"'],
    [{ rate: 1, retruning: {} }, 'did you mean "returning"?'],
  ])('%j is refused', (given, says) => {
    expect(() => createServer({ admission: given as never })).toThrow(says);
  });
});

test('an upgrade that was adopted is asked about too', async () => {
  const server = createServer({ admission: { rate: 0.01, burst: 1 } });
  const node = createHttpServer().listen(0, '127.0.0.1');
  onTestFinished(async () => {
    await server.close({ timeout: 0 });
    node.close();
  });
  server.attach(node);
  await new Promise((resolve) => node.once('listening', resolve));
  const statuses = [];
  for (let i = 0; i < 2; i++) {
    const client = await connectRaw((node.address() as { port: number }).port);
    client.write(handshakeText());
    statuses.push((await client.response()).status);
    client.destroy();
  }
  expect(statuses).toEqual([101, 503]);
});

describe('what is remembered of names', () => {
  const rate = { rate: 1, burst: 1 };

  test('is bounded, however many come', () => {
    const buckets = new Buckets(rate, 100);
    for (let i = 0; i < 10_000; i++) expect(buckets.take(`n${i}`, 0)).toBeUndefined();
    expect(buckets.size).toBeLessThanOrEqual(100);
    expect(buckets.take('n9999', 0)).toBe(1000);
  });

  test('is forgotten when it would tell nothing more', () => {
    const buckets = new Buckets(rate);
    for (let i = 0; i < 1000; i++) buckets.take(`n${i}`, 0);
    for (let i = 0; i < 1000; i++) buckets.take(`m${i}`, 5000);
    expect([...Array(1000).keys()].every((i) => buckets.take(`m${i}`, 5000) === 1000)).toBe(true);
    expect(buckets.size).toBe(1000);
  });

  test('is kept while it tells something, whoever else comes', () => {
    const buckets = new Buckets({ rate: 0.001, burst: 1 });
    buckets.take('first', 0);
    for (let i = 0; i < 5000; i++) buckets.take(`n${i}`, i);
    expect(buckets.take('first', 5000)).toBeGreaterThan(900_000);
  });
});
