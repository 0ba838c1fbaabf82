import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { type ConnectOptions, connect, type ServerOptions } from '../../lib/index.js';
import { rawServer } from '../client/helpers/raw-server.js';
import { closeBody, Opcode, readClose } from '../helpers/frames.js';
import { handshakeText } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { start } from './children.js';

/** A handler that keeps the thread for itself. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

async function served(options: ServerOptions) {
  const record = recorder();
  return { ...record, ...(await startServer({ ...record.handlers, ...options })) };
}

describe('a blocked loop', () => {
  test('makes nobody silent: there are pings first, and time to answer them', async () => {
    const { url, server, closed } = await served({ pingInterval: 100, idleTimeout: 250 });
    const clients = Array.from({ length: 10 }, () => new WebSocket(url));
    onTestFinished(() => {
      for (const client of clients) client.terminate();
    });
    await Promise.all(clients.map((client) => once(client, 'open')));
    for (let i = 0; i < 3; i++) {
      block(600);
      await sleep(20);
    }
    await Promise.all(clients.map((client) => once(client, 'ping')));
    expect([closed.all.length, server.stats().connections]).toEqual([0, 10]);
  });

  test('makes nobody late with a request, the answer of a close frame, or FIN', async () => {
    const { connect: dial, opened, closed } = await served({ handshakeTimeout: 100, closeTimeout: 100 });
    const client = await dial();
    const text = handshakeText();
    client.write(text.slice(0, 20));
    await sleep(20);
    client.write(text.slice(20));
    block(500);
    expect((await client.response()).status).toBe(101);
    (await opened.next()).close(4000);
    await client.frame();
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(4000) });
    client.end();
    block(500);
    expect(await closed.next()).toMatchObject({ code: 4000, clean: true });
  });

  test('makes no client late, neither in its handshake nor behind it', async () => {
    const { url, asked } = await rawServer((one) => one.accept());
    const { closed, handlers } = recorder();
    const options: ConnectOptions<undefined> = { ...handlers, handshakeTimeout: 100, closeTimeout: 100 };
    const opening = connect(url, options);
    const { peer } = await asked.next();
    block(500);
    const connection = await opening;
    connection.close(4000);
    expect(readClose(await peer.frame()).code).toBe(4000);
    block(500);
    peer.write(Buffer.of(0x80 | Opcode.CLOSE, 2, 4000 >> 8, 4000 & 0xff));
    peer.end();
    expect(await closed.next()).toMatchObject({ code: 4000, clean: true });
  });

  test('cuts nobody off whom server.close() waits for', async () => {
    const { server, open, opened } = await served({});
    const client = await open();
    await opened.next();
    const closing = server.close({ timeout: 100 });
    await client.frame();
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(1001) });
    client.end();
    block(500);
    expect(await closing).toEqual({ closed: 1, forced: 0 });
  });

  test('does not hide a peer that is gone', async () => {
    const { open, closed } = await served({ pingInterval: 50, idleTimeout: 150 });
    await open();
    block(400);
    expect(await closed.next()).toMatchObject({ code: 1006, reason: expect.stringMatching(/idleTimeout/) });
  });
});

test('a process that was stopped and goes on calls nobody silent', async () => {
  const child = await start('patient-server.mjs');
  const url = `ws://127.0.0.1:${await child.line()}`;
  const clients = Array.from({ length: 5 }, () => new WebSocket(url));
  onTestFinished(() => {
    for (const client of clients) client.terminate();
  });
  await Promise.all(clients.map((client) => once(client, 'open')));
  let pings = 0;
  for (const client of clients) client.on('ping', () => pings++);
  child.kill('SIGSTOP');
  await sleep(1500);
  child.kill('SIGCONT');
  const before = pings;
  await turnUntil(() => pings >= before + clients.length);
  expect(clients.map(({ readyState }) => readyState)).toEqual(clients.map(() => WebSocket.OPEN));
  child.say('end');
  const { stdout } = await child.ended;
  expect(stdout).not.toContain('idleTimeout');
});
