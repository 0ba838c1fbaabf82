import v8 from 'node:v8';
import { describe, expect, test } from 'vitest';
import { type Connection, connect, type ServerOptions } from '../../lib/index.js';
import { turns, type Watched, watch } from '../helpers/lifecycle.js';
import { BINARY, type Client, frame, PONG, upgradeRequest } from './fixtures/wire.mjs';

/* What waits for its handler or its loop is nobody else's, whatever they do to the memory that theirs came in. */

v8.setFlagsFromString('--allow-natives-syntax');
/* what transfer() does to the buffer, on every Node */
const detach = new Function('buffer', '%ArrayBufferDetach(buffer)') as (buffer: ArrayBufferLike) => void;
v8.setFlagsFromString('--no-allow-natives-syntax');

const outrages: Record<string, (data: Buffer) => void> = {
  'is transferred': ({ buffer }) => detach(buffer),
  'is overwritten beyond the view': ({ buffer }) => new Uint8Array(buffer).fill(0xff),
};

/** In small slabs, in large ones, in memory of their own. */
const sizes = [1, 20, 5000, 140_000];
const payloads = (size: number) => ['a', 'b', 'c', 'd'].map((letter) => Buffer.alloc(size, letter));
const shown = (bytes: readonly Buffer[]) => bytes.map((each) => `${each.length} ${each.toString()}`);

/** A promise with its key. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** How something is held back: what comes of it in `seen`, and what lets it go. */
interface Held {
  readonly options: ServerOptions;
  /** Sends what is held, and waits until it is. */
  hold(w: Watched, parts: Buffer[]): Promise<void>;
  release(): void;
  readonly seen: Buffer[];
}

const keep = (seen: Buffer[]) => (_: Connection, data: string | Buffer) => void seen.push(Buffer.from(data));

async function sendAll(w: Watched, opcode: number, parts: Buffer[]): Promise<void> {
  const { client } = await w.join({ path: '/held' });
  client.write(...parts.map((bytes) => frame(opcode, bytes)));
}

/** The frames come with the request. */
function dialWith(w: Watched, opcode: number, parts: Buffer[]): Client {
  return w.dial(
    Buffer.concat([upgradeRequest({ path: '/held' }), ...parts.map((bytes) => frame(opcode, bytes))]),
  );
}

const isHeld = (connection: Connection) => connection.request.path === '/held';

/** Whatever is first is taken; the others wait behind it. */
function paused(handler: 'message' | 'fragment'): Held {
  const seen: Buffer[] = [];
  let holder: Connection | undefined;
  return {
    seen,
    options: {
      [handler](connection: Connection, data: Buffer) {
        if (!isHeld(connection)) return;
        seen.push(Buffer.from(data));
        holder ??= connection;
        if (seen.length === 1) connection.pause();
      },
    },
    hold: (w, parts) => sendAll(w, BINARY, parts),
    release: () => holder!.resume(),
  };
}

function unsettledOpen(handler: 'message' | 'pong'): Held {
  const seen: Buffer[] = [];
  const { opened, open } = gate();
  return {
    seen,
    options: {
      open: (connection: Connection) => (isHeld(connection) ? opened : undefined),
      message() {},
      [handler]: (connection: Connection, data: Buffer) => isHeld(connection) && keep(seen)(connection, data),
    },
    hold: async (w, parts) => void dialWith(w, handler === 'pong' ? PONG : BINARY, parts),
    release: open,
  };
}

function slowLoop(binaryType: 'buffer' | 'transient'): Held {
  const seen: Buffer[] = [];
  const { opened, open } = gate();
  return {
    seen,
    options: {
      binaryType,
      async open(connection) {
        for await (const data of connection) {
          seen.push(Buffer.from(data as Buffer));
          await opened;
        }
      },
    },
    hold: (w, parts) => sendAll(w, BINARY, parts),
    release: open,
  };
}

function requestBody(how: 'loop' | 'bytes'): Held {
  const seen: Buffer[] = [];
  const { opened, open } = gate();
  let last = () => {};
  return {
    seen,
    options: {
      message() {},
      async request(request) {
        if (how === 'bytes') seen.push(await request.bytes());
        else
          for await (const piece of request.body) {
            seen.push(Buffer.from(piece));
            await opened;
          }
        return new Response('taken');
      },
    },
    async hold(w, parts) {
      const whole = how === 'bytes' ? [Buffer.concat(parts)] : parts;
      const chunk = (bytes: Buffer) =>
        [`${bytes.length.toString(16)}\r\n`, bytes, '\r\n'].map((p) => Buffer.from(p));
      const client = w.dial(
        Buffer.concat([
          Buffer.from('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'),
          ...whole.flatMap(chunk),
        ]),
      );
      last = () => client.write(Buffer.from('0\r\n\r\n'));
    },
    release() {
      open();
      last();
    },
  };
}

const holders: Record<string, (() => Held) & { most?: number }> = {
  'behind a pause': () => paused('message'),
  'as a fragment behind a pause': () => paused('fragment'),
  'while open is unsettled': () => unsettledOpen('message'),
  'as a pong while open is unsettled': () => unsettledOpen('pong'),
  'by a slow loop': () => slowLoop('buffer'),
  'by a slow loop over lent messages': () => slowLoop('transient'),
  'in the body of a request': () => requestBody('loop'),
  'in the body of a request that is read as a whole': () => requestBody('bytes'),
};

describe.each(Object.entries(holders))('what is held %s', (name, holder) => {
  const fits = (size: number) =>
    name.includes('pong') ? size <= 125 : !name.includes('fragment') || size < 100_000;

  test.each(
    Object.keys(outrages).flatMap((outrage) => sizes.filter(fits).map((size) => [outrage, size] as const)),
  )('is whole when the memory of another message %s (%i bytes)', async (outrage, size) => {
    const held = holder();
    const { message } = held.options;
    const w = await watch({
      ...held.options,
      ...(held.options.fragment ? {} : { message: undefined }),
      ...(message ? { message } : {}),
      protocols: {
        spoil: {
          message: (_: Connection, data: string | Buffer) => outrages[outrage]!(data as Buffer),
        },
      },
    });
    const parts = payloads(size);
    const { client, connection } = await w.join({ protocols: ['spoil'] });
    await held.hold(w, parts);
    await turns(20);
    /* small ones lie in a slab with theirs */
    client.write(frame(BINARY, Buffer.alloc(size, 'x')));
    await w.until('message', 1, connection);
    held.release();
    const all = name.includes('body') ? Buffer.concat(parts).length : parts.length;
    const come = () => (name.includes('body') ? Buffer.concat(held.seen).length : held.seen.length);
    while (come() < all) await turns(1);
    if (name.includes('body')) expect(Buffer.concat(held.seen).equals(Buffer.concat(parts))).toBe(true);
    else expect(shown(held.seen)).toEqual(shown(parts));
  });
});

test.each([true, false])(
  'a message that a waiting loop gets is whole when another handler of the batch gives the slab away (first: %s)',
  async (first) => {
    const seen: Buffer[] = [];
    const w = await watch({
      async open(connection) {
        if (connection.protocol === '')
          for await (const data of connection) seen.push(Buffer.from(data as Buffer));
      },
      protocols: {
        spoil: { message: (_: Connection, data: string | Buffer) => detach((data as Buffer).buffer) },
      },
    });
    const { client } = await w.join();
    const { client: other, connection } = await w.join({ protocols: ['spoil'] });
    for (let i = 1; i <= 10; i++) {
      const writes = [
        () => client.write(frame(BINARY, `held ${i}`)),
        () => other.write(frame(BINARY, 'spoiler')),
      ];
      for (const write of first ? writes : writes.reverse()) write();
      await w.until('message', i, connection);
      while (seen.length < i) await turns(1);
    }
    expect(seen.map(String)).toEqual(Array.from({ length: 10 }, (_, i) => `held ${i + 1}`));
  },
);

test.each(Object.keys(outrages))(
  "a client's messages before its first loop are whole when another %s",
  async (how) => {
    const parts = payloads(20);
    const w = await watch({
      message(connection) {
        for (const bytes of parts) connection.send(bytes);
      },
      protocols: {
        spoil: { message: (_: Connection, data: string | Buffer) => outrages[how]!(data as Buffer) },
      },
    });
    const client = await connect(`ws://127.0.0.1:${w.port}`);
    const { client: other, connection } = await w.join({ protocols: ['spoil'] });
    client.send('go');
    await turns(20);
    other.write(frame(BINARY, Buffer.alloc(20, 'x')));
    await w.until('message', 1, connection);
    const seen: Buffer[] = [];
    for await (const data of client) if (seen.push(data as Buffer) === parts.length) break;
    expect(shown(seen)).toEqual(shown(parts));
    client.terminate();
  },
);
