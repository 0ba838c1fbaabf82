import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { connect as connectClient, LwsError } from '../../lib/index.js';
import { live } from './helpers/live.js';
import { sleep, until } from './helpers/managers.js';

describe('values with the life of the layers below', () => {
  test('[L1] [L2] [L3] memory is zeroed, the same in every event, and gone after close', async () => {
    const seen: ArrayBuffer[] = [];
    const sizes: number[] = [];
    const { join } = await live({
      memory: 32,
      open(c) {
        seen.push(c.memory);
        sizes.push(c.memory.byteLength, Math.max(...new Uint8Array(c.memory)));
        new Uint8Array(c.memory)[0] = 7;
      },
      message: (c) => void seen.push(c.memory),
      close(c) {
        seen.push(c.memory);
        sizes.push(c.memory.byteLength, new Uint8Array(c.memory)[0] ?? -1);
      },
    });
    const { socket } = await join();
    socket.send('x');
    socket.close();
    await until('closed', () => seen.length === 3);
    await until('detached', () => seen[0]?.byteLength === 0);
    expect(new Set(seen).size).toBe(1);
    expect(sizes).toEqual([32, 0, 32, 7]);
  });

  test('[D-L3] memory that its user moved elsewhere is safe: close leaves the moved bytes alone', async () => {
    const moved: Uint8Array[] = [];
    const { join, server } = await live({
      memory: 8,
      message(c) {
        new Uint8Array(c.memory).fill(7);
        moved.push(new Uint8Array(structuredClone(c.memory, { transfer: [c.memory] })));
      },
    });
    const { socket, closed } = await join();
    socket.send('x');
    await until('moved', () => moved.length === 1);
    socket.close();
    await closed;
    for (let n = 0; n < 20; n++) (await join()).socket.terminate();
    await until('gone', () => server.connections.size === 0);
    expect([...(moved[0] ?? [])]).toEqual(new Array(8).fill(7));
  });

  test('[L10] a client either fails to connect or opens and closes, never both', async () => {
    const story: string[] = [];
    const { url, server } = await live({});
    const handlers = { open: () => void story.push('open'), close: () => void story.push('close') };
    const connection = await connectClient(url, handlers);
    connection.close();
    await connection.closed;
    expect(story).toEqual(['open', 'close']);
    await server.close({ timeout: 0 });
    await expect(connectClient(url, handlers)).rejects.toThrow(LwsError);
    expect(story).toEqual(['open', 'close']);
  });

  test('[L4] [L3] after close nothing of ours keeps the connection or its data alive', async () => {
    const refs: WeakRef<object>[] = [];
    const { join, sessions } = await live<{ big: number[] }, unknown>({
      upgrade: () => ({ data: { big: new Array(1000).fill(0) } }),
      open: (c, s) => void refs.push(new WeakRef(c), new WeakRef(c.data), new WeakRef(s)),
    });
    for (let n = 0; n < 10; n++) {
      const { socket, closed } = await join();
      await until('open', () => refs.length === 3 * (n + 1));
      socket.close();
      await closed;
    }
    await until('gone', () => sessions.stats().connections === 0);
    await until('collected', async () => {
      await sleep(20);
      globalThis.gc?.();
      return refs.every((ref) => ref.deref() === undefined);
    });
    expect(refs).toHaveLength(30);
  });

  test('[L6] transport data survives keep-alive requests and the upgrade on the same connection', async () => {
    const seen: unknown[] = [];
    const { port } = await live<unknown, { requests: number }>({
      request(request) {
        request.transport.data = { requests: (request.transport.data?.requests ?? 0) + 1 };
        return new Response(`${request.transport.data.requests}`);
      },
      open: (c, s) => void seen.push(c.transport.data.requests, s.status),
    });
    const socket = connect(port, '127.0.0.1');
    const plain = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
    const upgrade =
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
    let received = '';
    socket.on('data', (data) => {
      received += data;
    });
    socket.write(plain);
    await until('first answer', () => received.endsWith('1'));
    socket.write(plain);
    await until('second answer', () => received.endsWith('2'));
    socket.write(upgrade);
    await until('open', () => seen.length === 2);
    socket.destroy();
    expect(seen).toEqual([2, 'active']);
  });

  test('plain HTTP beside sessions is left alone', async () => {
    const { port } = await live({ request: () => new Response('hello') });
    const [response] = await once(get({ port, host: '127.0.0.1' }), 'response');
    let body = '';
    for await (const part of response) body += part;
    expect(body).toBe('hello');
  });
});
