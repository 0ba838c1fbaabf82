import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

/** The folder of the page that speaks raw WebSockets for the tests. */
export const rawPages = fileURLToPath(new URL('../pages', import.meta.url));

/** Calls a function of `pages/raw.js`. */
export function call<T>(page: Page, name: string, ...args: unknown[]): Promise<T> {
  return page.evaluate(`${name}(...${JSON.stringify(args)})`);
}

export interface Opened {
  opened: boolean;
  key: number;
  protocol: string;
  extensions: string;
  code?: number;
}

export interface Ended {
  code: number;
  reason: string;
  wasClean: boolean;
}

/** Opens a socket that must open, and returns its key. */
export async function open(page: Page, url: string, protocols: string[] = []): Promise<number> {
  const result = await call<Opened>(page, 'openSocket', url, protocols);
  if (!result.opened) throw new Error(`Expected ${url} to open but it closed with ${result.code}`);
  return result.key;
}
