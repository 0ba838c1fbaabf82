import type { Browser } from 'playwright-core';
import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import { untilKept } from '../sessions/helpers/kept.js';
import { startRedis } from '../sessions/helpers/redis-server.js';
import { type ChatPage, openChat, openTab } from './helpers/chat-page.js';
import { launchChromium } from './helpers/chromium.js';
import { type Demo, startDemo } from './helpers/demo.js';

let browser: Browser;
let demo: Demo;
const closing: (() => unknown)[] = [];

/** A tab of a browser context of its own, in a room. */
async function tabIn(room: string, name: string, { url } = demo): Promise<ChatPage> {
  const opened = await openChat(browser, url);
  closing.push(opened.close);
  await opened.join(name, room);
  return opened;
}

/** A demo of its own for a test. */
async function ownDemo(settings: Record<string, string>, port = 0): Promise<Demo> {
  const own = await startDemo(port, settings);
  closing.push(() => own.end('SIGKILL'));
  return own;
}

const session = (one: ChatPage) => one.page.evaluate<string | null>("sessionStorage.getItem('chat-session')");

beforeAll(async () => {
  [demo, browser] = await Promise.all([startDemo(), launchChromium()]);
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

afterAll(async () => {
  await browser?.close();
  expect(await demo?.end()).toEqual({ code: 0, signal: null });
  expect(demo.complaints()).toBe('');
});

describe('a reload', () => {
  it('keeps name and room, and whose the messages are', async () => {
    const ada = await tabIn('reload', 'Ada');
    const bob = await tabIn('reload', 'Bob');
    await ada.say('before');
    await bob.seesMessage('before');
    const id = await session(ada);
    await ada.page.reload();
    await ada.isIn('reload', 'Ada');
    expect(await session(ada)).toBe(id);
    for (const one of [ada, bob]) await one.seesPeople('Ada', 'Bob');
    await ada.seesMessage('before');
    expect(await ada.page.locator('.message.own .message-text').allTextContents()).toEqual(['before']);
  });

  it('leaves the count of its room right', async () => {
    const ada = await tabIn('counted', 'Ada');
    await ada.page.reload();
    await ada.isIn('counted', 'Ada');
    const badge = ada.page.locator('#rooms [data-room=counted] .badge');
    await expect.poll(() => badge.textContent(), { timeout: 4_000 }).toBe('1');
  });

  it('keeps the number that a name got', async () => {
    await tabIn('numbers', 'Ada');
    const second = await tabIn('numbers', 'Ada');
    await second.isIn('numbers', 'Ada 2');
    await second.page.reload();
    await second.isIn('numbers', 'Ada 2');
  });

  it('outside of rooms keeps the name in its field', async () => {
    const ada = await tabIn('left', 'Ada');
    await ada.leave();
    await ada.page.reload();
    await ada.connected();
    await expect.poll(() => ada.page.getByLabel('Your name').inputValue()).toBe('Ada');
    expect(await ada.page.locator('#talk').isHidden()).toBe(true);
    expect(await ada.page.locator('#join-note').textContent()).toBe('');
  });

  it('at the address of another room goes there', async () => {
    const ada = await tabIn('here', 'Ada');
    await ada.page.goto(`${demo.url}?room=there`);
    await ada.isIn('there', 'Ada');
    await ada.seesPeople('Ada');
  });
});

describe('a second tab', () => {
  it('has a session of its own', async () => {
    const ada = await tabIn('tabs', 'Ada');
    const second = await openTab(ada.page.context(), demo.url);
    await second.connected();
    expect(await second.page.locator('#talk').isHidden()).toBe(true);
    await second.join('Bob', 'tabs');
    for (const one of [ada, second]) await one.seesPeople('Ada', 'Bob');
    expect(await session(second)).not.toBe(await session(ada));
  });

  it('that is a copy takes the session over, and the first can take it back', async () => {
    const ada = await tabIn('copies', 'Ada');
    const bob = await tabIn('copies', 'Bob');
    const opened = ada.page.context().waitForEvent('page');
    /* as a browser copies a tab: with its sessionStorage */
    await ada.page.evaluate("void open('/')");
    const copy = await opened;
    await copy.getByRole('heading', { name: '#copies' }).waitFor();
    await ada.page.getByText('This session went on in another tab').waitFor();
    await bob.seesPeople('Ada', 'Bob');
    await ada.page.getByRole('button', { name: 'Connect now' }).click();
    await ada.isIn('copies', 'Ada');
    await copy.getByText('This session went on in another tab').waitFor();
    await bob.seesPeople('Ada', 'Bob');
    const heard = await bob.page.locator('#log .notice').allTextContents();
    expect(heard).toEqual([]);
  });
});

describe('the end of a session', () => {
  it('by a logout is told, and forgets name and room', async () => {
    const ada = await tabIn('logout', 'Ada');
    const bob = await tabIn('logout', 'Bob');
    const id = await session(ada);
    await ada.page.evaluate(`{
      const state = document.querySelector('#state');
      globalThis.states = [];
      new MutationObserver(() => states.push(state.dataset.state)).observe(state, { attributes: true });
    }`);
    await ada.page.getByRole('button', { name: 'Log out' }).click();
    await ada.page.getByText('You have logged out.').waitFor();
    await bob.seesPeople('Bob');
    await ada.connected();
    expect(await ada.page.evaluate<string[]>('states')).not.toContain('waiting');
    await expect.poll(() => session(ada)).not.toBeNull();
    expect(await session(ada)).not.toBe(id);
    await ada.page.reload();
    await ada.connected();
    expect(await ada.page.getByLabel('Your name').inputValue()).toBe('');
  });

  it('by silence is told in the open page', async () => {
    const own = await ownDemo({ SESSION_MINUTES: '0.02' });
    const ada = await tabIn('silence', 'Ada', own);
    await ada.page.getByText('your session has expired').waitFor();
    await ada.connected();
    expect(await ada.page.locator('#talk').isHidden()).toBe(true);
    await ada.page.getByRole('button', { name: 'Join' }).click();
    await ada.isIn('silence', 'Ada');
  });

  it('while the page was away is told when it comes back', async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const own = await ownDemo({ SESSION_MINUTES: '0.02', REDIS_URL: redis.url });
    const client = await createClient({ url: redis.url })
      .on('error', () => {})
      .connect();
    closing.push(() => client.destroy());
    const store = new RedisStore({ client, prefix: 'chat:' });
    const ada = await tabIn('away', 'Ada', own);
    await ada.page.goto(`${own.url}icon.svg`);
    const id = (await session(ada))!;
    expect(id).toMatch(/^\d+\.[\w-]{24}$/);
    /* not by the page: a handshake would prolong it */
    await expect.poll(() => store.count(), { timeout: 8_000 }).toBe(0);
    await ada.page.goto(own.url);
    await ada.page.getByText('The server no longer knows your session').waitFor();
    expect(await session(ada)).not.toBe(id);
  });
});

describe('a restart of the server', () => {
  it('with Redis keeps name and room, also of a page that reloads meanwhile', async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const settings = { REDIS_URL: redis.url };
    const before = await ownDemo(settings);
    const ada = await tabIn('kept', 'Ada', before);
    const bob = await tabIn('kept', 'Bob', before);
    expect(await before.end()).toEqual({ code: 0, signal: null });
    expect(before.complaints()).toBe('');
    await bob.page.goto('about:blank');
    const after = await ownDemo(settings, before.port);
    await bob.page.goto(after.url);
    await ada.isIn('kept', 'Ada');
    await bob.isIn('kept', 'Bob');
    for (const one of [ada, bob]) await one.seesPeople('Ada', 'Bob');
    expect(await ada.page.getByText('You are back.').count()).toBe(1);
  });

  it('that was killed with Redis behind it keeps them as well', async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const settings = { REDIS_URL: redis.url };
    const before = await ownDemo(settings);
    const ada = await tabIn('killed', 'Ada', before);
    await untilKept(redis.url, (await session(ada))!);
    await before.end('SIGKILL');
    await ada.page.goto('about:blank');
    const after = await ownDemo(settings, before.port);
    await ada.page.goto(after.url);
    await ada.isIn('killed', 'Ada');
    await ada.seesPeople('Ada');
  });

  it('without Redis tells a page that reloads that its session is gone', async () => {
    const before = await ownDemo({});
    const ada = await tabIn('lost', 'Ada', before);
    expect(await before.end()).toEqual({ code: 0, signal: null });
    await ada.page.goto('about:blank');
    const after = await ownDemo({}, before.port);
    await ada.page.goto(after.url);
    await ada.page.getByText('The server no longer knows your session').waitFor();
  });
});
