import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import WebSocket, { type PerMessageDeflateOptions, WebSocketServer } from 'ws';
import { type Connection, connect, type DeflateOptions } from '../../lib/index.js';
import { kinds } from '../deflate/helpers/payloads.js';
import { startServer } from '../helpers/server.js';

const KIB = 1024;
const MIB = 1024 * KIB;

type Role = 'server' | 'client';
interface Settings {
  ours?: DeflateOptions;
  theirs?: PerMessageDeflateOptions;
}

const echo = { message: (connection: Connection, data: string | Buffer) => void connection.send(data) };
const roles: Role[] = ['server', 'client'];

/** A socket of `ws` whose other end is ours, in that role, with default options; it echoes. */
async function echoing(role: Role, { ours, theirs }: Settings): Promise<WebSocket> {
  const deflate = ours === undefined ? {} : { perMessageDeflate: ours };
  const options = { perMessageDeflate: theirs ?? false, maxPayload: 32 * MIB };
  if (role === 'server') {
    const { url } = await startServer({ ...echo, ...deflate });
    const peer = new WebSocket(url, options);
    onTestFinished(() => peer.terminate());
    await once(peer, 'open');
    return peer;
  }
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, 'listening');
  const joined = once(server, 'connection');
  await connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { ...echo, ...deflate });
  return (await joined)[0] as WebSocket;
}

interface Message {
  bytes: Buffer;
  text: boolean;
}

const brief = ({ bytes, text }: Message) =>
  `${text ? 'text' : 'binary'} of ${bytes.length}: ${createHash('sha256').update(bytes).digest('hex')}`;

function sendIn(peer: WebSocket, { bytes, text }: Message, fragment: number): void {
  let at = 0;
  do {
    const part = bytes.subarray(at, at + fragment);
    at += fragment;
    peer.send(part, { binary: !text, fin: at >= bytes.length });
  } while (at < bytes.length);
}

/** Sends everything in fragments of at most that size and expects it back, in order and whole; then closes. */
async function converse(
  peer: WebSocket,
  messages: Message[],
  fragment: (i: number) => number,
): Promise<void> {
  const back: string[] = [];
  const closed = once(peer, 'close');
  const finished = new Promise<void>((resolve) => {
    peer.on('message', (data, isBinary) => {
      back.push(brief({ bytes: data as Buffer, text: !isBinary }));
      if (back.length === messages.length) resolve();
    });
  });
  for (const [i, message] of messages.entries()) {
    sendIn(peer, message, fragment(i));
    if (i % 50 === 0) peer.ping(`${i}`);
  }
  await Promise.race([finished, closed.then(([code]) => Promise.reject(new Error(`closed with ${code}`)))]);
  expect(back).toEqual(messages.map(brief));
  peer.close(1000, 'done');
  const [code, reason] = await closed;
  expect([code, `${reason}`]).toEqual([1000, 'done']);
}

const textOf = (size: number) => ({
  bytes: Buffer.from(kinds['text of all UTF-8 lengths']!(size)),
  text: true,
});
const noiseOf = (size: number) => ({ bytes: kinds['bytes that do not']!(size) as Buffer, text: false });
const runsOf = (size: number) => ({ bytes: kinds['bytes that compress']!(size) as Buffer, text: false });

const compressed: Settings = {
  ours: { contextTakeover: true, peerContextTakeover: true, threshold: 0 },
  theirs: { threshold: 0 },
};

describe.each(roles)('our %s', (role) => {
  const ways: [string, Settings][] = [
    ['plain', {}],
    ['with permessage-deflate', compressed],
    ['with permessage-deflate as it is by default', { ours: {}, theirs: {} }],
  ];
  const largest = [
    ['text', textOf],
    ['bytes that compress', runsOf],
    ['bytes that do not', noiseOf],
  ] as const;
  const echoes = ways.flatMap(([way, settings]) =>
    largest.map(([kind, make]) => [kind, way, make, settings] as const),
  );
  it.each(echoes)('echoes 16 MiB of %s, %s', async (_, __, make, settings) => {
    const peer = await echoing(role, settings);
    await converse(peer, [make(16 * MIB)], () => 32 * MIB);
  });

  it.each([64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB])(
    'echoes 4 MiB that come in fragments of %i bytes',
    async (fragment) => {
      const peer = await echoing(role, {});
      await converse(peer, [textOf(4 * MIB), noiseOf(4 * MIB)], () => fragment);
    },
  );

  it.each([256, 4 * KIB, 64 * KIB, MIB])(
    'echoes a compressed MiB that comes in fragments of %i bytes',
    async (fragment) => {
      const peer = await echoing(role, compressed);
      await converse(peer, [textOf(MIB), runsOf(MIB), noiseOf(MIB)], () => fragment);
    },
  );

  it.each([0, 16, 64, 256, KIB, 8 * KIB, 128 * KIB])(
    'echoes thousands of messages of %i bytes, as many as 8 MiB hold',
    async (size) => {
      const peer = await echoing(role, {});
      const count = Math.min(5000, Math.floor((8 * MIB) / (size || 1)));
      const two = [textOf(size), noiseOf(size)];
      await converse(
        peer,
        Array.from({ length: count }, (_, i) => two[i % 2]!),
        () => 32 * MIB,
      );
    },
  );

  it.each([16, KIB, 32 * KIB])('echoes thousands of compressed messages of %i bytes', async (size) => {
    const peer = await echoing(role, compressed);
    const count = Math.min(2000, (4 * MIB) / size);
    const three = [textOf(size), noiseOf(size), runsOf(size)];
    await converse(
      peer,
      Array.from({ length: count }, (_, i) => three[i % 3]!),
      () => 32 * MIB,
    );
  });
});

const bits = [9, undefined] as const;
const onOff = [false, true] as const;

/** What each side may ask for (RFC 7692 7.1): contexts not to be kept, and windows of either. */
const asked: PerMessageDeflateOptions[] = onOff.flatMap((server) =>
  onOff.flatMap((client) =>
    bits.flatMap((serverBits) =>
      bits.map((clientBits) => ({
        threshold: 0,
        ...(server && { serverNoContextTakeover: true }),
        ...(client && { clientNoContextTakeover: true }),
        ...(serverBits && { serverMaxWindowBits: serverBits }),
        ...(clientBits && { clientMaxWindowBits: clientBits }),
      })),
    ),
  ),
);

const kept = onOff.flatMap((contextTakeover) =>
  onOff.flatMap((peerContextTakeover) =>
    [
      [15, 15],
      [10, 11],
    ].map(([windowBits, peerWindowBits]) => ({
      contextTakeover,
      peerContextTakeover,
      windowBits: windowBits!,
      peerWindowBits: peerWindowBits!,
      threshold: 0,
    })),
  ),
);

/** A server of `ws` refuses a client whose windows are smaller than those it insists on. */
function within(
  theirs: PerMessageDeflateOptions,
  ours: { windowBits: number; peerWindowBits: number },
): PerMessageDeflateOptions {
  const { serverMaxWindowBits: server, clientMaxWindowBits: client } = theirs;
  return {
    ...theirs,
    ...(server !== undefined && { serverMaxWindowBits: Math.min(server, ours.peerWindowBits) }),
    ...(client !== undefined && { clientMaxWindowBits: Math.min(client, ours.windowBits) }),
  };
}

describe('every combination of the parameters of permessage-deflate (RFC 7692 7.1)', () => {
  const sizes = [0, 126, 5000, 40_000];
  const mixed = sizes.flatMap((size) => [textOf(size), noiseOf(size)]);

  it.each(kept.flatMap((ours) => roles.map((role) => [role, ours] as const)))(
    'our %s with %j',
    async (role, ours) => {
      let negotiated = 0;
      for (const theirs of asked) {
        const peer = await echoing(role, { ours, theirs: role === 'client' ? within(theirs, ours) : theirs });
        if (peer.extensions.includes('permessage-deflate')) negotiated++;
        await converse(peer, mixed, (i) => [32 * MIB, 1000, 77][i % 3]!);
      }
      expect(negotiated).toBe(asked.length);
    },
  );
});
