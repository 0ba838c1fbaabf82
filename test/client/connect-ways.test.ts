import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConnectOptions, connect } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer } from '../helpers/server.js';
import { startProxy } from './helpers/proxy.js';
import { rawServer, rejection, responseText } from './helpers/raw-server.js';

async function echoes(url: string, options: ConnectOptions = {}): Promise<void> {
  const record = recorder();
  const connection = await connect(url, { ...record.handlers, ...options });
  connection.send('there and back');
  expect(await record.messages.next()).toBe('there and back');
  connection.close();
  expect(await connection.closed).toMatchObject({ clean: true });
}

const echo = {
  message: (c: { send(data: string | Buffer): unknown }, data: string | Buffer) => void c.send(data),
};

describe('connect() reaches a server', () => {
  it('by IPv4 and IPv6 address', async () => {
    const four = await startServer(echo);
    await echoes(`ws://127.0.0.1:${four.port}`);
    const six = await startServer({ ...echo, host: '::1' });
    await echoes(`ws://[::1]:${six.port}/`);
  });

  it('on a unix socket, and still says host and path of the URL', async () => {
    const path = join(tmpdir(), `lws-client-${process.pid}.sock`);
    const seen = queue<string>();
    await startServer({
      ...echo,
      socketPath: path,
      open: (c) => seen.push(`${c.request.headers.get('host')} ${c.request.url}`),
    });
    await echoes('ws://example.test/chat?x=1', { socketPath: path });
    expect(await seen.next()).toBe('example.test /chat?x=1');
  });

  it('at the second of two addresses, when the first refuses (RFC 8305)', async () => {
    const { port } = await startServer(echo);
    const lookup: ConnectOptions['lookup'] = (_, __, done) =>
      done(null, [
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]);
    await echoes(`ws://two.test:${port}`, { lookup });
  });

  it('from a local address', async () => {
    const seen = queue<string>();
    const { url } = await startServer({ ...echo, open: (c) => seen.push(c.transport.remoteAddress) });
    await echoes(url, { localAddress: '127.0.0.3' });
    expect(await seen.next()).toBe('127.0.0.3');
  });

  it('by http: as by ws:, as WHATWG has it', async () => {
    const { port } = await startServer(echo);
    await echoes(`http://127.0.0.1:${port}/`);
  });
});

describe('the request', () => {
  const asks: [
    what: string,
    path: string,
    options: ConnectOptions,
    line: string,
    fields: Record<string, string | undefined>,
  ][] = [
    ['names the path', '/a/b?c=d&e=%20', {}, 'GET /a/b?c=d&e=%20 HTTP/1.1', {}],
    ['has / where the URL has no path', '', {}, 'GET / HTTP/1.1', {}],
    ['encodes what no target may hold', '/ü ?q=a b', {}, 'GET /%C3%BC%20?q=a%20b HTTP/1.1', {}],
    [
      'has the fields of RFC 6455 4.1',
      '/',
      {},
      'GET / HTTP/1.1',
      {
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-version': '13',
        origin: undefined,
        'sec-websocket-protocol': undefined,
      },
    ],
    [
      'offers subprotocols in order',
      '/',
      { protocols: ['b', 'a'] },
      'GET / HTTP/1.1',
      { 'sec-websocket-protocol': 'b, a' },
    ],
    [
      'offers one subprotocol',
      '/',
      { protocols: 'chat' },
      'GET / HTTP/1.1',
      { 'sec-websocket-protocol': 'chat' },
    ],
    [
      'has headers of an object',
      '/',
      { headers: { Origin: 'https://a.test', 'X-A': ['1'] } },
      'GET / HTTP/1.1',
      { origin: 'https://a.test', 'x-a': '1' },
    ],
    [
      'has headers of Headers',
      '/',
      { headers: new Headers({ Cookie: 'a=b' }) },
      'GET / HTTP/1.1',
      { cookie: 'a=b' },
    ],
    ['has headers of pairs', '/', { headers: [['X-A', '1']] }, 'GET / HTTP/1.1', { 'x-a': '1' }],
    [
      'has a Host of the caller',
      '/',
      { headers: { Host: 'virtual.test' } },
      'GET / HTTP/1.1',
      { host: 'virtual.test' },
    ],
  ];

  it.each(asks)('%s', async (_, path, options, line, fields) => {
    const { url, asked } = await rawServer((one) => one.accept());
    const connection = await connect(url + path, options);
    const one = await asked.next();
    expect(one.line).toBe(line);
    for (const [name, value] of Object.entries(fields)) expect(one.header(name), name).toBe(value);
    connection.terminate();
  });

  it('has one Host, with the port, and a fresh key of 16 bytes each time (RFC 6455 4.1)', async () => {
    const { url, port, asked } = await rawServer((one) => one.accept());
    const keys = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const connection = await connect(url);
      const one = await asked.next();
      expect(one.head.match(/^host:/gim)).toHaveLength(1);
      expect(one.header('host')).toBe(`127.0.0.1:${port}`);
      expect(Buffer.from(one.header('sec-websocket-key')!, 'base64')).toHaveLength(16);
      keys.add(one.header('sec-websocket-key')!);
      connection.terminate();
    }
    expect(keys.size).toBe(20);
  });

  it('has Basic credentials of the URL, decoded, unless the caller has others', async () => {
    const { port, asked } = await rawServer((one) => one.accept());
    const credentials: [user: string, headers: Record<string, string>, expected: string][] = [
      ['user:secret', {}, `Basic ${Buffer.from('user:secret').toString('base64')}`],
      ['us%40er:p%3Aw%C3%BC', {}, `Basic ${Buffer.from('us@er:p:wü').toString('base64')}`],
      ['user', {}, `Basic ${Buffer.from('user:').toString('base64')}`],
      ['user:secret', { Authorization: 'Bearer x' }, 'Bearer x'],
    ];
    for (const [user, headers, expected] of credentials) {
      const connection = await connect(`ws://${user}@127.0.0.1:${port}/`, { headers });
      const one = await asked.next();
      expect(one.header('authorization')).toBe(expected);
      expect(one.head).not.toContain('@');
      connection.terminate();
    }
  });
});

it.each([
  ['100 Continue', 1],
  ['103 Early Hints', 3],
  ['199 Whatever', 50],
])('connect() passes over interim answers (RFC 9110 15.2): %s, %i times', async (status, count) => {
  const { url } = await rawServer((one) => {
    for (let i = 0; i < count; i++) one.peer.write(responseText(status, { Link: '</style.css>' }));
    one.accept();
    one.peer.send({ opcode: 1, mask: false, payload: 'behind it' });
  });
  const record = recorder();
  const connection = await connect(url, record.handlers);
  expect(await record.messages.next()).toBe('behind it');
  connection.terminate();
});

it('connect() does not wait for ever behind interim answers', async () => {
  const { url } = await rawServer((one) => {
    const drip = setInterval(() => one.peer.write(responseText('102 Processing', {})), 5);
    one.peer.socket.on('close', () => clearInterval(drip));
  });
  expect(await rejection(connect(url, { handshakeTimeout: 100 }))).toMatchObject({ code: 'ERR_TIMEOUT' });
});

describe('redirects', () => {
  const to = (location: string, status = '302 Found') =>
    responseText(status, { Location: location, 'Content-Length': '0' });

  it.each(['301 Moved', '302 Found', '303 See Other', '307 Temporary', '308 Permanent'])(
    'of status %s are followed when asked for',
    async (status) => {
      const { url } = await startServer(echo);
      const { url: first } = await rawServer((one) => one.peer.write(to(url, status)));
      await echoes(first, { followRedirects: 1 });
    },
  );

  it('may be relative', async () => {
    const headers = function* (): Generator<[string, string]> {
      yield ['Cookie', 'a=b'];
    };
    const { url, asked } = await rawServer((one) =>
      one.line.includes('/old') ? one.peer.write(to('../new?x=1')) : one.accept(),
    );
    const connection = await connect(`${url}/old/place`, { followRedirects: 1, headers: headers() });
    await asked.next();
    const second = await asked.next();
    expect(second.line).toBe('GET /new?x=1 HTTP/1.1');
    expect(second.header('cookie')).toBe('a=b');
    connection.terminate();
  });

  it('are refusals without followRedirects, and beyond it', async () => {
    const { url, asked } = await rawServer((one) => one.peer.write(to('/again')));
    for (const [followRedirects, requests] of [
      [0, 1],
      [3, 4],
    ] as const) {
      const before = asked.all.length;
      expect(await rejection(connect(url, { followRedirects }))).toMatchObject({
        code: 'ERR_HANDSHAKE',
        cause: { status: 302 },
      });
      expect(asked.all.length - before).toBe(requests);
    }
  });

  it('do not tell another origin what was meant for this one', async () => {
    const other = await rawServer((one) => one.accept());
    const first = await rawServer((one) => one.peer.write(to(other.url)));
    const headers = {
      Authorization: 'Bearer x',
      Cookie: 'a=b',
      'Proxy-Authorization': 'Basic x',
      'X-Kept': 'yes',
    };
    const connection = await connect(first.url.replace('//', '//user:secret@'), {
      followRedirects: 1,
      headers,
    });
    const { header } = await other.asked.next();
    expect([
      header('authorization'),
      header('cookie'),
      header('proxy-authorization'),
      header('x-kept'),
    ]).toEqual([undefined, undefined, undefined, 'yes']);
    connection.terminate();
  });

  it('do not take credentials from the server that redirects', async () => {
    const other = await rawServer((one) => one.accept());
    const first = await rawServer((one) => one.peer.write(to(other.url.replace('//', '//evil:x@'))));
    const connection = await connect(first.url, { followRedirects: 1 });
    expect((await other.asked.next()).header('authorization')).toBeUndefined();
    connection.terminate();
  });

  it('send the Host of where they lead', async () => {
    const other = await rawServer((one) => one.accept());
    const first = await rawServer((one) => one.peer.write(to(other.url)));
    const connection = await connect(first.url, { followRedirects: 1, headers: { Host: 'first.test' } });
    expect((await other.asked.next()).header('host')).toBe(`127.0.0.1:${other.port}`);
    connection.terminate();
  });

  it.each(['ftp://127.0.0.1/', 'http://[', 'javascript:1', 'ws://127.0.0.1:99999/'])(
    'to %s fail the handshake',
    async (location) => {
      const { url } = await rawServer((one) => one.peer.write(to(location)));
      expect(await rejection(connect(url, { followRedirects: 5 }))).toMatchObject({ code: 'ERR_HANDSHAKE' });
    },
  );
});

describe('a redirect as fetch reads it', () => {
  const to = (...locations: string[]) =>
    Buffer.from(
      `HTTP/1.1 302 Found\r\n${locations.map((one) => `Location: ${one}\r\n`).join('')}Content-Length: 0\r\n\r\n`,
    );
  const rows: [what: string, location: string, line: string][] = [
    ['bytes of UTF-8', '/grüße?q=ü', 'GET /gr%C3%BC%C3%9Fe?q=%C3%BC HTTP/1.1'],
    ['a fragment, which is not sent', '/new#part', 'GET /new HTTP/1.1'],
    ['no scheme', '//127.0.0.1:PORT/new', 'GET /new HTTP/1.1'],
    ['http:', 'http://127.0.0.1:PORT/new', 'GET /new HTTP/1.1'],
    ['a query alone', '?x=1', 'GET /?x=1 HTTP/1.1'],
    ['space around it', '  /new ', 'GET /new HTTP/1.1'],
  ];
  it.each(rows)('may have %s', async (_, location, line) => {
    let asks = 0;
    const { url, port, asked } = await rawServer((one) => {
      if (asks++ === 0) one.peer.write(to(location.replace('PORT', String(port))));
      else one.accept();
    });
    const connection = await connect(url, { followRedirects: 1 });
    await asked.next();
    expect((await asked.next()).line).toBe(line);
    connection.terminate();
  });

  it.each([
    ['several places', ['/a', '/b'], /several/],
    ['a scheme that is none', ['ftp://x/'], /no WebSocket URL/],
    ['credentials that are none', ['ws://%FF@127.0.0.1/'], /no WebSocket URL/],
  ])('to %s is a refusal, with its response', async (_, locations, says) => {
    const { url } = await rawServer((one) => one.peer.write(to(...locations)));
    expect(await rejection(connect(url, { followRedirects: 5 }))).toMatchObject({
      code: 'ERR_HANDSHAKE',
      message: expect.stringMatching(says),
      cause: { status: 302 },
    });
  });

  it('twice the same is one', async () => {
    const { url } = await rawServer((one) =>
      one.line.includes('/a') ? one.accept() : one.peer.write(to('/a', '/a')),
    );
    (await connect(url, { followRedirects: 1 })).terminate();
  });

  it('keeps the credentials of the caller on its origin, and takes no others', async () => {
    for (const userinfo of ['', 'evil:x@']) {
      const { url, port, asked } = await rawServer((one) =>
        one.line.includes('/new')
          ? one.accept()
          : one.peer.write(to(`ws://${userinfo}127.0.0.1:${port}/new`)),
      );
      const connection = await connect(url.replace('//', '//user:secret@'), { followRedirects: 1 });
      const expected = `Basic ${Buffer.from('user:secret').toString('base64')}`;
      expect(asked.all.map((one) => one.header('authorization'))).toEqual([expected, expected]);
      connection.terminate();
    }
  });

  it('leaves the unix socket for another origin, and keeps it for the same', async () => {
    const path = join(tmpdir(), `lws-redirect-${process.pid}.sock`);
    const other = await rawServer((one) => one.accept());
    const hidden = await rawServer(
      (one) => {
        if (one.line.includes('/away')) one.peer.write(to(other.url));
        else if (one.line.includes('/here')) one.accept();
        else one.peer.write(to('/here'));
      },
      { path },
    );
    const away = await connect('ws://name.test/away', { socketPath: path, followRedirects: 1 });
    expect([hidden.asked.all.length, (await other.asked.next()).line]).toEqual([1, 'GET / HTTP/1.1']);
    const here = await connect('ws://name.test/', { socketPath: path, followRedirects: 1 });
    expect([hidden.asked.all.length, other.asked.all.length]).toEqual([3, 1]);
    away.terminate();
    here.terminate();
  });
});

describe('connection.response', () => {
  it('is the 101, fields of one name apart', async () => {
    const { url } = await rawServer((one) =>
      one.accept({
        'Set-Cookie': 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nSet-Cookie: b=2',
        'X-A': '1\r\nX-A: 2',
      }),
    );
    const connection = await connect(url);
    const { status, statusText, headers } = connection.response!;
    expect([status, statusText]).toEqual([101, 'Switching Protocols']);
    expect(headers.getSetCookie()).toEqual(['a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'b=2']);
    expect([headers.get('x-a'), headers.getAll('X-A'), headers.has('x-b'), headers.get('x-b')]).toEqual([
      '1, 2',
      ['1', '2'],
      false,
      null,
    ]);
    expect([...headers].filter(([name]) => name === 'x-a')).toEqual([
      ['x-a', '1'],
      ['x-a', '2'],
    ]);
    connection.terminate();
    await connection.closed;
    expect(connection.response?.headers.get('upgrade')).toBe('websocket');
  });

  it('is there in open, and undefined on a server', async () => {
    const seen = queue<unknown>();
    const { url } = await startServer({ open: (c) => void seen.push(c.response), message() {} });
    const connection = await connect(url, { open: (c) => void seen.push(c.response?.status) });
    expect(new Set([await seen.next(), await seen.next()])).toEqual(new Set([undefined, 101]));
    connection.terminate();
  });
});

it('connect() reads an answer that came while its own loop was blocked past handshakeTimeout', async () => {
  const { url } = await rawServer((one) => {
    one.accept();
    const until = performance.now() + 300;
    while (performance.now() < until);
  });
  const connection = await connect(url, { handshakeTimeout: 200 });
  connection.terminate();
});

it('connect() rejects with an LwsError though its arguments cannot be read', async () => {
  const hostile = {
    get headers(): never {
      throw new TypeError('no');
    },
  };
  const error = await rejection(connect('ws://127.0.0.1:1/', hostile));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', cause: { message: 'no' } });
  const url = {
    toString: () => {
      throw new TypeError('no');
    },
  } as unknown as string;
  expect(await rejection(connect(url))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  expect(await rejection(connect(Symbol('x') as unknown as string))).toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
});

describe('a proxy', () => {
  it('is asked to CONNECT, and the tunnel carries everything', async () => {
    const { url, port } = await startServer(echo);
    const proxy = await startProxy();
    await echoes(url, { proxy: `http://${proxy.at}`, headers: { Authorization: 'Bearer secret' } });
    const head = await proxy.asked.next();
    expect(head).toBe(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  });

  it('is told credentials of its own URL, which the server never sees', async () => {
    const seen = queue<string | null>();
    const { url } = await startServer({
      ...echo,
      open: (c) => seen.push(c.request.headers.get('proxy-authorization')),
    });
    const proxy = await startProxy();
    await echoes(url, { proxy: new URL(`http://us%40er:p%20w@${proxy.at}`) });
    expect(await proxy.asked.next()).toContain(
      `Proxy-Authorization: Basic ${Buffer.from('us@er:p w').toString('base64')}\r\n`,
    );
    expect(await seen.next()).toBeNull();
  });

  it('is told an IPv6 address in brackets', async () => {
    const { port } = await startServer({ ...echo, host: '::1' });
    const proxy = await startProxy();
    await echoes(`ws://[::1]:${port}`, { proxy: `http://${proxy.at}` });
    expect(await proxy.asked.next()).toContain(`CONNECT [::1]:${port} HTTP/1.1`);
  });

  it.each([
    [
      'that wants credentials',
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n',
      /407/,
    ],
    ['that cannot reach the server', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', /502/],
    ['that speaks something else', 'SSH-2.0-x\r\n\r\n', /proxy/i],
    ['that sends bytes of its own', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 x', /bytes of its own/],
    ['with an endless head', 'HTTP/1.1 200 OK\r\n'.padEnd(20_000, 'x'), /too large/],
  ])('%s fails with ERR_CONNECT', async (_, answer, says) => {
    const proxy = await startProxy(answer);
    expect(await rejection(connect('ws://127.0.0.1:1/', { proxy: `http://${proxy.at}` }))).toMatchObject({
      code: 'ERR_CONNECT',
      message: expect.stringMatching(says),
    });
  });

  it('that never answers fails after handshakeTimeout, or when aborted', async () => {
    const proxy = await startProxy('HTTP/1.1 200');
    const options = { proxy: `http://${proxy.at}` };
    expect(await rejection(connect('ws://127.0.0.1:1/', { ...options, handshakeTimeout: 80 }))).toMatchObject(
      { code: 'ERR_TIMEOUT' },
    );
    const stop = new AbortController();
    const aborted = rejection(connect('ws://127.0.0.1:1/', { ...options, signal: stop.signal }));
    await proxy.asked.next();
    await proxy.asked.next();
    stop.abort();
    expect(await aborted).toMatchObject({ code: 'ERR_ABORTED' });
  });
});
