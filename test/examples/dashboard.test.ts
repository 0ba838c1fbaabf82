import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, LwsError } from '../../lib/index.js';
import { complaintsOf, launchChromium } from '../browser/helpers/chromium.js';
import { endCleanly, type ServerProgram, serve } from './helpers/program.js';

const program = 'dashboard/server.mjs';
const screenshots = fileURLToPath(new URL('../../build/screenshots/', import.meta.url));
const addressOf = ({ url }: ServerProgram) => url.replace('http:', 'ws:');

let browser: Browser;
beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  browser = await launchChromium();
});
afterAll(() => browser.close());

interface Told {
  bounds?: number[];
  samples: { connections: number; sessions: number; latency: number[]; rates: Record<string, number> }[];
}

it('tells those who watch what the others do', async () => {
  const server = await serve(program);
  const busy = await Promise.all(
    Array.from({ length: 5 }, () => connect(addressOf(server), { message() {} })),
  );
  const watcher = await connect(addressOf(server), { protocols: 'dashboard' });
  let bounds: number[] | undefined;
  for await (const text of watcher) {
    const told = JSON.parse(String(text)) as Told;
    bounds ??= told.bounds;
    for (const connection of busy) connection.send('hello');
    const full = told.samples.find(
      ({ connections, sessions, latency, rates }) =>
        connections === 6 &&
        sessions === 5 &&
        latency.some((count) => count > 0) &&
        rates.messagesReceived! > 0,
    );
    if (full === undefined) continue;
    expect(full.latency).toHaveLength(bounds!.length + 1);
    expect(full.latency.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(6);
    break;
  }
  await endCleanly(server);
});

it('refuses pages of other origins, and those who talk where they should watch', async () => {
  const server = await serve(program);
  const stranger = await connect(addressOf(server), { headers: { origin: 'http://evil.example' } }).catch(
    (error: unknown) => error,
  );
  expect(((stranger as LwsError).cause as Response).status).toBe(403);
  expect(stranger).toBeInstanceOf(LwsError);
  const watcher = await connect(addressOf(server), { protocols: 'dashboard', message() {} });
  watcher.send('hello');
  expect((await watcher.closed).code).toBe(1008);
  await endCleanly(server);
});

it.each([
  ['light', 1200],
  ['dark', 1200],
  ['light', 390],
  ['dark', 390],
] as const)('draws its charts in a browser, %s and %i wide', async (colorScheme, width) => {
  const server = await serve(program);
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(server.url);
  await page.getByText('Live').waitFor();
  await page.getByRole('button', { name: 'Add 10 clients' }).click();
  await page.locator('#connections').getByText('11', { exact: true }).waitFor();
  await page.locator('#sessions').getByText('10', { exact: true }).waitFor();
  await expect.poll(() => page.locator('#p50').textContent(), { timeout: 10_000 }).toMatch(/\d/);
  await expect.poll(() => page.locator('.path').count()).toBe(6);
  expect(await page.locator('.bar').count()).toBe(11);
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  expect(await page.evaluate(overflow)).toBe(0);
  await page.screenshot({ path: `${screenshots}dashboard-${colorScheme}-${width}.png`, fullPage: true });
  await page.getByRole('button', { name: 'Remove all' }).click();
  await page.locator('#connections').getByText('1', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
  await context.close();
  await endCleanly(server);
});
