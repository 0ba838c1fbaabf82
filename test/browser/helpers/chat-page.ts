import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { complaintsOf } from './chromium.js';

/** A tab of the chat, by what a person does and sees there. */
export interface ChatPage {
  readonly page: Page;
  readonly complaints: string[];
  join(name: string, room: string): Promise<void>;
  say(text: string): Promise<void>;
  /** Resolves when a message with exactly this text is shown. */
  seesMessage(text: string): Promise<void>;
  /** Resolves when exactly these people are listed, in any order. */
  seesPeople(...names: string[]): Promise<void>;
  messages(): Promise<string[]>;
  /** Resolves when the page says that it is connected. */
  connected(): Promise<void>;
  /** Resolves when it is in the room under the name. */
  isIn(room: string, name: string): Promise<void>;
  /** Leaves the room, if it is in one. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the page in a browser context of its own. */
export async function openChat(
  browser: Browser,
  url: string,
  options?: BrowserContextOptions,
): Promise<ChatPage> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(8_000);
  const tab = await openTab(context, url);
  return { ...tab, close: () => context.close() };
}

/** Opens the page in a further tab of a browser context. */
export async function openTab(context: BrowserContext, url: string): Promise<ChatPage> {
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(url);
  const texts = page.locator('#log .message-text');
  return {
    page,
    complaints,
    async join(name, room) {
      await page.locator('#state[data-state=open]').waitFor();
      await page.getByLabel('Your name').fill(name);
      await page.getByRole('textbox', { name: 'Room' }).fill(room);
      await page.getByRole('button', { name: 'Join' }).click();
      await page.getByRole('heading', { name: `#${room}` }).waitFor();
    },
    async say(text) {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
    },
    async seesMessage(text) {
      await texts.getByText(text, { exact: true }).waitFor();
    },
    async seesPeople(...names) {
      const shown = async () => (await page.locator('#people .person').allTextContents()).sort();
      await expect.poll(shown, { timeout: 8_000, interval: 25 }).toEqual([...names].sort());
    },
    messages: () => texts.allTextContents(),
    connected: () => page.locator('#state[data-state=open]').waitFor(),
    async isIn(room, name) {
      await page.getByRole('heading', { name: `#${room}`, exact: true }).waitFor();
      await page.locator('#talk-name').getByText(name, { exact: true }).waitFor();
      await page.locator('#state[data-state=open]').waitFor();
    },
    async leave() {
      const button = page.getByRole('button', { name: 'Leave' });
      if (await button.isVisible()) await button.click();
    },
    close: () => page.close(),
  };
}
