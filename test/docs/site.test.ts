import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServer, type Server } from '../../lib/index.js';
import { complaintsOf, launchChromium } from '../browser/helpers/chromium.js';
import { page as markdown, root } from './helpers/pages.js';

const site = join(root, 'build', 'docs');
const screenshots = join(root, 'build', 'screenshots');

let browser: Browser;
let server: Server;
let home: string;
let files: string[];

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  execFileSync(process.execPath, [join(root, 'scripts', 'docs.mjs')], { stdio: 'pipe' });
  files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'));
  server = createServer({ host: '127.0.0.1', files: { '/': site } });
  home = `http://127.0.0.1:${(await server.listen()).port}/`;
  browser = await launchChromium();
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await server?.close({ timeout: 0 });
});

const html = (file: string) => readFileSync(join(site, file), 'utf8');
const attributes = (text: string, names: string) =>
  [...text.matchAll(new RegExp(`\\s(?:${names})="([^"]*)"`, 'g'))].map((match) =>
    match[1]!.replaceAll('&amp;', '&'),
  );

describe('the built site', () => {
  it('has every page of the table of contents', () => {
    const titles = [...markdown('docs/README.md').text.matchAll(/^\* \[([^\]]+)\]/gm)].map(
      (match) => match[1]!,
    );
    const names = files.map((file) => file.replace(/^documents\//, ''));
    expect(titles.filter((title) => !names.includes(`${title.replace(/[^\w.]/g, '_')}.html`))).toEqual([]);
  });

  it('has no link that leads nowhere, and no anchor that is not there', () => {
    const ids = new Map<string, Set<string>>();
    const idsOf = (file: string) => {
      if (!ids.has(file)) ids.set(file, new Set(attributes(readFileSync(file, 'utf8'), 'id')));
      return ids.get(file)!;
    };
    const faults: string[] = [];
    for (const file of files) {
      for (const link of attributes(html(file), 'href|src')) {
        if (/^(?:https?|mailto|data):/.test(link)) continue;
        const [path = '', anchor] = link.split('#');
        const target =
          path === '' ? join(site, file) : resolve(site, dirname(file), decodeURIComponent(path));
        if (!existsSync(target)) faults.push(`${file}: ${link}: no such file`);
        else if (anchor && target.endsWith('.html') && !idsOf(target).has(decodeURIComponent(anchor)))
          faults.push(`${file}: ${link}: no such anchor`);
      }
    }
    expect(faults).toEqual([]);
  });

  it('takes nothing from elsewhere', () => {
    const foreign = files.flatMap((file) =>
      [...html(file).matchAll(/<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(https?:[^"]*)"/g)].map(
        (match) => `${file}: ${match[1]}`,
      ),
    );
    expect(foreign).toEqual([]);
  });
});

describe('the site in a browser that reaches nothing else', () => {
  async function open(path: string, colorScheme: 'light' | 'dark', width: number): Promise<[Page, string[]]> {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    page.on('request', (request) => {
      if (!request.url().startsWith(home)) complaints.push(`asks for ${request.url()}`);
    });
    await page.goto(home + path);
    return [page, complaints];
  }

  const looks = ['light', 'dark'].flatMap((scheme) => [1280, 390].map((width) => [scheme, width] as const));
  const shown = ['index.html', 'documents/Connections_and_lifetimes.html', 'documents/Server_options.html'];

  it.each(looks.flatMap(([scheme, width]) => shown.map((path) => [path, scheme, width] as const)))(
    'shows %s, %s and %i wide, with its drawings and no wider than the window',
    async (path, scheme, width) => {
      const [page, complaints] = await open(path, scheme as 'light' | 'dark', width);
      await page.locator('h1:visible').first().waitFor();
      const name = path.replace(/\W+/g, '-');
      await page.screenshot({ path: join(screenshots, `docs-${name}-${scheme}-${width}.png`) });
      const wide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await page.evaluate(wide)).toBe(0);
      const unseen =
        '[...document.images].filter((image) => image.naturalWidth === 0).map((image) => image.src)';
      expect(await page.evaluate(unseen)).toEqual([]);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );

  it.each([
    ['maxBackpressure', 'Backpressure'],
    ['requestWritable', 'requestWritable'],
    ['1006', 'Troubleshooting'],
  ])('finds %s, in pages and in the API', async (query, expected) => {
    const [page, complaints] = await open('index.html', 'light', 1280);
    await page.locator('#tsd-search-trigger').click();
    await page.locator('#tsd-search-input').fill(query);
    await page.locator('#tsd-search-results').getByText(expected).first().waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
