// Connections of `connect`: to the server of the round, and to servers that break every rule.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { act, Hostile } from './acts.mjs';
import { handlersOf, shapes } from './handlers.mjs';
import { closeBody, compress, frame } from './wire.mjs';

/** RFC 6455 4.2.2. */
function acceptOf(request) {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1];
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** What a client may be told, beside the right answer. */
const answers = [
  () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!',
  () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  () =>
    `HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  () => 'garbage\r\n\r\n',
  () => `HTTP/1.1 101 X\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  () => '',
];

/** Frames as a bad server sends them. */
function rubbish(random, deflate) {
  const body = random.bytes(random.size(70_000));
  return random.pick([
    () => frame(2, body),
    () => frame(1, Buffer.from('x'.repeat(body.length))),
    () => frame(2, body, { fin: false }),
    () => frame(0, body, { fin: random.chance(0.5) }),
    () => frame(9, body.subarray(0, 125)),
    () => frame(10, body.subarray(0, 125)),
    () => frame(8, closeBody(random.pick([1000, 1001, 1005, 1006, 3000]), 'bye')),
    () => frame(2, body, { mask: random.bytes(4) }),
    () => frame(1, Buffer.from([0xff, 0xfe])),
    () => frame(2, Buffer.from('x'), { length: 2 ** 40 }),
    () => frame(2, deflate ? compress(body) : body, { rsv: 4 }),
    () => Buffer.from(random.bytes(30)),
  ])();
}

function misbehave(socket, random) {
  socket.on('error', () => {});
  socket.once('data', async (data) => {
    const request = data.toString('latin1');
    const deflate = request.includes('permessage-deflate');
    const extension = deflate ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : '';
    const head =
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${acceptOf(request)}\r\n${extension}\r\n`;
    const frames = Array.from({ length: random.below(12) }, () => rubbish(random, deflate));
    const bytes = random.chance(0.15) ? [random.pick(answers)()] : [head, ...frames];
    for (const piece of random.chance(0.5) ? [Buffer.concat(bytes.map((b) => Buffer.from(b)))] : bytes) {
      socket.write(piece);
      if (random.chance(0.3)) await sleep(random.below(10));
    }
    await sleep(random.below(60));
    if (random.chance(0.4)) socket.resetAndDestroy();
    else socket.end();
  });
}

/** A client that acts by a seed until it is closed, or its time is up. */
async function live(play, connect, url, name, random, more) {
  const shape = shapes[random.pick(['message', 'lent', 'fragment', 'loop'])];
  const handlers = handlersOf(play, shape, 'client', () => name);
  const timer = AbortSignal.timeout(3_000);
  let c;
  try {
    c = await connect(url, { ...handlers, ...more, signal: timer });
  } catch (error) {
    if (error.name !== 'LwsError') play.oracle.fail(`connect failed with ${error.stack}`);
    return;
  }
  const life = play.oracle.lives.get(c);
  if (!life) play.oracle.fail(`connect of ${name} resolved before open`);
  for (let i = random.below(20); i > 0 && life.closes === 0 && c.isOpen; i--) {
    try {
      await act(play, life, c, random.child(`act${i}`));
    } catch (error) {
      if (!(error instanceof Hostile)) throw error;
      c.terminate();
    }
    await sleep(random.below(10));
  }
  if (life.closes > 0) return;
  const patience = sleep(random.below(200), undefined, { ref: false });
  await Promise.race([c.closed, patience]);
  if (life.closes > 0) return;
  life.weClosed = true;
  c.close();
  await c.closed;
}

/** Clients of the round's own server. */
export async function visitors(play, connect, url, count, more) {
  const each = Array.from({ length: count }, (_, i) => {
    const random = play.random.child(`visitor${i}`);
    return live(play, connect, `${url}/v${i}`, `v${i}`, random, more);
  });
  await Promise.all(each);
}

/** Clients of bad servers. */
export async function victims(play, connect, count, error) {
  if (count === 0) return;
  const server = createServer({ allowHalfOpen: true });
  let next = 0;
  server.on('connection', (socket) => misbehave(socket, play.random.child(`villain${next++}`)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const each = Array.from({ length: count }, (_, i) => {
    const random = play.random.child(`victim${i}`);
    const more = {
      perMessageDeflate: random.chance(0.4),
      closeTimeout: 1_000,
      followRedirects: random.below(3),
      error,
    };
    return live(play, connect, `ws://127.0.0.1:${port}/`, `w${i}`, random, more);
  });
  await Promise.all(each);
  await new Promise((resolve) => server.close(resolve));
}
