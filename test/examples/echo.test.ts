import { once } from 'node:events';
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { endCleanly, serve, start } from './helpers/program.js';

it('echoes texts and bytes to a client of another make, and tells it 1001 at the end', async () => {
  const server = await serve('echo/server.mjs');
  const socket = new WebSocket(server.url);
  await once(socket, 'open');
  for (const [sent, isBinary] of [
    ['héllo', false],
    [Buffer.from([0, 255]), true],
  ] as const) {
    socket.send(sent);
    const [data, binary] = await once(socket, 'message');
    expect(data).toEqual(Buffer.from(sent));
    expect(binary).toBe(isBinary);
  }
  const closed = once(socket, 'close');
  await endCleanly(server);
  expect((await closed)[0]).toBe(1001);
});

it('has a client that shows what comes back', async () => {
  const server = await serve('echo/server.mjs');
  const client = start('echo/client.mjs', [server.url]);
  client.type('one');
  await client.says('one\n');
  client.type('two');
  await client.says('one\ntwo\n');
  client.process.stdin!.end();
  expect(await client.end('none')).toBe(0);
  expect(client.output()).toBe('one\ntwo\nclosed with 1000\n');
  await endCleanly(server);
});

it('has a client that prints the echo of every line of a pipe before it closes', async () => {
  const server = await serve('echo/server.mjs');
  const client = start('echo/client.mjs', [server.url]);
  const text = Array.from({ length: 500 }, (_, i) => `line ${i} ${'x'.repeat(i * 10)}\n`).join('');
  client.process.stdin!.end(text);
  expect(await client.end('none')).toBe(0);
  expect(client.output()).toBe(`${text}closed with 1000\n`);
  await endCleanly(server);
});

it('has a client that says why nobody is there', async () => {
  const client = start('echo/client.mjs', ['ws://127.0.0.1:1/']);
  expect(await client.end('none')).toBe(1);
  expect(client.output()).toMatch(/ECONNREFUSED/);
});
