import { describe, expect, test } from 'vitest';
import { startHttp } from '../helpers/http.js';

const get = (target: string, host = 'localhost') => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

describe('What can be no request is refused with 400 before anything else comes', () => {
  test.each([
    ['a TLS hello', '\x16\x03\x01\x02\x00'],
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a bare LF', '\n'],
    ['a bare LF behind the request line', 'GET / HTTP/1.1\n'],
    ['a bare LF behind a field', 'GET / HTTP/1.1\r\nHost: x\n'],
    ['a folded field', 'GET / HTTP/1.1\r\nHost: x\r\n '],
    ['a header of the PROXY protocol', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
  ])('%s', async (_, bytes) => {
    const { connect } = await startHttp(() => new Response('seen'));
    const client = await connect();
    client.write(Buffer.from(bytes, 'latin1'));
    const response = await client.response();
    expect([response.status, response.header('connection')]).toEqual([400, 'close']);
    expect(await client.ended).toBe('fin');
  });
});

describe('A native refusal', () => {
  const date = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

  test.each([
    [400, 'GET / HTTP/1.1\r\n\r\n'],
    [405, 'POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    [417, 'GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n'],
    [501, 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
    [505, 'GET / HTTP/3.0\r\nHost: x\r\n\r\n'],
  ])('of %i has a Date', async (status, text) => {
    const { connect } = await startHttp(() => new Response('seen'));
    const client = await connect();
    client.write(text);
    const response = await client.response();
    expect(response.status).toBe(status);
    expect(response.header('date')).toMatch(date);
    expect(Math.abs(Date.parse(response.header('date')!) - Date.now())).toBeLessThan(60_000);
  });

  test.each([
    ['bad field', 'HEAD / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n', 400],
    ['other version', 'HEAD / HTTP/2.0\r\nHost: x\r\n\r\n', 505],
    ['head that is too large', `HEAD / HTTP/1.1\r\nA: ${'a'.repeat(20_000)}`, 431],
  ])('of HEAD with a %s has no content', async (_, text, status) => {
    const { connect } = await startHttp(() => new Response('seen'));
    const client = await connect();
    client.write(text);
    const came = (await client.bytesToEnd()).toString();
    expect(came).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*\r\n\r\n$`, 's'));
  });
});

describe('The target of a request', () => {
  test.each(['a', '?a', '*', 'http:x', 'http:///p', '/a#b', 'a:80', 'http://u@a/', 'ftp://a/'])(
    '%s is 400',
    async (target) => {
      const { connect } = await startHttp(() => new Response('seen'));
      const client = await connect();
      client.write(get(target));
      expect((await client.response()).status).toBe(400);
    },
  );

  test.each(['[]', 'a:99999', ':80', 'a b', '[::1'])('with the Host %s is 400', async (host) => {
    const { connect } = await startHttp(() => new Response('seen'));
    const client = await connect();
    client.write(get('/', host));
    expect((await client.response()).status).toBe(400);
  });

  test.each([
    ['/p?q=1', 'field', '/p', '1'],
    ['//p?q=1', 'field', '//p', '1'],
    ['http://target:8/p?q=1', 'target:8', '/p', '1'],
    ['HTTPS://target?q=1', 'target', '/', '1'],
    ['ws://[::1]/p', '[::1]', '/p', null],
    ['http://target/p?x=http://other/?q=1', 'target', '/p', null],
  ])('%s is of the host %s', async (target, host, path, q) => {
    const { connect } = await startHttp((request) =>
      Response.json([request.headers.get('host'), request.path, request.query.get('q'), request.url]),
    );
    const client = await connect();
    client.write(get(target, 'field'));
    expect(JSON.parse((await client.response()).body)).toEqual([host, path, q, target]);
  });

  test('* of OPTIONS reaches the handler', async () => {
    const { connect } = await startHttp((request) => new Response(`${request.method} ${request.path}`));
    const client = await connect();
    client.write('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await client.response()).body).toBe('OPTIONS *');
  });
});

describe('A body that stalls', () => {
  test.each([
    ['while it is read', async (request: { bytes(): Promise<Buffer> }) => void (await request.bytes()), ''],
    [
      'that was asked for',
      async (request: { bytes(): Promise<Buffer> }) => void (await request.bytes()),
      '100',
    ],
  ])('%s is answered with 408', async (_, read, expects) => {
    const { connect, errors } = await startHttp(
      async (request) => {
        await read(request);
        return new Response('seen');
      },
      { idleTimeout: 200 },
    );
    const client = await connect();
    const expect100 = expects ? 'Expect: 100-continue\r\n' : '';
    client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n${expect100}\r\n`);
    if (expects) expect((await client.response()).status).toBe(100);
    client.write('abc');
    const response = await client.response();
    expect([response.status, response.header('connection')]).toEqual([408, 'close']);
    expect(await client.ended).toBe('fin');
    expect(errors).toEqual([]);
  });
});

describe('Chunk extensions', () => {
  const post = (body: string) => `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;

  test.each([
    ['1;a=b; c="d;\\" e" ;f\r\nx\r\n0;g\r\n\r\n', 200],
    ['1;\r\nx\r\n0\r\n\r\n', 400],
    ['1;a=\r\nx\r\n0\r\n\r\n', 400],
    ['1;a="b\r\nx\r\n0\r\n\r\n', 400],
    ['1;a b\r\nx\r\n0\r\n\r\n', 400],
    [`${'1;a=0123456789\r\nx\r\n'.repeat(2000)}0\r\n\r\n`, 400],
  ])('%j', async (body, status) => {
    const { connect } = await startHttp(async (request) => new Response(await request.text()));
    const client = await connect();
    client.write(post(body));
    expect((await client.response()).status).toBe(status);
  });
});
