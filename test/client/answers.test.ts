import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Chunks } from '../../lib/client/chunks.js';
import { Refusal } from '../../lib/client/refusal.js';
import { parseResponseHead } from '../../lib/client/response-head.js';
import { connect, LwsError } from '../../lib/index.js';
import { type Asked, rawServer, rejection, responseText } from './helpers/raw-server.js';

/** Heads, the body behind them, and what of it is told. */
const bodies: [what: string, head: string, body: string, told: string, complete?: boolean][] = [
  ['a length', 'Content-Length: 3', 'abcdef', 'abc'],
  ['a length twice', 'Content-Length: 3\r\nContent-Length: 3', 'abc', 'abc'],
  ['a length as a list', 'Content-Length: 3, 3', 'abc', 'abc'],
  ['lengths that conflict', 'Content-Length: 3\r\nContent-Length: 5', 'abcde', ''],
  ['a length that is none', 'Content-Length: +3', 'abc', ''],
  ['a length above what is exact', `Content-Length: ${'9'.repeat(16)}`, 'abc', ''],
  ['no length', 'X: y', 'abc', 'abc', false],
  ['a length that did not come whole', 'Content-Length: 9', 'abc', 'abc', false],
  ['chunks', 'Transfer-Encoding: chunked', '2\r\nab\r\n1\r\nc\r\n0\r\n\r\n', 'abc'],
  [
    'chunks beside a length',
    'Content-Length: 1\r\nTransfer-Encoding: chunked',
    '3\r\nabc\r\n0\r\n\r\n',
    'abc',
  ],
  [
    'chunks over another coding',
    'Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked',
    '1\r\na\r\n0\r\n\r\n',
    'a',
  ],
  ['a coding that is no chunks', 'Transfer-Encoding: gzip', '1\r\na\r\n', '1\r\na\r\n', false],
  [
    'a chunk that holds the mark of the last',
    'Transfer-Encoding: chunked',
    '5\r\n0\r\n\r\n\r\n0\r\n\r\n',
    '0\r\n\r\n',
  ],
  [
    'sizes with zeros, in any case',
    'Transfer-Encoding: chunked',
    '00A\r\n0123456789\r\n0b\r\n0123456789a\r\n000\r\n\r\n',
    '01234567890123456789a',
  ],
  ['extensions', 'Transfer-Encoding: chunked', '1 ;a="b;c"\r\na\r\n0;x\r\n\r\n', 'a'],
  ['trailers', 'Transfer-Encoding: chunked', '1\r\na\r\n0\r\nX: y\r\nZ: 0\r\n\r\n', 'a'],
  ['a size that is none', 'Transfer-Encoding: chunked', '1\r\na\r\nzz\r\nb\r\n0\r\n\r\n', 'a'],
  ['a size above what is exact', 'Transfer-Encoding: chunked', `${'f'.repeat(17)}\r\na`, ''],
  ['a chunk longer than its size', 'Transfer-Encoding: chunked', '1\r\nab\r\n0\r\n\r\n', 'a'],
  ['lines that end in a bare LF', 'Transfer-Encoding: chunked', '1\na\n0\n\n', ''],
  [
    'trailers without an end',
    'Transfer-Encoding: chunked',
    `1\r\na\r\n0\r\n${'X: y\r\n'.repeat(20_000)}`,
    'a',
  ],
  ['extensions without an end', 'Transfer-Encoding: chunked', `1\r\na\r\n1;${'x'.repeat(100_000)}`, 'a'],
];

async function textOf(refusal: Refusal): Promise<string> {
  return await (refusal.toError().cause as Response).text();
}

describe('the body of a refusal with', () => {
  const refusal = (head: string, limit = 1000) =>
    new Refusal(parseResponseHead(`HTTP/1.1 403 No\r\n${head}\r\n\r\n`), limit);

  it.each(bodies)(
    '%s is the same in one piece, byte by byte, and in pieces that overlap lines',
    async (...row) => {
      const [, head, body, told, complete = true] = row;
      for (const step of [body.length, 1, 2, 3, 7]) {
        const one = refusal(head);
        for (let at = 0; at < body.length; at += step) one.add(Buffer.from(body.slice(at, at + step)));
        expect([await textOf(one), one.complete], `${step}`).toEqual([told, complete]);
      }
    },
  );

  it.each([
    ['a length', 'Content-Length: 50', 'x'.repeat(50)],
    ['chunks', 'Transfer-Encoding: chunked', '14\r\n01234567890123456789\r\n'],
    ['no end', 'X: y', 'x'.repeat(50)],
  ])('%s is told up to maxResponseBody', async (_, head, body) => {
    const one = refusal(head, 10);
    one.add(Buffer.from(body));
    expect([one.complete, (await textOf(one)).length]).toEqual([true, 10]);
    expect(refusal(head, 0).complete).toBe(true);
  });

  it.each([204, 304])('status %i has none, whatever its fields say', (status) => {
    const head = parseResponseHead(`HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\n`);
    expect(new Refusal(head, 1000).complete).toBe(true);
  });

  it('many small chunks costs what its bytes cost', () => {
    let size = 0;
    const chunks = new Chunks((piece) => {
      size += piece.length;
    });
    const piece = Buffer.from('1\r\na\r\n');
    for (let i = 0; i < 200_000; i++) chunks.read(piece);
    expect([size, chunks.read(Buffer.from('0\r\n\r\n'))]).toEqual([200_000, true]);
  });
});

describe('the head of an answer', () => {
  it.each([
    ['no reason', 'HTTP/1.1 403\r\n\r\n', ''],
    ['an empty reason', 'HTTP/1.1 403 \r\n\r\n', ''],
    ['a reason of bytes above ASCII', 'HTTP/1.1 403 n\xf6\r\n\r\n', 'n\xf6'],
  ])('may have %s', (_, text, statusText) => {
    expect(parseResponseHead(text)).toMatchObject({ status: 403, statusText });
  });

  it('has folded lines read as one (RFC 9112 5.2)', () => {
    const { headers } = parseResponseHead('HTTP/1.1 403 No\r\nX: a\r\n  b\r\n\tc\r\nY: d\r\n\r\n');
    expect([...headers]).toEqual([
      ['x', 'a b c'],
      ['y', 'd'],
    ]);
  });

  it('keeps fields of one name apart (RFC 9110 5.3)', async () => {
    const { url } = await rawServer(({ peer }) =>
      peer.write(
        'HTTP/1.1 401 No\r\nSet-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nSet-Cookie: b=2\r\n' +
          'WWW-Authenticate: Basic\r\nWWW-Authenticate: Digest x\r\nContent-Length: 0\r\n\r\n',
      ),
    );
    const { headers } = (await rejection(connect(url))).cause as Response;
    expect(headers.getSetCookie()).toEqual(['a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'b=2']);
    expect(headers.get('www-authenticate')).toBe('Basic, Digest x');
  });

  it.each([1, 5, 1000])('and its body may come in pieces of %i bytes', async (step) => {
    const text = responseText('403 No', { 'Transfer-Encoding': 'chunked' }, '2;x\r\nno\r\n0\r\nA: b\r\n\r\n');
    const { url } = await rawServer(async ({ peer }) => {
      peer.write(responseText('103 Early', { Link: 'x' }));
      for (let at = 0; at < text.length; at += step) {
        peer.write(text.slice(at, at + step));
        await turn();
      }
    });
    const { cause } = await rejection(connect(url));
    expect([(cause as Response).status, await (cause as Response).text()]).toEqual([403, 'no']);
  });
});

describe('a status that was read is told', () => {
  const limit = { handshakeTimeout: 150 };
  const rows: [what: string, answer: (asked: Asked) => void, body: string][] = [
    ['without an end', ({ peer }) => peer.write(responseText('403 No', {}, 'half')), 'half'],
    [
      'shorter than its length',
      ({ peer }) => peer.write(responseText('403 No', { 'Content-Length': '9' }, 'half')),
      'half',
    ],
    [
      'that ends inside a chunk',
      ({ peer }) => peer.write(responseText('403 No', { 'Transfer-Encoding': 'chunked' }, '9\r\nhalf')),
      'half',
    ],
    [
      'that goes on for ever',
      ({ peer }) => {
        peer.write(responseText('403 No', { 'Transfer-Encoding': 'chunked' }, '4\r\nhalf\r\n1;'));
        const drip = setInterval(() => peer.write('x'), 20);
        peer.socket.on('close', () => clearInterval(drip));
      },
      'half',
    ],
    ['behind a head without an end', ({ peer }) => peer.write('HTTP/1.1 403 No\r\nX: y\r\nZ'), ''],
  ];

  it.each(rows)('at handshakeTimeout, with what came of a body %s', async (_, answer, body) => {
    const { url, asked } = await rawServer(answer);
    const error = await rejection(connect(url, limit));
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status: 403, statusText: 'No' } });
    expect(await (error.cause as Response).text()).toBe(body);
    await (await asked.next()).peer.ended;
  });

  it('two seconds after its head, where handshakeTimeout is longer', async () => {
    const { url } = await rawServer(({ peer }) => peer.write(responseText('403 No', {}, 'half')));
    const started = performance.now();
    const error = await rejection(connect(url, { handshakeTimeout: 60_000 }));
    expect(error.cause).toMatchObject({ status: 403 });
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it.each(['end', 'reset'] as const)(
    'when the network connection ends by %s inside its head',
    async (how) => {
      const { url } = await rawServer(async ({ peer }) => {
        peer.write('HTTP/1.1 503 Later\r\nX: y\r\nZ');
        for (let i = 0; i < 5; i++) await turn();
        peer[how]();
      });
      const error = await rejection(connect(url));
      expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status: 503 } });
    },
  );

  it('when the server answers before it was asked, and leaves', async () => {
    const hasty = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(responseText('503 Later', { 'Content-Length': '0' }), () => socket.destroy());
    });
    onTestFinished(() => void hasty.close());
    await new Promise<void>((resolve) => hasty.listen(0, '127.0.0.1', resolve));
    const { port } = hasty.address() as { port: number };
    const error = await rejection(connect(`ws://127.0.0.1:${port}`));
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status: 503 } });
  });
});

describe('an answer that can be none ends it at once', () => {
  const long = { handshakeTimeout: 60_000 };
  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['TLS', Buffer.of(0x15, 3, 1, 0, 2, 2, 40)],
    ['lines that end in a bare LF', 'HTTP/1.1 403 No\nA: b\n\n'],
    ['HTTP/2', 'HTTP/2 200'],
  ])('%s', async (_, bytes) => {
    const { url } = await rawServer(({ peer }) => peer.write(bytes));
    expect(await rejection(connect(url, long))).toMatchObject({
      code: 'ERR_HANDSHAKE',
      message: expect.stringContaining('not valid'),
    });
  });
});

describe('the end of the network connection before an answer has its cause', () => {
  it.each([
    ['end', 'EOF'],
    ['reset', 'ECONNRESET'],
  ] as const)('%s: %s', async (how, code) => {
    const { url } = await rawServer(({ peer }) => peer[how]());
    const error = await rejection(connect(url));
    expect(error).toBeInstanceOf(LwsError);
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { code } });
  });
});
