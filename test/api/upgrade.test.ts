import { describe, expect, it } from 'vitest';
import {
  createServer,
  LwsError,
  type ServerOptions,
  type UpgradeAnswer,
  type UpgradeRequest,
} from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { handshakeText, type RequestFields } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

/** Answers one handshake; the response, and what the server was told. */
async function answer(options: ServerOptions, fields?: RequestFields) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await running.connect();
  client.write(handshakeText(fields));
  return { ...running, ...record, client, response: await client.response() };
}

describe('upgrade(request) is given', () => {
  it('the request as it was sent', async () => {
    const seen = queue<UpgradeRequest>();
    await answer(
      { upgrade: (request) => void seen.push(request) },
      {
        target: '/chat/r%C3%A4ume?room=1&room=2&name=J%C3%BCrgen+K',
        headers: {
          'X-Twice': ['a', 'b'],
          Cookie: ['a=1', 'b=2'],
          'X-EMPTY': '',
          Origin: 'https://a.example',
        },
      },
    );
    const request = await seen.next();
    expect(request.method).toBe('GET');
    expect(request.url).toBe('/chat/r%C3%A4ume?room=1&room=2&name=J%C3%BCrgen+K');
    expect(request.path).toBe('/chat/r%C3%A4ume');
    expect(request.query.getAll('room')).toEqual(['1', '2']);
    expect(request.query.get('name')).toBe('Jürgen K');
    expect(request.headers.get('x-twice')).toBe('a, b');
    expect(request.headers.get('COOKIE')).toBe('a=1; b=2');
    expect(request.headers.get('x-empty')).toBe('');
    expect(request.headers.get('absent')).toBeNull();
    expect([request.headers.has('origin'), request.headers.has('absent')]).toEqual([true, false]);
    expect([...request.headers.keys()]).toEqual([
      'host',
      'upgrade',
      'connection',
      'sec-websocket-key',
      'sec-websocket-version',
      'x-twice',
      'cookie',
      'x-empty',
      'origin',
    ]);
    expect(request.headers.size).toBe(9);
    expect([...request.headers].at(-1)).toEqual(['origin', 'https://a.example']);
    const visited: string[] = [];
    request.headers.forEach((value, name, headers) => {
      expect(headers).toBe(request.headers);
      visited.push(`${name}=${value}`);
    });
    expect(visited).toContain('x-twice=a, b');
  });

  it('a request without query', async () => {
    const seen = queue<UpgradeRequest>();
    await answer({ upgrade: (request) => void seen.push(request) }, { target: '/plain' });
    const request = await seen.next();
    expect([request.path, request.query.size]).toEqual(['/plain', 0]);
  });

  it('names that JavaScript has a meaning for, as any others', async () => {
    const seen = queue<UpgradeRequest>();
    await answer(
      { upgrade: (request) => void seen.push(request) },
      { target: '/?__proto__=1', headers: { __proto__x: 'a', Constructor: 'b' } },
    );
    const { headers, query } = await seen.next();
    expect([headers.get('constructor'), headers.get('toString'), query.get('__proto__')]).toEqual([
      'b',
      null,
      '1',
    ]);
  });

  it('the address of the peer', async () => {
    const seen = queue<UpgradeRequest>();
    const { client } = await answer({ upgrade: (request) => void seen.push(request) });
    const { remoteAddress, remotePort, transport } = await seen.next();
    expect([remoteAddress, remotePort]).toEqual(['127.0.0.1', client.socket.localPort]);
    expect([transport.remoteAddress, transport.remotePort]).toEqual([remoteAddress, remotePort]);
  });

  it('bytes above ASCII as latin1', async () => {
    const seen = queue<UpgradeRequest>();
    const { connect } = await startServer({ upgrade: (request) => void seen.push(request), message() {} });
    const client = await connect();
    client.write(Buffer.from(handshakeText({ headers: { 'X-Name': 'J\xfcrgen' } }), 'latin1'));
    expect((await seen.next()).headers.get('x-name')).toBe('J\xfcrgen');
  });

  it('a request that stays readable after the connection died', async () => {
    const record = recorder();
    const { client } = await answer(
      { ...record.handlers },
      { target: '/kept?a=1', headers: { 'X-Kept': 'yes' } },
    );
    const { request } = await record.opened.next();
    client.destroy();
    await record.closed.next();
    for (let i = 0; i < 3; i++) globalThis.gc?.();
    expect([
      request.url,
      request.query.get('a'),
      request.headers.get('x-kept'),
      request.remoteAddress,
    ]).toEqual(['/kept?a=1', '1', 'yes', '127.0.0.1']);
  });
});

const later = <T>(value: T) => new Promise<T>((resolve) => setTimeout(resolve, 5, value));
const thenable = <T>(value: T) =>
  // biome-ignore lint/suspicious/noThenProperty: a promise of another library
  ({ then: (resolve: (value: T) => void) => void setTimeout(resolve, 5, value) }) as unknown as Promise<T>;

describe.each([
  ['at once', <T>(value: T): T | Promise<T> => value],
  ['in a promise', <T>(value: T): T | Promise<T> => Promise.resolve(value)],
  ['later', later],
  ['in a promise of another library', thenable],
] as const)('upgrade answers %s', (_, give) => {
  it('with nothing: accepted', async () => {
    const { response, opened } = await answer({ upgrade: () => give(undefined) });
    expect(response.status).toBe(101);
    expect((await opened.next()).data).toBeUndefined();
  });

  it('with data: they are those of the connection', async () => {
    const data = { name: 'Ann' };
    const { response, opened } = await answer({ upgrade: () => give({ data }) });
    expect(response.status).toBe(101);
    expect((await opened.next()).data).toBe(data);
  });

  it('with headers: they are those of the 101', async () => {
    const { response } = await answer({
      upgrade: () => give({ headers: { 'X-Served-By': 'a', 'Set-Cookie': ['s=1', 't=2'] } }),
    });
    expect(response.status).toBe(101);
    expect(response.header('x-served-by')).toBe('a');
    expect(response.fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value)).toEqual([
      's=1',
      't=2',
    ]);
  });

  it('with a status: refused with it, its headers and body, and TCP ends', async () => {
    const { client, response, opened, errors, server } = await answer({
      upgrade: () => give({ status: 401, headers: { 'WWW-Authenticate': 'Bearer' }, body: 'who are you?' }),
    });
    expect(response).toMatchObject({ status: 401, body: 'who are you?' });
    expect(response.header('www-authenticate')).toBe('Bearer');
    expect(response.header('connection')).toBe('close');
    expect(await client.ended).toBe('fin');
    client.end();
    await turnUntil(() => server.stats().transports === 0);
    expect([opened.all, errors.all]).toEqual([[], []]);
  });
});

describe('a refusal', () => {
  it.each([300, 302, 400, 401, 403, 404, 426, 429, 499, 500, 503, 599])(
    'may have status %i',
    async (status) => {
      const { response } = await answer({ upgrade: () => ({ status }) });
      expect([response.status, response.body, response.header('content-length')]).toEqual([status, '', '0']);
    },
  );

  it('may send elsewhere', async () => {
    const { response } = await answer({
      upgrade: () => ({ status: 307, headers: { Location: 'wss://b.example/chat' } }),
    });
    expect([response.status, response.header('location')]).toEqual([307, 'wss://b.example/chat']);
  });

  it.each([
    ['bytes', Buffer.from('höh'), 'höh'],
    ['a string', 'höh', 'höh'],
    ['much', 'x'.repeat(200_000), 'x'.repeat(200_000)],
    ['nothing', '', ''],
  ])('may have a body of %s', async (_, body, expected) => {
    const { response } = await answer({ upgrade: () => ({ status: 400, body }) });
    expect(response.body).toBe(expected);
  });

  it.each([
    ['a record', { 'X-A': '1', 'X-B': ['2', '3'] }],
    ['Headers', new Headers({ 'X-A': '1', 'X-B': '2, 3' })],
    [
      'pairs',
      [['X-A', '1'] as [string, string], ['X-B', '2'] as [string, string], ['X-B', '3'] as [string, string]],
    ],
    [
      'a Map',
      new Map([
        ['X-A', '1'],
        ['X-B', '2, 3'],
      ]),
    ],
  ])('may have headers as %s', async (_, headers) => {
    for (const each of [{ headers, status: 400 }, { headers }]) {
      const { response } = await answer({ upgrade: () => each });
      expect(response.header('x-a')).toBe('1');
      const values = response.fields.filter(([name]) => name === 'x-b').map(([, value]) => value);
      expect(values.join(', ')).toBe('2, 3');
    }
  });

  it('leaves the fields that frame the response to us', async () => {
    const { response } = await answer({
      upgrade: () => ({
        status: 400,
        headers: { 'Content-Length': '5', 'Transfer-Encoding': 'chunked', Connection: 'keep-alive' },
        body: 'four',
      }),
    });
    expect(response.body).toBe('four');
    expect(response.fields.filter(([name]) => name === 'content-length')).toEqual([['content-length', '4']]);
    expect([response.header('transfer-encoding'), response.header('connection')]).toEqual([
      undefined,
      'close',
    ]);
  });
});

describe('an answer that cannot be given is a 500, and the error is told:', () => {
  const bad: [what: string, given: unknown, message: RegExp][] = [
    ['a status below', { status: 200 }, /status from 300 to 599 .* got the number 200/],
    ['the status of acceptance', { status: 101 }, /status from 300 to 599/],
    ['a status above', { status: 600 }, /status from 300 to 599/],
    ['a status that is no number', { status: '401' }, /status from 300 to 599 .* got the string "401"/],
    ['a status that was forgotten', { status: undefined }, /status from 300 to 599 .* got undefined/],
    ['a status that was misspelled', { staus: 401 }, /Unknown member "staus" .*; did you mean "status"\?/],
    ['a body without a status', { body: 'no' }, /status from 300 to 599 .* got undefined/],
    ['headers that were misspelled', { data: 1, header: {} }, /did you mean "headers"\?/],
    ['an array', [{ status: 401 }], /an object for the answer of upgrade but got an object of Array/],
    ['null', null, /object or nothing .* got null/],
    ['false', false, /object or nothing .* got the boolean false/],
    ['a string', 'no', /object or nothing .* got the string "no"/],
    ['a body of another type', { status: 400, body: 7 }, /string or bytes for the body .* got the number 7/],
    ['a name with a space', { headers: { 'a b': 'x' } }, /token/],
    ['a name with a line break', { status: 400, headers: { 'a\r\nb': 'x' } }, /token/],
    [
      'a value with a line break',
      { headers: { a: 'x\r\nEvil: 1' } },
      /header a but got a string of 10 bytes/,
    ],
    [
      'a value with a line feed',
      { status: 302, headers: { Location: '/\nSet-Cookie: a=b' } },
      /header Location but got a string of 17 bytes/,
    ],
    ['a value with NUL', { headers: [['a', 'b\0']] }, /header a but got a string of 2 bytes/],
    ['a value beyond latin1', { headers: { a: '€' } }, /header a but got a string of 3 bytes/],
    ['a value that is no string', { headers: { a: 5 } }, /string .*header a\b.* got a number/i],
    ['headers that are none', { headers: 'a: b' }, /headers/],
    [
      'a subprotocol nobody offered',
      { protocol: 'chat' },
      /offered subprotocols \(none\) .* got the string "chat"/,
    ],
    ['more headers than fit', { headers: { a: 'x'.repeat(5000) } }, /at most 4096 bytes/],
    ['an accept value of its own', { headers: { 'Sec-WebSocket-Accept': 'x' } }, /Sec-WebSocket-Accept/],
    ['a subprotocol by header', { headers: { 'sec-websocket-protocol': 'x' } }, /sec-websocket-protocol/i],
    ['an extension by header', { headers: [['SEC-WEBSOCKET-EXTENSIONS', 'x']] }, /sec-websocket-extensions/i],
  ];
  it.each(bad)('%s', async (_, given, message) => {
    const { client, response, errors, opened } = await answer({
      upgrade: () => given as UpgradeAnswer<unknown>,
    });
    expect([response.status, response.body]).toEqual([500, 'the server met an error\n']);
    expect(await client.ended).toBe('fin');
    const error = await errors.next();
    expect(error).toBeInstanceOf(LwsError);
    expect(error.code).toBe('ERR_HANDLER');
    expect(error.message).toMatch(/^The upgrade handler failed: /);
    expect(error.message).toMatch(message);
    expect(opened.all).toEqual([]);
  });

  const boom = new Error('boom');
  it.each([
    [
      'throws',
      () => {
        throw boom;
      },
    ],
    ['rejects', () => Promise.reject(boom)],
    ['rejects later', () => later(0).then(() => Promise.reject(boom))],
  ])('it %s', async (_, upgrade) => {
    const { response, errors } = await answer({ upgrade });
    expect([response.status, response.body]).toEqual([500, 'the server met an error\n']);
    expect(await errors.next()).toMatchObject({
      code: 'ERR_HANDLER',
      message: 'The upgrade handler failed: boom',
      cause: boom,
    });
  });
});

describe('origins', () => {
  it.each([
    ['https://a.example/', 'https://a.example'],
    ['HTTPS://A.example', 'https://a.example'],
    ['https://a.example:443', 'https://a.example'],
    ['http://a.example:8080', 'http://a.example:8080'],
    ['http://[::1]:80', 'http://[::1]'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['chrome-extension://abcdef', 'chrome-extension://abcdef'],
    ['null', 'null'],
  ])('%s lets %s in', async (option, origin) => {
    const allowed = await answer({ origins: [option] }, { headers: { Origin: origin } });
    expect(allowed.response.status).toBe(101);
    const other = await answer({ origins: [option] }, { headers: { Origin: 'https://b.example' } });
    expect(other.response.status).toBe(403);
  });

  it.each(['*', 'a.example', 'https://a.example/page', 'https://*.a.example/x', 'https://a?b', ''])(
    'does not take %j for one',
    (origin) => {
      expect(() => createServer({ origins: [origin] })).toThrow(/Expected an origin like 'https:/);
    },
  );

  const origins = ['https://a.example', 'http://localhost:3000'];
  it.each([
    ['https://a.example', 101],
    ['http://localhost:3000', 101],
    ['https://b.example', 403],
    ['https://a.example.evil', 403],
    ['http://a.example', 403],
    ['https://a.example:444', 403],
    ['HTTPS://A.EXAMPLE', 403],
    ['null', 403],
    ['', 403],
  ])('%j gets %i', async (origin, status) => {
    const { response } = await answer({ origins }, { headers: { Origin: origin } });
    expect(response.status).toBe(status);
    if (status === 403) expect(response.body).toBe('this origin may not connect\n');
  });

  it('a request without Origin comes from no page and passes', async () => {
    expect((await answer({ origins })).response.status).toBe(101);
  });

  it('none is allowed by an empty list, all without one', async () => {
    const fields = { headers: { Origin: 'https://any.example' } };
    expect((await answer({ origins: [] }, fields)).response.status).toBe(403);
    expect((await answer({}, fields)).response.status).toBe(101);
  });

  it('are judged before upgrade is asked', async () => {
    let asked = 0;
    const upgrade = () => void asked++;
    await answer({ origins, upgrade }, { headers: { Origin: 'https://evil.example' } });
    expect(asked).toBe(0);
  });
});
