import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { until } from './helpers/managers.js';
import { startRedis } from './helpers/redis-server.js';

const program = fileURLToPath(new URL('../../examples/express-login/server.mjs', import.meta.url));
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Example {
  readonly url: string;
  end(): Promise<number | null>;
}

async function start(env: Record<string, string> = {}): Promise<Example> {
  const child: ChildProcess = spawn(process.execPath, [program], {
    env: { ...process.env, PORT: '0', HOST: '127.0.0.1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  closing.push(() => child.kill('SIGKILL'));
  const [line] = await Promise.race([once(createInterface({ input: child.stdout! }), 'line'), exited]);
  return {
    url: /http:\S+?(?=\/ )/.exec(String(line))?.[0] ?? `it said ${line}`,
    async end() {
      child.kill('SIGINT');
      return (await exited)[0];
    },
  };
}

async function post(url: string, cookie = ''): Promise<{ status: number; cookie: string }> {
  const headers = { cookie, 'content-type': 'application/x-www-form-urlencoded' };
  const response = await fetch(url, { method: 'POST', headers, body: 'user=Ann', redirect: 'manual' });
  return { status: response.status, cookie: response.headers.get('set-cookie')?.split(';')[0] ?? cookie };
}

/** A tab of the page. */
async function tab({ url }: Example, cookie: string, session = '') {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live?${session && `session=${session}`}`, {
    headers: { cookie, origin: url },
  });
  closing.push(() => socket.terminate());
  const messages: Record<string, unknown>[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  await until('hello', () => messages.length > 0);
  return {
    socket,
    messages,
    closed,
    hello: messages[0] as { session: string; resumed: boolean; clicks: number },
  };
}

describe('the example with Express', () => {
  test('one login, a session per tab, reloads that keep it, and a logout that ends all of them', async () => {
    const example = await start();
    const { status, cookie } = await post(`${example.url}/login`);
    expect(status).toBe(303);
    const first = await tab(example, cookie);
    first.socket.send('click');
    await until('counted', () => first.messages.some(({ clicks }) => clicks === 1));
    first.socket.close();
    await first.closed;
    const reloaded = await tab(example, cookie, first.hello.session);
    expect(reloaded.hello).toMatchObject({ user: 'Ann', resumed: true, clicks: 1 });
    const second = await tab(example, cookie);
    expect(second.hello).toMatchObject({ resumed: false, clicks: 0 });
    second.socket.send('click');
    const isTotal = ({ kind, total, tabs }: Record<string, unknown>) =>
      kind === 'total' && total === 2 && tabs === 2;
    await until('both know', () => [reloaded, second].every(({ messages }) => messages.some(isTotal)));
    expect((await post(`${example.url}/logout`, cookie)).status).toBe(303);
    expect(await Promise.all([reloaded.closed, second.closed])).toEqual([1008, 1008]);
    expect(await example.end()).toBe(0);
  });

  test('without a login, or from another page, there is no WebSocket', async () => {
    const example = await start();
    const url = `${example.url.replace('http', 'ws')}/live`;
    for (const [headers, expected] of [
      [{ origin: example.url }, 401],
      [{ origin: 'http://evil.example' }, 403],
      [{ origin: 'nonsense' }, 403],
    ] as const) {
      const socket = new WebSocket(url, { headers });
      const [, response] = await once(socket, 'unexpected-response');
      expect(response.statusCode).toBe(expected);
      response.destroy();
    }
    const page = await (await fetch(example.url)).text();
    expect(page).toContain('<title>One login</title>');
  });

  test('with Redis a login and its sessions survive a restart', async () => {
    const server = await startRedis();
    closing.push(() => server.stop());
    const env = { REDIS_URL: server.url, SESSION_SECRET: 'secret' };
    const before = await start(env);
    const { cookie } = await post(`${before.url}/login`);
    const first = await tab(before, cookie);
    first.socket.send('click');
    await until('counted', () => first.messages.some(({ clicks }) => clicks === 1));
    expect(await before.end()).toBe(0);
    const after = await start(env);
    const again = await tab(after, cookie, first.hello.session);
    expect(again.hello).toMatchObject({ resumed: true, clicks: 1 });
  });
});
