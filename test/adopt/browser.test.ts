import type { Http2Server } from 'node:http2';
import type { Page } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import type { ServerOptions } from '../../lib/index.js';
import { launchChromium } from '../browser/helpers/chromium.js';
import { attached } from './helpers/attached.js';

/** A page of Chromium, loaded over HTTP/2 from a server of Node that ours is attached to. */
async function pageOverHttp2(options: ServerOptions) {
  const made = await attached('h2', options);
  const versions: string[] = [];
  made.node.on('request', (_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>page</title>');
  });
  (made.node as Http2Server).on('stream', (_, headers) => {
    if (headers[':protocol'] !== undefined) versions.push(`2 ${headers[':protocol']}`);
  });
  made.node.on('upgrade', () => versions.push('1.1'));
  const browser = await launchChromium();
  onTestFinished(() => browser.close());
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  await page.goto(`https://127.0.0.1:${made.port}/`);
  return { ...made, page, versions };
}

/** Sends each text, collects the echoes, closes with 4000 and tells how it closed. */
function echoes(page: Page, port: number, texts: string[]) {
  return page.evaluate(
    ({ url, texts }) =>
      new Promise<{ came: string[]; code: number; clean: boolean; extensions: string }>((resolve) => {
        const socket = new WebSocket(url, 'chat');
        const came: string[] = [];
        socket.onopen = () => {
          for (const text of texts) socket.send(text);
        };
        socket.onmessage = (event) => {
          if (came.push(event.data) === texts.length) socket.close(4000, 'enough');
        };
        socket.onclose = ({ code, wasClean }) =>
          resolve({ came, code, clean: wasClean, extensions: socket.extensions });
      }),
    { url: `wss://127.0.0.1:${port}/ws`, texts },
  );
}

test.each([false, true])('Chromium speaks WebSocket over HTTP/2 (compression: %s)', async (compressed) => {
  const options: ServerOptions = {
    perMessageDeflate: compressed,
    protocols: { chat: { message: (c, data) => void c.send(data) } },
  };
  const { page, port, versions } = await pageOverHttp2(options);
  const texts = ['short', 'x'.repeat(70_000), 'päckchen'];
  const seen = await echoes(page, port, texts);
  expect(seen).toMatchObject({ came: texts, code: 4000, clean: true });
  expect(seen.extensions.includes('permessage-deflate')).toBe(compressed);
  expect(versions).toEqual(['2 websocket']);
});

test('Chromium is told of a refusal over HTTP/2', async () => {
  const { page, port, versions } = await pageOverHttp2({ upgrade: () => ({ status: 403 }) });
  expect(await echoes(page, port, ['never'])).toMatchObject({ came: [], code: 1006, clean: false });
  expect(versions).toEqual(['2 websocket']);
});
