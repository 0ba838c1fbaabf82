import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { HttpRequest } from '../../lib/index.js';
import { startServer } from '../helpers/server.js';
import { odds } from './helpers/odd-requests.js';
import { haproxy, nginx } from './helpers/programs.js';

/** A client that got nothing more for so long has seen all that comes. Nothing is asserted of the time. */
const QUIET = 5_000;

interface Response {
  status: number;
  body: string;
}

interface Exchange {
  /** The client's own port. */
  from: number;
  responses: Response[];
}

/** Takes responses off what came, as a client must that reads one after the other. */
function responsesOf(bytes: Buffer): Response[] {
  const found: Response[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) return found;
    const head = bytes.toString('latin1', at, end);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    if (Number.isNaN(status)) throw new Error(`No response at ${at}: ${head.slice(0, 80)}`);
    const length = /^content-length: *(\d+)$/im.exec(head)?.[1];
    at = end + 4;
    if (length === undefined && !/^transfer-encoding/im.test(head)) {
      if (status >= 200) return [...found, { status, body: bytes.toString('latin1', at) }];
      continue;
    }
    if (length === undefined) throw new Error(`A chunked response: ${head}`);
    found.push({ status, body: bytes.toString('latin1', at, at + Number(length)) });
    at += Number(length);
  }
}

/** Sends bytes, whole or one by one, and gives all that came until the end or a long silence. */
async function exchange(port: number, text: string, single: boolean): Promise<Exchange> {
  const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  onTestFinished(() => void socket.destroy());
  const pieces: Buffer[] = [];
  let from = 0;
  socket.once('connect', () => {
    from = socket.localPort!;
  });
  await new Promise<void>((resolve) => {
    socket.setTimeout(QUIET, resolve);
    for (const event of ['end', 'close', 'error']) socket.once(event, () => resolve());
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    const bytes = Buffer.from(text, 'latin1');
    if (!single) {
      socket.write(bytes);
      return;
    }
    const next = (at: number): void => {
      if (at >= bytes.length || socket.destroyed) return;
      socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1));
    };
    next(0);
  });
  socket.destroy();
  return { from, responses: responsesOf(Buffer.concat(pieces)) };
}

/** One more request behind each, which must be the answered last or not at all. */
const canary = 'GET /canary HTTP/1.1\r\nHost: canary.example\r\nConnection: close\r\n\r\n';

interface Sight {
  /** Method, target and body. */
  line: string;
  secret: string | null;
  /** What the proxy wrote about it: method and target. */
  told: string | null;
  client: string | null;
}

async function start() {
  const sights: Sight[] = [];
  const answer = async (request: HttpRequest) => {
    const body = await request.text();
    sights.push({
      line: `${request.method} ${request.url} ${body}`,
      secret: request.headers.get('x-secret'),
      told: request.headers.get('x-told'),
      client: request.headers.get('x-client'),
    });
    return new Response(`${request.method} ${request.url} ${body}`);
  };
  const { port } = await startServer({
    request: answer,
    upgrade: ({ path }) => (path === '/refused' ? { status: 403, body: 'no' } : undefined),
    handshakeTimeout: 5_000,
    error: () => {},
  });
  return { port, sights };
}

describe.each([
  ['whole', false],
  ['byte by byte', true],
] as const)('Odd requests that come %s', (_, single) => {
  test.each(odds)('$name', async ({ text, seen, refused }) => {
    const { port, sights } = await start();
    const { responses: came } = await exchange(port, text + canary, single);
    const expected = refused === undefined ? [...seen, 'GET /canary '] : seen;
    expect(sights.map(({ line }) => line)).toEqual(expected);
    expect(came.map(({ status }) => status)).toEqual([
      ...expected.map(() => 200),
      ...(refused ? [refused] : []),
    ]);
    expect(came.filter(({ status }) => status === 200).map(({ body }) => body)).toEqual(expected);
  });
});

describe.each([
  ['nginx', nginx],
  ['HAProxy', haproxy],
] as const)('Behind %s', (_, proxy) => {
  test('what is served is what the proxy believes it forwarded, and its answer reaches who asked', async () => {
    const secret = randomBytes(8).toString('hex');
    const { port: backend, sights } = await start();
    const { port } = await proxy({ backend, secret });
    for (let at = 0; at < odds.length; at += 16)
      await Promise.all(
        odds.slice(at, at + 16).map(async ({ name, text }) => {
          const { from, responses } = await exchange(port, text + canary, false);
          const answers = responses.filter(({ status }) => status === 200).map(({ body }) => body);
          const served = sights.filter(({ client }) => client === String(from)).map(({ line }) => line);
          expect(answers, name).toEqual(served);
        }),
      );
    expect(sights.length).toBeGreaterThan(odds.length / 3);
    for (const sight of sights) {
      expect(sight, sight.line).toMatchObject({ secret });
      expect(sight.line.startsWith(`${sight.told} `), `${sight.told} became ${sight.line}`).toBe(true);
    }
  });
});
