import { type Browser, chromium, type Page } from 'playwright-core';
import { chromium as installedChromium } from '../../../scripts/tools/prerequisites.mjs';

/** Each launch has a profile of its own, which goes with it. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = installedChromium();
  if (executablePath === undefined)
    throw new Error(
      'Expected Chromium in CHROMIUM or in the path; run: node scripts/prerequisites.mjs browser',
    );
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** What a page complained about: exceptions, console errors and refusals of its Content-Security-Policy. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  return complaints;
}
