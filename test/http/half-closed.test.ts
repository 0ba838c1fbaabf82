import { createConnection, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectSecurely } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startHttp } from '../helpers/http.js';
import { certificates } from '../tls/helpers/certificates.js';

const SIZE = 8 * 1024 * 1024;
const made = certificates();
made.authority('root');
const certificate = made.issue('one', 'root', 'DNS:localhost');

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const post = (path: string, body: string, size = body.length) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n${body}`;

/** All that comes up to the end, taken so slowly that the server's socket stays full. */
async function readSlowly(stream: Duplex): Promise<string> {
  const pieces: Buffer[] = [];
  await sleep(300);
  for await (const piece of stream) {
    pieces.push(piece);
    await sleep(2);
  }
  return Buffer.concat(pieces).toString('latin1');
}

const open = (port: number): Socket => {
  const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return socket;
};

const carriers = {
  plain(port: number) {
    const socket = open(port);
    return { stream: socket as Duplex, fin: () => void socket.end() };
  },
  /** The FIN comes without a close_notify. */
  TLS(port: number) {
    const socket = open(port);
    const below = new Duplex({
      read: () => void socket.resume(),
      write: (chunk, _, done) => void socket.write(chunk, done),
    });
    socket.on('data', (data) => below.push(data) || socket.pause());
    socket.on('end', () => below.push(null));
    const stream = connectSecurely({ socket: below, rejectUnauthorized: false });
    return { stream: stream as Duplex, fin: () => void socket.end() };
  },
};

const big = Buffer.alloc(SIZE, 'a');

function inPieces(): ReadableStream {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(big.subarray(sent, sent + 100_000));
      sent += 100_000;
      if (sent >= SIZE) controller.close();
    },
  });
}

/** What is asked, and how what comes must end. */
const conversations: [string, string, RegExp][] = [
  ['a large answer', get('/big'), /a{10}$/],
  ['a large answer that ends the connection', get('/big', 'Connection: close\r\n'), /a{10}$/],
  ['a streamed answer', get('/stream'), /a{10}\r\n0\r\n\r\n$/],
  ['an answer behind a large one', get('/big') + get('/small'), /a{10}HTTP\/1\.1 200 .*small$/s],
  ['a late answer behind a large one', get('/big') + get('/late'), /a{10}HTTP\/1\.1 200 .*late$/s],
  ['a refusal behind a large answer', `${get('/big')}nonsense\r\n\r\n`, /a{10}HTTP\/1\.1 400 /],
  ['a large answer before half a head', `${get('/big')}GET / HT`, /a{10}$/],
  ['a large answer before half a body', get('/big') + post('/length', 'abc', 10), /a{10}$/],
  ['an answer to a body behind a large one', get('/big') + post('/length', 'abc'), /a{10}HTTP.*3$/s],
];

describe.each(Object.entries(carriers))('A slow peer that sent FIN over %s gets', (name, join) => {
  test.each(conversations)('%s to the last byte', async (_, text, end) => {
    const cut: unknown[] = [];
    const { port, server } = await startHttp(
      async (request) => {
        if (request.path === '/big') return new Response(big);
        if (request.path === '/small') return new Response('small');
        if (request.path === '/stream') return new Response(inPieces());
        if (request.path === '/late') return sleep(50).then(() => new Response('late'));
        let size = 0;
        try {
          for await (const piece of request.body) size += piece.length;
        } catch (error) {
          cut.push(error);
        }
        return new Response(String(size));
      },
      name === 'TLS' ? { tls: certificate } : {},
    );
    const { stream, fin } = join(port);
    stream.write(text, () => setTimeout(fin, 20));
    const came = await readSlowly(stream);
    expect(came.match(/a{100}/g)?.length ?? 0).toBeGreaterThanOrEqual(Math.floor(SIZE / 100) - 200);
    expect(came.slice(-1500).replace(/^a*(a{20})/, '$1')).toMatch(end);
    expect(cut.length).toBe(text.includes(': 10') ? 1 : 0);
    await expect.poll(() => server.stats().transports).toBe(0);
  });
});
