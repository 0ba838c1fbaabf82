// The inputs that fuzzing begins with: small ones of every kind of RFC 9112, RFC 6455, RFC 7692 and the PROXY protocol.
import { deflateRawSync } from 'node:zlib';

const bytes = (...parts) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))));
const head = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;

const handshake = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const upgrade = head('GET /chat HTTP/1.1', 'Host: localhost', ...handshake);
const heads = [
  upgrade,
  head('GET / HTTP/1.1', 'Host: localhost'),
  head('HEAD /a?b=c HTTP/1.1', 'Host: [::1]:8080', 'Connection: close'),
  head('GET / HTTP/1.0', 'Connection: keep-alive'),
  head('OPTIONS * HTTP/1.1', 'Host: x', 'Expect: 100-continue'),
  head('GET / HTTP/1.1', 'Host: x', 'X: \t padded \t', 'Origin: https://example.org', 'Empty:'),
  `\r\n${head('GET / HTTP/1.1', 'Host: x')}`,
  head('GET / HTTP/1.1', 'Host: x', ' folded'),
  head('GET / HTTP/1.1', 'Host: x', 'Host: y'),
  head('GET / HTTP/2.0', 'Host: x'),
  head('GET / HTTP/1.1', 'Host: localhost', ...handshake.toSpliced(2, 1)),
  head(
    'GET / HTTP/1.1',
    'Host: x',
    ...handshake,
    'Sec-WebSocket-Protocol: chat, superchat',
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  ),
  head('POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: gzip, chunked'),
  head('POST / HTTP/1.1', 'Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
];
const chunks = [
  '5\r\nhello\r\n0\r\n\r\n',
  'A;name=value\r\n0123456789\r\n1\r\nx\r\n00\r\nTrailer: yes\r\n\r\nGET',
  '0\r\n\r\n',
  'fffffffffffffff\r\n',
  '3 ;x\r\nabc\r\n0\r\nBad\r\n\r\n',
];
const posts = [
  `${head('POST / HTTP/1.1', 'Host: x', 'Content-Length: 5')}hello`,
  head('POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked') + chunks[0],
  head('POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked') + chunks[1].slice(0, -3) + heads[1],
];

const key = (mask) => (mask ? bytes(1, 2, 3, 4) : bytes());
function frame(first, payload = '', { mask = true, form = 7 } = {}) {
  const data = bytes(payload);
  const size = data.length < 126 && form === 7 ? 7 : data.length < 65536 && form < 64 ? 16 : 64;
  const start = Buffer.alloc(size === 7 ? 2 : size === 16 ? 4 : 10);
  start[0] = first;
  start[1] = (mask ? 0x80 : 0) | (size === 7 ? data.length : size === 16 ? 126 : 127);
  if (size === 16) start.writeUInt16BE(data.length, 2);
  if (size === 64) start.writeBigUInt64BE(BigInt(data.length), 2);
  if (mask) for (let i = 0; i < data.length; i++) data[i] ^= (i & 3) + 1;
  return bytes(start, key(mask), data);
}

const deflated = (text) => deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);
const code = (value, reason = '') => bytes(value >> 8, value & 255, reason);

/** Each is what a peer in the role sends, with whether permessage-deflate has to be on. */
function streams(mask) {
  const f = (first, payload, form) => frame(first, payload, { mask, form });
  const plain = [
    [f(0x81, 'Hello'), f(0x82, 'bytes'), f(0x88, code(1000, 'bye'))],
    [f(0x01, 'a'), f(0x89, 'ping'), f(0x00, 'b'), f(0x80, 'c'), f(0x8a, 'pong'), f(0x88)],
    [f(0x81, 'κόσμε €𝄞'), f(0x01, bytes(0xe2)), f(0x80, bytes(0x82, 0xac))],
    [f(0x81, bytes(0xff))],
    [f(0x01), f(0x00), f(0x80), f(0x82)],
    [f(0x82, Buffer.alloc(126, 1)), f(0x82, Buffer.alloc(130, 2), 64)],
    [f(0x82, Buffer.alloc(300, 0x61), 16), f(0x88, code(4000))],
    [f(0x88, code(1005))],
    [f(0x88, bytes(3))],
    [f(0xb1, 'x')],
    [f(0x83)],
    [f(0x80, 'x')],
    [f(0x01, 'x'), f(0x81, 'y')],
    [f(0x09, 'x')],
    [f(0x89, Buffer.alloc(125, 0x70))],
    [frame(0x81, 'x', { mask: !mask })],
    [bytes(0x82, mask ? 0xff : 0x7f, Buffer.alloc(7), 0x7f), key(mask)],
  ];
  const compressed = [
    [f(0xc1, deflated('Hello')), f(0xc1, deflated('Hello again, Hello again')), f(0x88, code(1000))],
    [f(0x41, deflated('abcabcabc').subarray(0, 3)), f(0x80, deflated('abcabcabc').subarray(3))],
    [f(0xc2, deflated(Buffer.alloc(5000)))],
    [f(0xc2, deflateRawSync('final block'))],
    [f(0xc1), f(0x41), f(0x80), f(0xc1, bytes(0)), f(0x81, 'plain')],
    [f(0xc1, bytes(0xff, 0xff))],
  ];
  return { plain, compressed };
}

/** Numbers of test/fuzz/acts.c. */
const Act = { SEND: 0, FRAME: 1, TURN: 2, PAUSE: 3, RESUME: 4, TEXT: 5, BINARY: 6, PING: 7, CLOSE: 8 };
const More = { WANT_WRITABLE: 9, TERMINATE: 10, FINISH: 11, WAIT: 12, READING: 13, DECIDE: 14, LARGE: 15 };
const act = (kind, more = 0) => bytes(kind | (more << 4));
const send = (data) => {
  const all = bytes(data);
  if (all.length < 224) return bytes(Act.SEND, all.length, all);
  return bytes(send(all.subarray(0, 223)), send(all.subarray(223)));
};
const text = (kind, data) => bytes(kind, data.length, data);

/** The first settings byte of test/fuzz/conversation.c. */
const Setting = { HTTP: 1, HOLD: 2, FRAGMENTS: 4, TRANSIENT: 8, DEFLATE: 16, OWN: 32, ECHO: 64, NARROW: 128 };

function conversations(mask) {
  const { plain, compressed } = streams(mask);
  const all = plain.map((frames) => bytes(0, 0, ...frames.map(send)));
  for (const frames of plain.slice(0, 6))
    all.push(bytes(Setting.FRAGMENTS | Setting.ECHO, 0, ...frames.map(send)));
  for (const frames of compressed)
    for (const more of [0, Setting.OWN | Setting.ECHO, Setting.FRAGMENTS])
      all.push(bytes(Setting.DEFLATE | more, more ? 0x46 : 0x06, ...frames.map(send)));
  all.push(
    bytes(
      0,
      0,
      text(Act.TEXT, 'ours'),
      text(Act.BINARY, 'bytes'),
      act(Act.PING, 3),
      act(Act.CLOSE, 5),
      send(plain[0][2]),
    ),
    bytes(
      Setting.ECHO,
      0,
      act(Act.PAUSE),
      send(bytes(...plain[0])),
      act(Act.TURN),
      act(Act.RESUME),
      act(Act.TURN),
    ),
    bytes(
      Setting.NARROW,
      0,
      act(More.READING),
      act(More.LARGE, 6),
      act(More.WANT_WRITABLE),
      send(frame(0x89, 'p', { mask })),
      act(More.READING, 1),
    ),
    bytes(
      0,
      0x30,
      act(Act.FRAME, 2),
      40,
      act(Act.FRAME, 2),
      40,
      send(frame(0x82, 'small', { mask })),
      act(Act.FRAME, 1),
      90,
    ),
    bytes(
      Setting.TRANSIENT,
      0x30,
      act(Act.FRAME, 10),
      30,
      act(Act.FRAME, 0),
      200,
      act(Act.FRAME, 1),
      20,
      act(Act.TURN),
    ),
    bytes(0, 0, act(More.WAIT, 15), act(More.WAIT), act(More.WAIT)),
    bytes(0, 0, send(plain[0][0]), act(More.FINISH), act(Act.TURN)),
    bytes(0, 0, act(More.TERMINATE), send(plain[0][0])),
    bytes(
      Setting.DEFLATE | Setting.OWN,
      0x40,
      text(Act.TEXT, 'compress this, compress this'),
      text(Act.TEXT, ''),
    ),
  );
  return all;
}

const proxies = [
  'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n',
  'PROXY TCP6 2001:db8::1 ::1 1 65535\r\n',
  'PROXY UNKNOWN whatever\r\n',
  bytes('\r\n\r\n\0\r\nQUIT\n', 0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 1, 0xbb),
  bytes('\r\n\r\n\0\r\nQUIT\n', 0x21, 0x21, 0, 36, Buffer.alloc(32, 1), 0, 1, 0, 2),
  bytes('\r\n\r\n\0\r\nQUIT\n', 0x20, 0x00, 0, 3, 4, 0, 0),
  bytes('\r\n\r\n\0\r\nQUIT\n', 0x21, 0x31, 0, 216, Buffer.alloc(216)),
];

const answers = [
  head(
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  ),
  `${head('HTTP/1.1 403 Forbidden', 'Content-Length: 2')}no`,
];

const asServer = [
  ...[...heads, ...posts].map((request) => bytes(Setting.HTTP, 0, send(request))),
  ...[...heads.slice(0, 3), ...posts].map((request) =>
    bytes(Setting.HOLD, 0, send(request), act(More.DECIDE, 3), send(heads[1]), act(Act.TURN)),
  ),
  bytes(Setting.HOLD, 0, send(upgrade), act(More.DECIDE, 2), send(upgrade), act(More.WAIT)),
  bytes(Setting.ECHO, 0x80, send(frame(0x81, 'alone')), send(frame(0x88, code(1000)))),
  bytes(0, 0x80, act(More.FINISH)),
  bytes(Setting.HTTP, 0, send(heads[1] + heads[1] + upgrade), send(frame(0x81, 'hi'))),
  bytes(Setting.HTTP, 0, send('GET / HT'), act(More.WAIT)),
  ...proxies.map((proxy) => bytes(Setting.HTTP | Setting.HOLD, 0, send(proxy), send(heads[1]))),
];
const asClient = answers.flatMap((answer) => [
  bytes(Setting.HTTP, 0, send(answer), send(frame(0x81, 'hi', { mask: false }))),
  bytes(Setting.HOLD, 0, send(answer), act(More.DECIDE, 0), act(Act.TURN)),
  bytes(
    Setting.HOLD,
    0,
    send(answer),
    send(frame(0x82, 'hi', { mask: false })),
    act(More.DECIDE, 1),
    act(Act.TURN),
  ),
]);

const framesOf = (mask) => {
  const { plain, compressed } = streams(mask);
  const first = mask ? 0 : 128;
  return [
    ...plain.map((frames) => bytes(first, 0, 0, ...frames)),
    ...compressed.map((frames) => bytes(first | 2, Setting.DEFLATE, 0x46, ...frames)),
  ];
};

/** Inputs by target. */
export const seeds = {
  http_head: heads.map((request, i) => bytes(i, request)),
  http_body: [...chunks.map((body, i) => bytes(1 | (i << 1), body)), bytes(4, 0, 5, 'hello!')],
  proxy_header: proxies.map((proxy) => bytes(proxy, 'GET')),
  utf8: ['κόσμε', '€𝄞', 'plain ASCII '.repeat(8), [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]].map(
    (sample, i) => bytes(i, sample),
  ),
  mask: [1, 7, 64, 200].map((size, i) => bytes(9, 8, 7, 6, i, i * 5, Buffer.alloc(size, size))),
  deflate: [
    bytes(1, 0x0e, 0x76, 3, 5, 'Hello', 0, 0, 130, 9, 'Hello two', 6, 4, 'long'),
    bytes(0, 0x0e, 0x76, 12, 255, 7, deflated('Hello'), 20, deflateRawSync('Hello, Hello, Hello')),
    bytes(0, 0x06, 0x76, 2, 16, 200, deflated(Buffer.alloc(9000))),
  ],
  frames: [...framesOf(true), ...framesOf(false)],
  server: [...asServer, ...conversations(true)],
  client: [...asClient, ...conversations(false)],
};

const quoted = (words) =>
  words.map((word) => `"${word.replaceAll(/[\\"]/g, '\\$&').replaceAll('\r\n', '\\x0d\\x0a')}"`);
const fields = [
  'Host: x',
  'Content-Length: 1',
  'Transfer-Encoding: chunked',
  'Connection: close',
  'Expect: 100-continue',
  'Origin: x',
  ...handshake,
];
const http = [
  'GET / HTTP/1.1\r\n',
  'POST',
  'HEAD',
  'HTTP/1.0',
  '\r\n\r\n',
  ...fields.map((line) => `${line}\r\n`),
];
const proxyWords = ['PROXY TCP4 ', 'PROXY TCP6 ', 'PROXY UNKNOWN'];

/** Words by target, in the form of libFuzzer's dictionaries. */
export const words = {
  http_head: quoted(http),
  http_body: quoted(['0\r\n\r\n', '\r\n', '5\r\n', ';a=b']),
  proxy_header: quoted(proxyWords),
  server: quoted([...http, ...proxyWords, upgrade]),
  client: quoted([...answers, 'HTTP/1.1 101 ', '\r\n\r\n']),
};
