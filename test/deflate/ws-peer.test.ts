import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import WebSocket, { type PerMessageDeflateOptions, WebSocketServer } from 'ws';
import { connect, type DeflateOptions } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer } from '../helpers/server.js';
import { kinds } from './helpers/payloads.js';

type Message = string | Buffer;

/** Both sides of every length form, of zlib's windows and blocks, and of memory pages. */
const sizes = [
  0, 1, 2, 3, 7, 64, 124, 125, 126, 127, 255, 256, 511, 512, 1000, 1023, 1024, 1025, 4095, 4096, 4097, 16383,
  16384, 32767, 32768, 32769, 65534, 65535, 65536, 65537, 100_000, 131_071, 131_072,
];

const messages: Message[] = Object.values(kinds).flatMap((make) => sizes.map(make));

/** Every combination of what each side keeps, and the windows that matter, as our options and those of `ws`. */
const combinations: [what: string, ours: DeflateOptions, theirs: PerMessageDeflateOptions][] = [];
for (const contextTakeover of [false, true])
  for (const peerContextTakeover of [false, true])
    for (const [windowBits, peerWindowBits] of [
      [15, 15],
      [9, 15],
      [15, 9],
      [10, 12],
    ] as const)
      combinations.push([
        `our context ${contextTakeover ? 'kept' : 'fresh'}, theirs ${peerContextTakeover ? 'kept' : 'fresh'}, windows of ${windowBits} and ${peerWindowBits} bits`,
        { contextTakeover, peerContextTakeover, windowBits, peerWindowBits, threshold: 0 },
        { threshold: 0 },
      ]);
combinations.push(
  [
    'ws keeps no context',
    { contextTakeover: true, peerContextTakeover: true, threshold: 0 },
    { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  ],
  [
    'levels and memory at their least',
    { level: 0, memLevel: 1, threshold: 0 },
    { threshold: 0, zlibDeflateOptions: { level: 0, memLevel: 1 } },
  ],
  [
    'levels and memory at their most',
    { level: 9, memLevel: 9, contextTakeover: true, threshold: 0 },
    { threshold: 0, zlibDeflateOptions: { level: 9, memLevel: 9 } },
  ],
  ['thresholds on both sides', { threshold: 1024 }, { threshold: 1024 }],
);

function take(data: WebSocket.RawData, isBinary: boolean): Message {
  return isBinary ? (data as Buffer) : data.toString();
}

function same(a: Message, b: Message): boolean {
  return typeof a === 'string' ? a === b : typeof b !== 'string' && a.equals(b);
}

/** Which came back otherwise than they went, by kind and size. */
function differing(back: readonly Message[]): string[] {
  const found = messages.flatMap((message, i) => (same(message, back[i] ?? 'nothing') ? [] : [i]));
  return found.map(
    (i) => `${Object.keys(kinds)[Math.floor(i / sizes.length)]} of ${sizes[i % sizes.length]} bytes`,
  );
}

describe.each(combinations)('%s', (_, ours, theirs) => {
  it('our server gives a client of ws back every message as it went', async () => {
    const { url } = await startServer({ message: (c, data) => void c.send(data), perMessageDeflate: ours });
    const peer = new WebSocket(url, { perMessageDeflate: theirs });
    onTestFinished(() => peer.terminate());
    const back: Message[] = [];
    const finished = new Promise<void>((resolve, reject) => {
      peer.on('error', reject);
      peer.on('close', (code) => reject(new Error(`closed with ${code} after ${back.length}`)));
      peer.on('message', (data, isBinary) => {
        back.push(take(data, isBinary));
        if (back.length === messages.length) resolve();
      });
    });
    await new Promise((resolve) => peer.once('open', resolve));
    expect(peer.extensions).toContain('permessage-deflate');
    for (const message of messages) peer.send(message);
    await finished;
    expect(differing(back)).toEqual([]);
  });

  it('our client gets every message back from a server of ws as it went', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: theirs });
    onTestFinished(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    await new Promise((resolve) => server.once('listening', resolve));
    const extensions = queue<string>();
    server.on('connection', (peer) => {
      extensions.push(peer.extensions);
      peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }));
    });
    const record = recorder();
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = await connect(url, { ...record.handlers, perMessageDeflate: ours });
    expect(await extensions.next()).toContain('permessage-deflate');
    for (const message of messages) connection.send(message);
    const back: Message[] = [];
    while (back.length < messages.length) {
      const next = await Promise.race([record.messages.next(), record.closed.next()]);
      if (typeof next === 'object' && 'clean' in next) throw new Error(`closed: ${JSON.stringify(next)}`);
      back.push(next);
    }
    expect(differing(back)).toEqual([]);
    connection.close();
    expect(await connection.closed).toMatchObject({ code: 1000, clean: true });
  });
});
