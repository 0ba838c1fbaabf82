import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createServer } from '../../lib/index.js';
import { type ChatPage, openChat } from './helpers/chat-page.js';
import { complaintsOf, launchChromium } from './helpers/chromium.js';
import { type Demo, startDemo } from './helpers/demo.js';
import { call, type Ended, open, rawPages } from './helpers/raw-page.js';

const screenshots = fileURLToPath(new URL('../../build/screenshots/', import.meta.url));
const markup = '<img src=x onerror=alert(1)>';

let browser: Browser;
let demo: Demo;
/** Tabs for a test alone, and those that wait outside of rooms for the next test. */
const tabs: ChatPage[] = [];
const idle: ChatPage[] = [];
const busy: ChatPage[] = [];
let rooms = 0;

/** A room of its own for each test. */
const newRoom = () => `room-${++rooms}-of-test`;

/** A tab of a browser context of its own, closed after the test. */
async function tab(options?: BrowserContextOptions): Promise<ChatPage> {
  const opened = await openChat(browser, demo.url, options);
  tabs.push(opened);
  return opened;
}

let raw: Page | undefined;

/** A page of the chat's origin with nothing in it but what speaks to the chat without the help of its page. */
async function rawPage(): Promise<{ page: Page; url: string }> {
  if (raw === undefined) {
    raw = await browser.newPage();
    await raw.goto(`${demo.url}icon.svg`);
    await raw.evaluate(`(() => {${readFileSync(`${rawPages}/raw.js`, 'utf8')}})()`);
  }
  return { page: raw, url: demo.url.replace('http', 'ws') };
}

/** Tabs of these people in one room, who see each other. Each is in a browser context of its own. */
async function together(room: string, ...names: string[]): Promise<ChatPage[]> {
  const opened = await Promise.all(names.map(async () => idle.pop() ?? openChat(browser, demo.url)));
  busy.push(...opened);
  for (const [i, one] of opened.entries()) await one.join(names[i]!, room);
  for (const one of opened) await one.seesPeople(...names);
  return opened;
}

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  [demo, browser] = await Promise.all([startDemo(), launchChromium()]);
});

afterEach(async () => {
  const complaints = [...tabs, ...busy].flatMap((one) => one.complaints.splice(0));
  await Promise.all(tabs.splice(0).map((one) => one.close()));
  const alive = busy.splice(0).filter((one) => !one.page.isClosed());
  await Promise.all(alive.map((one) => one.leave()));
  idle.push(...alive);
  expect(complaints).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  const end = await demo?.end();
  expect(end).toEqual({ code: 0, signal: null });
  expect(demo.complaints()).toBe('');
});

describe('people in one room', () => {
  it('see each other and what each of them says', async () => {
    const [ada, bob] = await together(newRoom(), 'Ada', 'Bob');
    await ada!.say('Hello Bob');
    await bob!.seesMessage('Hello Bob');
    await bob!.say('Hello Ada');
    await ada!.seesMessage('Hello Ada');
    for (const one of [ada!, bob!]) expect(await one.messages()).toEqual(['Hello Bob', 'Hello Ada']);
  });

  it('see nothing of another room', async () => {
    const [ada] = await together(newRoom(), 'Ada');
    const [bob] = await together(newRoom(), 'Bob');
    await ada!.say('only here');
    await ada!.seesMessage('only here');
    await bob!.say('only there');
    await bob!.seesMessage('only there');
    expect(await ada!.messages()).toEqual(['only here']);
  });

  it('see who is typing', async () => {
    const [ada, bob] = await together(newRoom(), 'Ada', 'Bob');
    await ada!.page.getByLabel('Message', { exact: true }).pressSequentially('Hm');
    await bob!.page.getByText('Ada is typing…').waitFor();
  });

  it('see markup in names and messages as the text it is', async () => {
    const [ada, bob] = await together(newRoom(), 'Ada', markup);
    await bob!.say(`<b>${markup}</b>`);
    await ada!.seesMessage(`<b>${markup}</b>`);
    await ada!.page.locator('#log strong').getByText(markup, { exact: true }).waitFor();
    expect(await ada!.page.locator('#log img, #log b, #people img').count()).toBe(0);
  });

  it('of the same name get a number each', async () => {
    const room = newRoom();
    const [first] = await together(room, 'Ada');
    const second = await tab();
    await second.join('ada', room);
    for (const one of [first!, second]) await one.seesPeople('Ada', 'ada 2');
  });

  it('see at once that someone left', async () => {
    const [ada, bob, cleo] = await together(newRoom(), 'Ada', 'Bob', 'Cleo');
    await bob!.page.getByRole('button', { name: 'Leave' }).click();
    await ada!.seesPeople('Ada', 'Cleo');
    await cleo!.close();
    await ada!.seesPeople('Ada');
    await ada!.page.getByText('Cleo left').waitFor();
  });
});

describe('a room', () => {
  it('shows a newcomer its last fifty messages', async () => {
    const room = newRoom();
    const [ada] = await together(room, 'Ada');
    /* by a raw socket and not faster than the server allows */
    const { page: writer, url } = await rawPage();
    const sockets = await Promise.all(Array.from({ length: 9 }, () => open(writer, url, ['chat'])));
    let said = 0;
    for (const [i, key] of sockets.entries()) {
      await call(writer, 'sendText', key, JSON.stringify({ type: 'join', name: `W${i}`, room }));
      for (let n = 0; n < 7; n++) {
        said += 1;
        await call(writer, 'sendText', key, JSON.stringify({ type: 'say', text: `line ${said}` }));
      }
      /* the next one speaks when this one was heard */
      await ada!.seesMessage(`line ${said}`);
      await call(writer, 'closeSocket', key);
    }
    const bob = await tab();
    await bob.join('Bob', room);
    const last = Array.from({ length: 50 }, (_, i) => `line ${said - 49 + i}`);
    expect(await bob.messages()).toEqual(last);
  });

  it('is in the address, so that it can be shared', async () => {
    const room = newRoom();
    const [ada] = await together(room, 'Ada');
    const bob = await tab();
    await bob.page.goto(ada!.page.url());
    expect(await bob.page.getByRole('textbox', { name: 'Room' }).inputValue()).toBe(room);
  });

  it('can be changed in the list of rooms', async () => {
    const [from, to] = [newRoom(), newRoom()];
    const [ada] = await together(from, 'Ada');
    const [bob] = await together(to, 'Bob');
    await ada!.page.getByRole('button', { name: `#${to}` }).click();
    for (const one of [ada!, bob!]) await one.seesPeople('Ada', 'Bob');
  });
});

describe('the page', () => {
  it('shows live figures of the server and draws them', async () => {
    const [ada] = await together(newRoom(), 'Ada');
    const { page } = ada!;
    const line = page.locator('#chart-messages .chart-line').first();
    const shown = () => line.getAttribute('d');
    await expect.poll(shown, { timeout: 4_000 }).toMatch(/^M[\d.]+,[\d.]+L/);
    const before = await shown();
    await ada!.say('counted');
    await expect.poll(shown, { timeout: 4_000 }).not.toBe(before);
    const connections = page.locator('#chart-connections output');
    /* each page has one for the chat and one for the figures */
    const expected = String(2 * (busy.length + idle.length));
    await expect.poll(() => connections.textContent(), { timeout: 4_000 }).toBe(expected);
    const received = page.locator('#totals div', { hasText: 'Messages received' }).locator('dd');
    expect(Number(await received.textContent())).toBeGreaterThan(0);
    expect(await page.locator('#chart-messages title').textContent()).toMatch(
      /^Messages per second: \d+ in, \d+ out/,
    );
  });

  it('asks no other host for anything', async () => {
    const ada = await tab();
    const asked: string[] = [];
    ada.page.on('request', (request) => asked.push(request.url()));
    await ada.page.reload({ waitUntil: 'networkidle' });
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((address) => !address.startsWith(demo.url))).toEqual([]);
  });

  it('lets no script make markup out of text', async () => {
    const ada = await tab();
    await expect(ada.page.evaluate('document.body.innerHTML = "<b>no</b>"')).rejects.toThrow(/TrustedHTML/);
    ada.complaints.length = 0;
  });

  it('tells why something was refused and keeps the text', async () => {
    const [ada] = await together(newRoom(), 'Ada');
    await ada!.page.evaluate(`for (let i = 0; i < 14; i++) {
      document.querySelector('#text').value = 'fast ' + i;
      document.querySelector('#say').requestSubmit();
    }`);
    await ada!.page.getByText('That is too fast').waitFor();
    const kept = await ada!.page.getByLabel('Message', { exact: true }).inputValue();
    const said = await ada!.messages();
    const all = [...said, ...kept.split('\n')].sort();
    expect(all).toEqual(Array.from({ length: 14 }, (_, i) => `fast ${i}`).sort());
  });

  it('shows what was not said where the field has no room for all of it', async () => {
    const ada = await tab();
    await ada.join('Ada', newRoom());
    await ada.page.evaluate(`for (let i = 0; i < 16; i++) {
      document.querySelector('#text').value = i + 'x'.repeat(400);
      document.querySelector('#say').requestSubmit();
    }`);
    await ada.page.getByText('That is too fast').waitFor();
    const unsaid = ada.page.locator('.notice', { hasText: 'Not said: ' });
    const field = ada.page.getByLabel('Message', { exact: true });
    const seen = async () => {
      const marked = await unsaid.allTextContents();
      const kept = (await field.inputValue()).split('\n');
      return [
        ...(await ada.messages()),
        ...kept,
        ...marked.map((text) => text.replace('Not said: ', '')),
      ].sort();
    };
    const all = Array.from({ length: 16 }, (_, i) => i + 'x'.repeat(400)).sort();
    await expect.poll(seen, { timeout: 4_000 }).toEqual(all);
    expect(await unsaid.count()).toBeGreaterThan(0);
  });

  it('marks a gap where more was said while it was away than the server keeps', async () => {
    const room = newRoom();
    const [ada] = await together(room, 'Ada');
    const bob = await tab();
    await bob.page.addInitScript(`{
      const sockets = [];
      globalThis.leave = () => {
        globalThis.away = true;
        for (const socket of sockets) socket.close(4000);
      };
      const unreached = () => {
        const socket = Object.assign(new EventTarget(), { readyState: 3, close() {}, send() {} });
        setTimeout(() => socket.dispatchEvent(new CloseEvent('close', { code: 1006 })));
        return socket;
      };
      globalThis.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
          if (globalThis.away) return unreached();
          super(url, protocols);
          sockets.push(this);
        }
      };
    }`);
    await bob.page.reload();
    await bob.join('Bob', room);
    await ada!.say('before');
    await bob.seesMessage('before');
    await bob.page.evaluate('leave()');
    await ada!.seesPeople('Ada');
    const { page, url } = await rawPage();
    for (let guest = 0; guest < 6; guest++) {
      const key = await open(page, url, ['chat']);
      await call(page, 'sendText', key, JSON.stringify({ type: 'join', name: `Guest ${guest}`, room }));
      for (let n = 0; n < 9; n++)
        await call(page, 'sendText', key, JSON.stringify({ type: 'say', text: `${guest} says ${n}` }));
      await ada!.seesMessage(`${guest} says 8`);
      await call(page, 'closeSocket', key);
    }
    await bob.page.evaluate('globalThis.away = false; document.querySelector("#retry").click()');
    await bob.page.getByText('More was said meanwhile than the server keeps').waitFor();
  });

  it('names what is wrong with a name before it joins', async () => {
    const ada = await tab();
    await ada.connected();
    await ada.page.getByLabel('Your name').fill('   ');
    await ada.page.getByRole('button', { name: 'Join' }).click();
    await ada.page.getByRole('alert').getByText('Please enter a name.').waitFor();
    expect(await ada.page.locator('#talk').isHidden()).toBe(true);
  });

  it('comes back after the server restarted, with what it showed', async () => {
    const room = newRoom();
    const [ada, bob] = await together(room, 'Ada', 'Bob');
    await ada!.say('before');
    await bob!.seesMessage('before');
    const { port } = demo;
    expect(await demo.end()).toEqual({ code: 0, signal: null });
    await ada!.page.getByText('Connection lost').waitFor();
    await ada!.say('meanwhile');
    await ada!.page.getByText('There is no connection right now').waitFor();
    await ada!.page.screenshot({ path: `${screenshots}lost-desktop-light.png` });
    demo = await startDemo(port);
    for (const one of [ada!, bob!]) await one.page.getByText('You are back.').waitFor();
    for (const one of [ada!, bob!]) await one.seesPeople('Ada', 'Bob');
    await ada!.page.keyboard.press('Enter');
    await bob!.seesMessage('meanwhile');
    expect(await bob!.messages()).toEqual(['before', 'meanwhile']);
    /* Chromium writes each refused attempt to the console, of all tabs */
    for (const { complaints } of [...busy, ...idle]) {
      const others = complaints.splice(0).filter((text) => !text.includes('ERR_CONNECTION_REFUSED'));
      complaints.push(...others);
    }
  });
});

describe('the server', () => {
  const tooLong = 'x'.repeat(1_001);
  const inRoom = { type: 'join', name: 'Ada', room: 'checked' };
  const refused: [why: string, before: object | undefined, sent: string, code: string][] = [
    ['text that is no JSON', undefined, '{', 'invalid'],
    ['JSON that is no object', undefined, '[]', 'invalid'],
    ['null', undefined, 'null', 'invalid'],
    ['an unknown type', undefined, '{"type":"constructor"}', 'invalid'],
    ['a name that is no string', undefined, '{"type":"join","name":{},"room":"a"}', 'invalid'],
    ['a name that is too long', undefined, JSON.stringify({ ...inRoom, name: 'x'.repeat(33) }), 'name'],
    ['a name that turns text around', undefined, JSON.stringify({ ...inRoom, name: 'a\u202eb' }), 'name'],
    ['a room with a slash', undefined, JSON.stringify({ ...inRoom, room: 'a/b' }), 'room'],
    ['words of someone outside', undefined, '{"type":"say","text":"hello"}', 'room'],
    ['a text that is too long', inRoom, JSON.stringify({ type: 'say', text: tooLong }), 'text'],
    ['an empty text', inRoom, '{"type":"say","text":" \\n "}', 'text'],
    ['a control character', inRoom, JSON.stringify({ type: 'say', text: 'a\u0007' }), 'text'],
  ];

  async function answerTo(page: ChatPage['page'], key: number): Promise<{ type: string; code?: string }> {
    for (;;) {
      const message = JSON.parse(await call<string>(page, 'nextText', key));
      if (message.type === 'refused' || message.type === 'said') return message;
    }
  }

  it('refuses what is not allowed and says which part', async () => {
    const { page, url } = await rawPage();
    for (const [why, before, sent, code] of refused) {
      const key = await open(page, url, ['chat']);
      if (before !== undefined) await call(page, 'sendText', key, JSON.stringify(before));
      await call(page, 'sendText', key, sent);
      expect(await answerTo(page, key), why).toMatchObject({ type: 'refused', code });
      await call(page, 'closeSocket', key);
    }
  });

  it('ends a connection that goes on after many refusals with 1008', async () => {
    const { page, url } = await rawPage();
    const key = await open(page, url, ['chat']);
    await call(page, 'sendTexts', key, 'junk', 40);
    expect(await call<Ended>(page, 'socketEnd', key)).toMatchObject({ code: 1008, wasClean: true });
  });

  it('ends a connection whose message is larger than any allowed one with 1009', async () => {
    const { page, url } = await rawPage();
    const key = await open(page, url, ['chat']);
    await call(page, 'sendText', key, 'x'.repeat(8 * 1024 + 1));
    expect(await call<Ended>(page, 'socketEnd', key)).toMatchObject({ code: 1009 });
  });

  it('lets pages of other origins not connect', async () => {
    await using elsewhere = createServer({ host: '127.0.0.1', files: { '/': rawPages } });
    const { port } = await elsewhere.listen();
    const page = await browser.newPage();
    const complaints = complaintsOf(page);
    await page.goto(`http://127.0.0.1:${port}/`);
    const url = demo.url.replace('http', 'ws');
    expect(await call(page, 'openSocket', url, ['chat'])).toEqual({ opened: false, code: 1006 });
    expect(complaints.join()).toContain('403');
    await page.close();
  });
});

describe('the layout', () => {
  const devices = [
    { name: 'desktop', viewport: { width: 1280, height: 800 } },
    { name: 'phone', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
  ];
  const schemes = ['light', 'dark'] as const;
  const cases = devices.flatMap((device) => schemes.map((scheme) => ({ ...device, scheme })));
  it.each(cases)('fits a $name in $scheme colours', async ({ name, scheme, ...device }) => {
    const room = newRoom();
    const others = await together(room, 'Grace Hopper', 'Linus');
    const me = await tab({ ...device, colorScheme: scheme, deviceScaleFactor: 1 });
    await me.connected();
    await me.page.screenshot({ path: `${screenshots}join-${name}-${scheme}.png` });
    await me.join('Ada Lovelace', room);
    await others[0]!.say('Good morning! Has anyone measured the new build?');
    await me.seesMessage('Good morning! Has anyone measured the new build?');
    await me.say('Yes: 50 connections, 16 in flight.\nThe figures are in the table beside this.');
    await others[1]!.say(`A long word: ${'Donaudampfschifffahrt'.repeat(6)}`);
    await others[1]!.say('and markup: <b>bold?</b>');
    await me.seesMessage('and markup: <b>bold?</b>');
    await others[0]!.page.getByLabel('Message', { exact: true }).pressSequentially('…');
    await me.page.getByText('Grace Hopper is typing…').waitFor();
    await me.page.screenshot({ path: `${screenshots}talk-${name}-${scheme}.png` });
    const size = (part: string) => me.page.evaluate<number>(`document.documentElement.${part}`);
    expect(await size('scrollWidth')).toBeLessThanOrEqual(device.viewport.width);
    expect(await size('scrollHeight')).toBeLessThanOrEqual(device.viewport.height);
    const box = await me.page.getByRole('button', { name: 'Send' }).boundingBox();
    expect(box!.y + box!.height).toBeLessThanOrEqual(device.viewport.height);
    if (name !== 'phone') return;
    await me.page.getByRole('button', { name: 'Details' }).click();
    await me.page.getByText('Messages per second', { exact: true }).waitFor();
    await me.page.screenshot({ path: `${screenshots}details-${name}-${scheme}.png` });
    expect(await size('scrollWidth')).toBeLessThanOrEqual(device.viewport.width);
  });
});
