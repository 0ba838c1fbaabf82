// Plain HTTP on the same port, from peers that do it wrong, and the handler that answers them.
import { setTimeout as sleep } from 'node:timers/promises';
import { handshake } from './wire.mjs';

const head = (...lines) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');

/** One request of some kind, whole. */
function request(random) {
  const target = `/r${random.below(1000)}`;
  const size = random.size(20_000);
  switch (random.below(5)) {
    case 0:
      return head(`GET ${target} HTTP/1.1`, 'Host: x');
    case 1:
      return head(`HEAD ${target} HTTP/1.1`, 'Host: x', ...(random.chance(0.2) ? ['Connection: close'] : []));
    case 2:
      return Buffer.concat([
        head(`POST ${target} HTTP/1.1`, 'Host: x', `Content-Length: ${size}`),
        Buffer.alloc(size, 'b'),
      ]);
    case 3: {
      const chunks = Array.from({ length: random.below(5) }, () =>
        Buffer.alloc(random.between(1, 3000), 'c'),
      );
      const framed = chunks.flatMap((chunk) => [
        Buffer.from(`${chunk.length.toString(16)}\r\n`),
        chunk,
        Buffer.from('\r\n'),
      ]);
      const field = random.chance(0.2) ? ['Expect: 100-continue'] : [];
      const start = head(`PUT ${target} HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked', ...field);
      return Buffer.concat([start, ...framed, Buffer.from('0\r\n\r\n')]);
    }
    default:
      return head(`GET ${target} HTTP/1.0`);
  }
}

const wrong = [
  (random) =>
    Buffer.concat([
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nX: '),
      Buffer.alloc(random.pick([20_000, 200_000]), 'x'),
    ]),
  () => head('GET / HTTP/1.1', 'Host: x', 'Host: y'),
  () => head('POST / HTTP/1.1', 'Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  () =>
    Buffer.concat([head('POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'), Buffer.from('zz\r\n')]),
  () => head('CONNECT x:1 HTTP/1.1', 'Host: x:1'),
  () =>
    head(
      'GET / HTTP/1.1',
      'Host: x',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 8',
    ),
  () => Buffer.from('\r\n\r\n\r\nGET'),
  (random) => Buffer.from(random.bytes(random.between(1, 400))),
];

/** Requests, pipelined and cut anywhere, perhaps with an upgrade or with nonsense at the end. */
export async function requests(peer, random) {
  if (!(await peer.connect())) return;
  const all = Array.from({ length: random.between(1, 6) }, () => request(random));
  const last = random.next();
  if (last < 0.3) all.push(random.pick(wrong)(random));
  else if (last < 0.5) all.push(handshake(`/${peer.name}`), peer.frame(1, Buffer.from('hello')));
  let bytes = Buffer.concat(all);
  if (random.chance(0.3)) bytes = bytes.subarray(0, random.below(bytes.length));
  if (random.chance(0.2)) peer.socket.pause();
  await peer.write(bytes);
  await sleep(random.below(100));
  if (random.chance(0.3)) peer.reset();
  else peer.fin();
  peer.socket.resume();
  const patience = sleep(random.between(50, 1500), undefined, { ref: false });
  await Promise.race([peer.over, patience]);
  peer.destroy();
}

function stream(random) {
  let left = random.below(6);
  return new ReadableStream({
    async pull(controller) {
      if (random.chance(0.5)) await sleep(random.below(5));
      if (left-- > 0) controller.enqueue(random.bytes(random.size(70_000)));
      else if (random.chance(0.2)) controller.error(new Error('hostile: the stream breaks'));
      else controller.close();
    },
  });
}

/** Answers as handlers do, and as they should not. */
export async function answer(request, random) {
  const how = random.below(10);
  if (how === 0) throw new Error('hostile: a request handler throws');
  if (how === 1) await sleep(random.below(30));
  if (how === 2) return undefined;
  if (how <= 4) {
    const body = await request.bytes({ limit: random.pick([0, 1000, 1_000_000]) });
    return new Response(random.chance(0.3) ? body.subarray(0, 10) : `${body.length} bytes`);
  }
  if (how === 5) {
    for await (const piece of request.body) if (random.chance(0.3)) return new Response(`${piece.length}`);
    return new Response('read');
  }
  if (how === 6) return new Response(stream(random));
  if (how === 7)
    return new Response(random.bytes(random.size(200_000)), { status: random.pick([200, 404, 500]) });
  return new Response('hello');
}
