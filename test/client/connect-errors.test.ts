import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type ConnectOptions, connect, LwsError } from '../../lib/index.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';
import { type Asked, acceptOf, rawServer, rejection, responseText } from './helpers/raw-server.js';

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Answers that are no valid 101, and what is said about them. */
const wrongAnswers: [what: string, fields: Record<string, string | undefined>, says: RegExp][] = [
  ['no Upgrade', { Upgrade: undefined }, /Upgrade/],
  ['another Upgrade', { Upgrade: 'h2c' }, /Upgrade/],
  ['more than websocket in Upgrade', { Upgrade: 'websocket, h2c' }, /Upgrade/],
  ['no Connection', { Connection: undefined }, /Connection/],
  ['a Connection without upgrade', { Connection: 'close' }, /Connection/],
  ['a Connection with more than upgrade in the token', { Connection: 'upgraded' }, /Connection/],
  ['no accept value', { 'Sec-WebSocket-Accept': undefined }, /Accept/],
  ['an empty accept value', { 'Sec-WebSocket-Accept': '' }, /Accept/],
  [
    'the accept value of another key',
    { 'Sec-WebSocket-Accept': acceptOf('dGhlIHNhbXBsZSBub25jZQ==') },
    /Accept/,
  ],
  ['a subprotocol that was not offered', { 'Sec-WebSocket-Protocol': 'other' }, /subprotocol/],
  ['two subprotocols', { 'Sec-WebSocket-Protocol': 'chat, superchat' }, /subprotocol/],
  ['a subprotocol in another case', { 'Sec-WebSocket-Protocol': 'CHAT' }, /subprotocol/],
  ['an empty subprotocol', { 'Sec-WebSocket-Protocol': '' }, /subprotocol/],
  ['an extension that was not offered', { 'Sec-WebSocket-Extensions': 'x-future' }, /extension/],
  ['a malformed extension', { 'Sec-WebSocket-Extensions': ';' }, /Extensions is malformed/],
];

const rightAnswers: [what: string, fields: Record<string, string | undefined>][] = [
  ['websocket in another case', { Upgrade: 'WebSocket' }],
  ['upgrade in another case, among others', { Connection: 'keep-alive, UPGRADE' }],
  ['an offered subprotocol', { 'Sec-WebSocket-Protocol': 'superchat' }],
  ['no subprotocol', {}],
  ['fields nobody asked for', { Server: 'x', 'X-Empty': '', Date: 'now' }],
];

/** Bytes instead of a response head. */
const malformed: [what: string, bytes: string | Buffer, says: RegExp][] = [
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', /status line/],
  ['HTTP/2', 'HTTP/2 101 Switching\r\n\r\n', /status line/],
  ['a status of two digits', 'HTTP/1.1 10 x\r\n\r\n', /status line/],
  ['a status above 599', 'HTTP/1.1 600 x\r\n\r\n', /status line/],
  ['an interim status of four digits', 'HTTP/1.1 1000 x\r\n\r\n', /status line/],
  [
    'a 101 of HTTP/1.0 (RFC 6455 4.1)',
    'HTTP/1.0 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    /HTTP\/1\.0/,
  ],
  ['a field without colon', 'HTTP/1.1 101 x\r\nnonsense\r\n\r\n', /header fields/],
  ['space before a colon', 'HTTP/1.1 101 x\r\nUpgrade : websocket\r\n\r\n', /header fields/],
  ['a field that begins folded', 'HTTP/1.1 101 x\r\n X: a\r\n\r\n', /header fields/],
  ['NUL in a field', 'HTTP/1.1 101 x\r\nX: a\0b\r\n\r\n', /header fields/],
  ['a bare LF', 'HTTP/1.1 101 x\r\nX: a\nb: c\r\n\r\n', /header fields/],
  ['noise', Buffer.concat([Buffer.alloc(300, 0xfe), Buffer.from('\r\n\r\n')]), /status line/],
  ['a frame instead of an answer', Buffer.of(0x81, 2, 0x68, 0x69, 13, 10, 13, 10), /status line/],
];

describe('connect() rejects', () => {
  it.each(wrongAnswers)('a 101 with %s (RFC 6455 4.1)', async (_, fields, says) => {
    const { url, asked } = await rawServer((one) => one.accept(fields));
    const error = await rejection(connect(url, { protocols: ['chat', 'superchat'] }));
    expect(error).toBeInstanceOf(LwsError);
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', message: expect.stringMatching(says) });
    await (await asked.next()).peer.ended;
  });

  it.each(malformed)('%s', async (_, bytes, says) => {
    const { url, asked } = await rawServer((one) => one.peer.write(bytes));
    expect(await rejection(connect(url))).toMatchObject({
      code: 'ERR_HANDSHAKE',
      message: expect.stringMatching(says),
    });
    await (await asked.next()).peer.ended;
  });

  it.each([
    ['in one field', (size: number) => `HTTP/1.1 101 x\r\nX: ${'a'.repeat(size)}\r\n\r\n`],
    ['in many fields', (size: number) => `HTTP/1.1 101 x\r\n${'X: aaaa\r\n'.repeat(size / 9)}\r\n`],
    ['without end', (size: number) => `HTTP/1.1 101 ${'a'.repeat(size)}`],
  ])('a head above maxHeaderSize %s', async (_, make) => {
    const { url, asked } = await rawServer((one) => one.peer.write(make(5000)));
    const error = await rejection(connect(url, { maxHeaderSize: 4096 }));
    expect(error).toMatchObject({
      code: 'ERR_HANDSHAKE',
      message: expect.stringMatching(/large|maxHeaderSize/),
    });
    await (await asked.next()).peer.ended;
  });

  it('a server that ends before it answered, or inside its answer', async () => {
    for (const text of ['', 'HTTP/1.1 101 Switching Protocols\r\nUpgr'])
      for (const end of ['end', 'reset'] as const) {
        const { url } = await rawServer(({ peer }) => {
          if (text !== '') peer.write(text);
          peer[end]();
        });
        expect(await rejection(connect(url))).toMatchObject({ code: 'ERR_HANDSHAKE' });
      }
  });

  it('a port where nobody listens, with the error of the system', async () => {
    const error = await rejection(connect(`ws://127.0.0.1:${await closedPort()}`));
    expect(error).toMatchObject({ code: 'ERR_CONNECT', cause: { code: 'ECONNREFUSED' } });
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('a name that does not resolve, with the error of the lookup', async () => {
    const failure = Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.invalid'), { code: 'ENOTFOUND' });
    const lookup: ConnectOptions['lookup'] = (_, __, done) => done(failure, '');
    const error = await rejection(connect('ws://nowhere.invalid', { lookup }));
    expect(error).toMatchObject({ code: 'ERR_CONNECT', cause: { code: 'ENOTFOUND' } });
  });

  it('a unix socket that does not exist', async () => {
    const error = await rejection(connect('ws://localhost/', { socketPath: '/nonexistent/socket' }));
    expect(error).toMatchObject({ code: 'ERR_CONNECT', cause: { code: 'ENOENT' } });
  });

  it('a server that does not answer within handshakeTimeout', async () => {
    const { url, asked } = await rawServer();
    expect(await rejection(connect(url, { handshakeTimeout: 50 }))).toMatchObject({ code: 'ERR_TIMEOUT' });
    await (await asked.next()).peer.ended;
  });

  it('a body that does not end within handshakeTimeout', async () => {
    const { url, asked } = await rawServer(({ peer }) =>
      peer.write(responseText('503 Busy', { 'Content-Length': '10' }, 'half')),
    );
    const error = await rejection(connect(url, { handshakeTimeout: 200 }));
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status: 503 } });
    await (await asked.next()).peer.ended;
  });
});

it.each(rightAnswers)('connect() takes a 101 with %s', async (_, fields) => {
  const { url } = await rawServer((one) => one.accept(fields));
  const connection = await connect(url, { protocols: ['chat', 'superchat'] });
  expect(connection.isOpen).toBe(true);
  expect(connection.protocol).toBe(fields['Sec-WebSocket-Protocol'] ?? '');
  connection.terminate();
});

/** Bodies of a refusal, in every form RFC 9112 6.3 knows. */
const bodies: [what: string, answer: (asked: Asked) => void, body: string][] = [
  [
    'by length',
    ({ peer }) =>
      peer.write(responseText('403 Forbidden', { 'Content-Length': '5', 'X-Why': 'you' }, 'no!!!')),
    'no!!!',
  ],
  [
    'of length 0',
    ({ peer }) => peer.write(responseText('403 Forbidden', { 'Content-Length': '0', 'X-Why': 'you' })),
    '',
  ],
  [
    'in chunks',
    ({ peer }) =>
      peer.write(
        responseText(
          '403 Forbidden',
          { 'Transfer-Encoding': 'chunked', 'X-Why': 'you' },
          '2\r\nno\r\n3;a=b\r\n!!!\r\n0\r\nX: y\r\n\r\n',
        ),
      ),
    'no!!!',
  ],
  [
    'up to the end of the connection',
    ({ peer }) => {
      peer.write(responseText('403 Forbidden', { 'X-Why': 'you' }, 'no!!!'));
      peer.end();
    },
    'no!!!',
  ],
  [
    'cut off by the end of the connection',
    ({ peer }) => {
      peer.write(responseText('403 Forbidden', { 'Content-Length': '50', 'X-Why': 'you' }, 'no!!!'));
      peer.end();
    },
    'no!!!',
  ],
  [
    'in pieces',
    ({ peer }) => {
      peer.write(responseText('403 Forbidden', { 'Content-Length': '5', 'X-Why': 'you' }, 'no'));
      setTimeout(() => peer.write('!!!'), 20);
    },
    'no!!!',
  ],
];

describe('a refusal is told with its response as cause', () => {
  it.each(bodies)('with a body %s', async (_, answer, body) => {
    const { url, asked } = await rawServer(answer);
    const error = await rejection(connect(url));
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', message: expect.stringContaining('403 Forbidden') });
    const response = error.cause as Response;
    expect(response).toBeInstanceOf(Response);
    expect([response.status, response.statusText, response.headers.get('x-why')]).toEqual([
      403,
      'Forbidden',
      'you',
    ]);
    expect(await response.text()).toBe(body);
    await (await asked.next()).peer.ended;
  });

  it.each([200, 204, 301, 302, 304, 400, 401, 404, 426, 429, 500, 503])('of status %i', async (status) => {
    const { url } = await rawServer(({ peer }) =>
      peer.write(responseText(`${status} Text`, { 'Content-Length': '0', Location: '/elsewhere' })),
    );
    const error = await rejection(connect(url));
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { status } });
  });

  it('and no more than maxResponseBody of an endless body', async () => {
    const { url, asked } = await rawServer(({ peer }) =>
      peer.write(responseText('500 Oops', {}, 'x'.repeat(300_000))),
    );
    const error = await rejection(connect(url, { maxResponseBody: 1000 }));
    expect((await (error.cause as Response).text()).length).toBe(1000);
    await (await asked.next()).peer.ended;
  });

  it('of a server of ours, in its words', async () => {
    const { url } = await startServer({
      ...recorder().handlers,
      upgrade: () => ({ status: 401, headers: { 'WWW-Authenticate': 'Basic' }, body: 'who are you' }),
    });
    const { cause } = (await rejection(connect(url))) as { cause: Response };
    expect([cause.status, cause.headers.get('www-authenticate'), await cause.text()]).toEqual([
      401,
      'Basic',
      'who are you',
    ]);
  });
});

describe('an AbortSignal', () => {
  it('that is aborted already ends connect() before it dials', async () => {
    const { url, sockets } = await rawServer();
    const reason = new Error('changed my mind');
    const error = await rejection(connect(url, { signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ code: 'ERR_ABORTED', cause: reason });
    expect(sockets).toEqual([]);
  });

  it('aborted during the lookup, whose late answer changes nothing', async () => {
    const { port, sockets } = await rawServer();
    const stop = new AbortController();
    let answer!: () => void;
    const lookup: ConnectOptions['lookup'] = (_, { all }, done) => {
      answer = () => (all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4));
      stop.abort();
    };
    const error = await rejection(connect(`ws://name.test:${port}`, { lookup, signal: stop.signal }));
    expect(error.code).toBe('ERR_ABORTED');
    answer();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(sockets).toEqual([]);
  });

  it('aborted while the server thinks ends the socket', async () => {
    const stop = new AbortController();
    const { url, asked } = await rawServer(() => stop.abort());
    expect(await rejection(connect(url, { signal: stop.signal }))).toMatchObject({ code: 'ERR_ABORTED' });
    await (await asked.next()).peer.ended;
  });

  it('aborted inside the body of a refusal ends the socket', async () => {
    const stop = new AbortController();
    const { url, asked } = await rawServer(({ peer }) => {
      peer.write(responseText('503 Busy', { 'Content-Length': '10' }, 'half'));
      setTimeout(() => stop.abort(), 30);
    });
    expect(await rejection(connect(url, { signal: stop.signal }))).toMatchObject({ code: 'ERR_ABORTED' });
    await (await asked.next()).peer.ended;
  });

  it('aborted after opening does not touch the connection', async () => {
    const stop = new AbortController();
    const { url } = await startServer({ message: (c, data) => void c.send(data) });
    const record = recorder();
    const connection = await connect(url, { ...record.handlers, signal: stop.signal });
    stop.abort();
    connection.send('still here');
    expect(await record.messages.next()).toBe('still here');
    connection.close();
    await connection.closed;
  });
});

describe('bad arguments are rejected before anything is dialled', () => {
  it.each([
    ['nonsense', /WebSocket URL/],
    ['', /WebSocket URL/],
    ['ftp://host/', /ftp:/],
    ['ws://host/#part', /fragment/],
  ])('the URL "%s"', async (url, says) => {
    expect(await rejection(connect(url))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(says),
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['an unknown option', { timeout: 1 }, /timeout/],
    ['a misspelled one', { handshakeTimout: 1 }, /did you mean "handshakeTimeout"/],
    ['a subprotocol that is no token', { protocols: ['a b'] }, /protocols/],
    ['a subprotocol twice', { protocols: ['a', 'a'] }, /protocols/],
    ['a header with a line break', { headers: { 'X-A': 'a\r\nB: c' } }, /X-A|header/i],
    ['a header name that is no token', { headers: { 'X A': 'a' } }, /X A|header/i],
    ['a header of the handshake', { headers: { 'Sec-WebSocket-Key': 'x' } }, /Sec-WebSocket-Key/i],
    ['a Connection header', { headers: { connection: 'close' } }, /connection/],
    ['an Upgrade header', { headers: [['Upgrade', 'h2c']] }, /Upgrade/],
    ['the header of a body', { headers: { 'Content-Length': '1' } }, /Content-Length/],
    ['a proxy that is no URL', { proxy: 'localhost' }, /proxy/],
    ['a proxy of another kind', { proxy: 'socks5://localhost:1080' }, /proxy/],
    ['too many redirects', { followRedirects: 21 }, /followRedirects/],
    ['a signal that is none', { signal: {} }, /signal/],
    ['an option of TLS that is unknown', { tls: { certt: 'x' } }, /certt/],
    ['no object', 7, /object/],
  ])('%s', async (_, options, says) => {
    const { url, sockets } = await rawServer((one) => one.accept());
    const target = (options as ConnectOptions).tls ? url.replace('ws:', 'wss:') : url;
    const error = await rejection(connect(target, options as ConnectOptions<undefined>));
    expect(error).toMatchObject({ message: expect.stringMatching(says) });
    expect(error.code).toMatch(/^ERR_INVALID_(OPTION|ARGUMENT)$/);
    await turnUntil(() => true);
    expect(sockets).toEqual([]);
  });
});
