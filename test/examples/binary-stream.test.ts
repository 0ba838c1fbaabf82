import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect, LwsError } from '../../lib/index.js';
import { endCleanly, folder, serve, start } from './helpers/program.js';

const program = 'binary-stream/server.mjs';
const client = 'binary-stream/client.mjs';

it.each([
  ['an empty one', 0],
  ['one byte', 1],
  ['20 MiB', 20 * 1024 * 1024 + 7],
])('carries a file there and back: %s', async (_, size) => {
  const home = folder();
  const server = await serve(program, { FOLDER: join(home, 'served') });
  const bytes = randomBytes(size);
  writeFileSync(join(home, 'data.bin'), bytes);
  const put = start(client, ['put', join(home, 'data.bin'), server.url]);
  expect(await put.end('none')).toBe(0);
  expect(put.output()).toMatch(new RegExp(`^${size} bytes, sha256 [0-9a-f]{64}\n$`));
  expect(readFileSync(join(home, 'served', 'data.bin')).equals(bytes)).toBe(true);
  const get = start(client, ['get', 'data.bin', join(home, 'copy.bin'), server.url]);
  expect(await get.end('none')).toBe(0);
  expect(get.output()).toBe(put.output());
  expect(readFileSync(join(home, 'copy.bin')).equals(bytes)).toBe(true);
  expect(readdirSync(join(home, 'served'))).toEqual(['data.bin']);
  await endCleanly(server);
});

it('says which file is not there', async () => {
  const home = folder();
  const server = await serve(program, { FOLDER: home });
  const get = start(client, ['get', 'nothing', join(home, 'copy'), server.url]);
  expect(await get.end('none')).toBe(1);
  expect(get.output()).toBe('no such file\n');
});

it.each(['/', '/get/', '/get/..', '/put/.hidden', '/get/a/b', '/put/a%2Fb', '/get/%2e%2e%2fetc'])(
  'refuses the path %s',
  async (path) => {
    const server = await serve(program, { FOLDER: folder() });
    const error = await connect(server.url + path.slice(1)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LwsError);
    expect(((error as LwsError).cause as Response).status).toBe(404);
  },
);

it('goes on when a disk fails', async () => {
  const home = folder();
  const server = await serve(program, { FOLDER: home });
  rmSync(home, { recursive: true });
  const lost = await connect(`${server.url}put/lost`);
  lost.send(new Uint8Array(100_000));
  expect(await lost.closed).toMatchObject({ code: 4000 });
  await endCleanly(server);
});

it('leaves nothing of an upload that is too large, or cut', async () => {
  const home = folder();
  const server = await serve(program, { FOLDER: home, LARGEST: '1000' });
  const large = await connect(`${server.url}put/large`);
  large.send(new Uint8Array(1001));
  expect(await large.closed).toMatchObject({ code: 4000, reason: 'larger than 1000 bytes' });
  const cut = await connect(`${server.url}put/cut`, {
    pong: (connection) => connection.terminate(),
    message() {},
  });
  cut.send(new Uint8Array(1000));
  cut.ping();
  await cut.closed;
  const after = await connect(`${server.url}get/cut`);
  expect(await after.closed, server.output()).toMatchObject({ code: 4000, reason: 'no such file' });
  await endCleanly(server);
  expect(readdirSync(home)).toEqual([]);
});

it('holds little of a file that nobody reads', async () => {
  const home = folder();
  const server = await serve(program, { FOLDER: home });
  const size = 200 * 1024 * 1024;
  writeFileSync(join(home, 'large'), Buffer.alloc(size));
  const status = () => readFileSync(`/proc/${server.process.pid}/status`, 'utf8');
  const resident = () => Number(/VmHWM:\s+(\d+) kB/.exec(status())![1]) * 1024;
  const before = resident();
  const reader = await connect(`${server.url}get/large`);
  let bytes = 0;
  for await (const piece of reader) {
    if (typeof piece === 'string') break;
    bytes += piece.length;
    if (bytes % (16 * 1024 * 1024) < piece.length) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(bytes).toBe(size);
  expect(resident() - before).toBeLessThan(100 * 1024 * 1024);
  expect(existsSync(join(home, 'large'))).toBe(true);
});
