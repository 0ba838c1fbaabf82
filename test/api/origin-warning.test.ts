import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { createServer, type Server, type ServerOptions } from '../../lib/index.js';

const warnings: Error[] = [];
const note = (warning: Error & { code?: string }) => {
  if (warning.code === 'LWS_ORIGINS') warnings.push(warning);
};
let server: Server | undefined;

afterEach(async () => {
  process.off('warning', note);
  warnings.length = 0;
  await server?.close({ timeout: 0 });
});

/** How many warnings there are after so many upgrades with these fields; HOST stands for the server's own. */
async function warned(
  options: ServerOptions,
  headers: Record<string, string>,
  upgrades = 1,
): Promise<number> {
  process.on('warning', note);
  server = createServer({ host: '127.0.0.1', ...options });
  const { port } = await server.listen();
  const own = `127.0.0.1:${port}`;
  for (let i = 0; i < upgrades; i++) {
    const fields = Object.entries(headers).map(([name, value]) => [name, value.replace('HOST', own)]);
    const socket = new WebSocket(`ws://${own}/`, { headers: Object.fromEntries(fields) });
    socket.on('error', () => {});
    socket.on('open', () => socket.send('x'));
    await once(socket, options.upgrade && headers.Refused ? 'close' : 'message').catch(() => {});
    socket.terminate();
  }
  await new Promise((done) => setImmediate(done));
  return warnings.length;
}

const echo: ServerOptions = { message: (c, data) => void c.send(data) };
const cookie = { Cookie: 'id=1' };
const own = { Origin: 'http://HOST', ...cookie };
const foreign = { Origin: 'https://elsewhere.example', ...cookie };
const accepting: ServerOptions = { ...echo, upgrade: () => ({}) };

describe('a server that takes cookies and has no origins', () => {
  it.each([
    ['accepts all in its core', echo, foreign],
    ['accepts all in its core, of its own page too', echo, own],
    ['has an open handler', { ...echo, open() {} }, own],
    ['accepts a foreign page in upgrade', accepting, foreign],
  ] as const)('warns once where it %s', async (_, options, headers) => {
    expect(await warned(options, headers, 3)).toBe(1);
    expect(warnings[0]!.message).toContain('origins: [');
  });

  it.each([
    ['origins are given', { ...echo, origins: ['https://elsewhere.example'] }, foreign],
    ['no cookie comes', echo, { Origin: 'https://elsewhere.example' }],
    ['no browser sends them', echo, cookie],
    ['upgrade accepts its own page', accepting, own],
    [
      'upgrade refuses the foreign page',
      { ...echo, upgrade: () => ({ status: 403 }) },
      { ...foreign, Refused: 'yes' },
    ],
  ] as const)('is silent where %s', async (_, options, headers) => {
    expect(await warned(options, headers)).toBe(0);
  });
});
