import { describe, expect, it, onTestFinished } from 'vitest';
import type { ServerOptions } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer } from '../helpers/server.js';

/** Node has a WebSocket as browsers do since version 22. */
const Client = (globalThis as { WebSocket?: typeof WebSocket }).WebSocket;
const suite = Client === undefined ? 'needs Node 22 or later, which has a WebSocket of its own' : '';

interface Dialed {
  socket: WebSocket;
  messages: ReturnType<typeof queue<string | ArrayBuffer>>;
  closed: Promise<{ code: number; reason: string; wasClean: boolean }>;
}

async function dial(url: string, protocols?: string[]): Promise<Dialed> {
  const socket = new Client!(url, protocols);
  socket.binaryType = 'arraybuffer';
  const messages = queue<string | ArrayBuffer>();
  socket.addEventListener('message', ({ data }) => messages.push(data));
  const closed = new Promise<{ code: number; reason: string; wasClean: boolean }>((resolve) => {
    socket.addEventListener('close', ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }));
  });
  onTestFinished(() => socket.close());
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error('The WebSocket failed to open')));
  });
  return { socket, messages, closed };
}

const echo: ServerOptions = { message: (connection, data) => void connection.send(data) };

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await dial(running.url);
  return { ...running, ...record, client, connection: await record.opened.next() };
}

describe.skipIf(Client === undefined)(`the WebSocket of Node itself ${suite}`, () => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 1_000_000])('gets %i bytes back', async (size) => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url);
    const bytes = Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    socket.send(bytes);
    const back = await messages.next();
    expect(back).toBeInstanceOf(ArrayBuffer);
    expect(Buffer.from(back as ArrayBuffer).equals(bytes)).toBe(true);
  });

  it.each(['', 'Hello', 'Grüße €😀', 'x'.repeat(100_000)])('gets text back: %.12s', async (text) => {
    const { url } = await startServer(echo);
    const { socket, messages } = await dial(url);
    socket.send(text);
    expect(await messages.next()).toBe(text);
  });

  it('gets a thousand messages in order', async () => {
    const { connection, client } = await pair();
    for (let i = 0; i < 1000; i++) connection.send(`${i}`);
    for (let i = 0; i < 1000; i++) expect(await client.messages.next()).toBe(`${i}`);
  });

  it('tells code, reason and cleanliness when we close', async () => {
    const { connection, client, closed } = await pair();
    connection.close(4001, 'grün');
    expect(await client.closed).toEqual({ code: 4001, reason: 'grün', wasClean: true });
    expect(await closed.next()).toMatchObject({ code: 4001, clean: true });
  });

  it.each([
    [undefined, undefined, 1005, ''],
    [1000, '', 1000, ''],
    [3000, 'bye', 3000, 'bye'],
    [4999, 'grün', 4999, 'grün'],
  ])('closes itself with %s and %s', async (code, reason, told, toldReason) => {
    const { client, closed } = await pair();
    client.socket.close(code, reason);
    expect(await closed.next()).toEqual({ code: told, reason: toldReason, clean: true });
    expect(await client.closed).toMatchObject({ code: told, wasClean: true });
  });

  it('is not clean when we terminate', async () => {
    const { connection, client } = await pair();
    connection.terminate();
    expect(await client.closed).toMatchObject({ code: 1006, wasClean: false });
  });

  it('answers our pings by itself', async () => {
    const { connection, pongs } = await pair();
    connection.ping('are you there?');
    expect(await pongs.next()).toBe('are you there?');
  });

  it('gets the subprotocol that was chosen', async () => {
    const { url } = await startServer({ protocols: { b: echo as object } });
    const { socket, messages } = await dial(url, ['a', 'b']);
    expect([socket.protocol, socket.extensions]).toEqual(['b', '']);
    socket.send('x');
    expect(await messages.next()).toBe('x');
  });

  it('fails when we refuse', async () => {
    const { url } = await startServer({ message() {}, upgrade: () => ({ status: 403 }) });
    await expect(dial(url)).rejects.toThrow('failed to open');
  });

  it('fails when it offers only what nobody serves', async () => {
    const { url } = await startServer({ protocols: { b: {} } });
    await expect(dial(url, ['c'])).rejects.toThrow('failed to open');
  });

  it('fails when its subprotocol is not served but the server has handlers, as browsers do', async () => {
    const { url } = await startServer(echo);
    await expect(dial(url, ['c'])).rejects.toThrow('failed to open');
  });
});

describe.skipIf(Client !== undefined)('this Node', () => {
  it('has no WebSocket of its own, so that part is skipped', () => {
    expect(Number(process.versions.node.split('.')[0])).toBeLessThan(22);
  });
});
