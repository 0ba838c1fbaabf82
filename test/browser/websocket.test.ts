import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CloseInfo, type Connection, createServer, protocol, type Server } from '../../lib/index.js';
import { launchChromium } from './helpers/chromium.js';
import { call, type Ended, type Opened, open, rawPages } from './helpers/raw-page.js';

const KIB = 1024;
const MIB = 1024 * KIB;

let browser: Browser;
let page: Page;
let server: Server;
let url: string;
/** What the next opened and the next closed connection is told to. */
const opened: ((connection: Connection) => void)[] = [];
const closed: ((info: CloseInfo) => void)[] = [];

const nextOpened = () => new Promise<Connection>((resolve) => opened.push(resolve));
const nextClosed = () => new Promise<CloseInfo>((resolve) => closed.push(resolve));

beforeAll(async () => {
  const echo = protocol({
    open: (connection) => opened.shift()?.(connection),
    message: (connection, data) => void connection.send(data),
    close: (_, info) => closed.shift()?.(info),
  });
  server = createServer({
    host: '127.0.0.1',
    files: { '/': rawPages },
    maxPayload: 8 * MIB,
    upgrade(request) {
      if (request.path === '/forbidden') return { status: 403, body: 'no' };
      return request.path === '/late' ? delay(50, {}) : undefined;
    },
    ...echo,
    protocols: { echo, 'echo.v2': echo },
  });
  const { port } = await server.listen();
  url = `ws://127.0.0.1:${port}/`;
  browser = await launchChromium();
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
});

afterAll(async () => {
  await browser?.close();
  await server?.close({ timeout: 1_000 });
});

describe('messages between Chromium and the server', () => {
  const texts = ['', 'hello', 'zwölf €uro 😀', '\u0000\uffff', '{"a":[1,2]}'];
  it.each(texts)('text %j comes back as it was', async (text) => {
    expect(await call(page, 'echoText', await open(page, url), text)).toBe(text);
  });

  /* around the three forms of the length field (RFC 6455 5.2), and far beyond every buffer */
  const sizes = [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 65_537, MIB, 8 * MIB];
  it.each(sizes)('%i bytes come back as they were', async (size) => {
    const key = await open(page, url);
    expect(await call(page, 'echoBinary', key, size)).toEqual({ kind: 'binary', size, same: true });
  });

  it('a Blob comes back as bytes', async () => {
    const key = await open(page, url);
    const answer = await call(page, 'echoBinary', key, 70_000, true);
    expect(answer).toEqual({ kind: 'binary', size: 70_000, same: true });
  });

  it('a long text with characters of one to four bytes comes back as it was', async () => {
    expect(await call(page, 'echoLongText', await open(page, url), MIB)).toBe(true);
  });

  it('five thousand messages sent at once come back in order', async () => {
    expect(await call(page, 'echoMany', await open(page, url), 5_000)).toBe('in order');
  });

  it('large messages in both directions at once arrive whole', async () => {
    const accepted = nextOpened();
    const key = await open(page, url);
    const connection = await accepted;
    const bytes = Buffer.alloc(6 * MIB, randomBytes(4093));
    connection.send(bytes);
    const sent = await call<string>(page, 'sendPattern', key, 6 * MIB);
    const fromServer = await call<{ size: number; digest: string }>(page, 'nextDigest', key);
    const echoed = await call<{ size: number; digest: string }>(page, 'nextDigest', key);
    const digest = createHash('sha256').update(bytes).digest('hex');
    expect(fromServer).toEqual({ size: bytes.length, digest });
    expect(echoed).toEqual({ size: 6 * MIB, digest: sent });
  });

  it('a message sent in `open` is the first to arrive', async () => {
    const accepted = nextOpened().then((connection) => connection.send('welcome'));
    const key = await open(page, url);
    await accepted;
    expect(await call(page, 'nextText', key)).toBe('welcome');
  });

  it('a message above `maxPayload` closes with 1009', async () => {
    const key = await open(page, url);
    await call(page, 'sendZeros', key, 8 * MIB + 1);
    expect(await call<Ended>(page, 'socketEnd', key)).toMatchObject({ code: 1009, wasClean: true });
  });
});

describe('the handshake with Chromium', () => {
  const offers: [offered: string[], chosen: string][] = [
    [[], ''],
    [['echo'], 'echo'],
    [['echo.v2', 'echo'], 'echo.v2'],
    [['unknown', 'echo'], 'echo'],
  ];
  it.each(offers)('offered %j it speaks %j', async (offered, chosen) => {
    const result = await call<Opened>(page, 'openSocket', url, offered);
    expect(result).toMatchObject({ opened: true, protocol: chosen });
  });

  /* RFC 6455 4.1: the client fails a handshake whose answer lacks all of the offered ones */
  it('offered unknown subprotocols only, Chromium refuses the connection without one', async () => {
    expect(await call(page, 'openSocket', url, ['unknown'])).toEqual({ opened: false, code: 1006 });
  });

  it('an upgrade that is decided later opens then', async () => {
    const result = await call<Opened>(page, 'openSocket', `${url}late`);
    expect(result.opened).toBe(true);
  });

  it('a refused upgrade fails with 1006', async () => {
    expect(await call(page, 'openSocket', `${url}forbidden`)).toEqual({ opened: false, code: 1006 });
  });
});

describe('closing between Chromium and the server', () => {
  const reasons = ['', 'done', 'größer 😀', 'x'.repeat(123)];
  const codes = [1000, 1001, 1008, 1011, 1013, 3000, 4999];
  const ends = [
    ...codes.map((code) => [code, 'why'] as const),
    ...reasons.map((reason) => [1000, reason] as const),
  ];

  it.each(ends)('Chromium sees the server close with %i %j', async (code, reason) => {
    const accepted = nextOpened();
    const ended = nextClosed();
    const key = await open(page, url);
    (await accepted).close(code, reason);
    expect(await call(page, 'socketEnd', key)).toEqual({ code, reason, wasClean: true });
    expect(await ended).toMatchObject({ code, clean: true });
  });

  it.each([
    [1000, 'done'],
    [3000, ''],
    [4999, 'größer 😀'],
  ])('the server sees Chromium close with %i %j', async (code, reason) => {
    const ended = nextClosed();
    const key = await open(page, url);
    await call(page, 'closeSocket', key, code, reason);
    expect(await ended).toEqual({ code, reason, clean: true });
    expect(await call(page, 'socketEnd', key)).toMatchObject({ code, wasClean: true });
  });

  it('a close without code is 1005 on both sides', async () => {
    const ended = nextClosed();
    const key = await open(page, url);
    await call(page, 'closeSocket', key);
    expect(await ended).toEqual({ code: 1005, reason: '', clean: true });
    expect(await call(page, 'socketEnd', key)).toEqual({ code: 1005, reason: '', wasClean: true });
  });

  it('what was sent before a close arrives before it', async () => {
    const accepted = nextOpened();
    const key = await open(page, url);
    const connection = await accepted;
    connection.send('x'.repeat(300 * KIB));
    connection.send('last');
    connection.close(4000, 'bye');
    expect(await call(page, 'socketEnd', key)).toMatchObject({ code: 4000, wasClean: true });
    await call(page, 'nextText', key);
    expect(await call(page, 'nextText', key)).toBe('last');
  });

  it('Chromium sees `terminate` as 1006 and not clean', async () => {
    const accepted = nextOpened();
    const key = await open(page, url);
    (await accepted).terminate();
    expect(await call(page, 'socketEnd', key)).toEqual({ code: 1006, reason: '', wasClean: false });
  });

  it('the server sees a closed tab as 1001', async () => {
    const tab = await browser.newPage();
    await tab.goto(url.replace('ws:', 'http:'));
    const ended = nextClosed();
    await open(tab, url);
    await tab.close();
    expect(await ended).toMatchObject({ code: 1001 });
  });
});
