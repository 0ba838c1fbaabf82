import { createServer as createHttp } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask, keepAliveAgent, startHttp, unchunk } from '../helpers/http.js';
import { turnUntil } from '../helpers/server.js';

const get = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** Everything that comes back for one request, head and body apart. */
async function rawAnswer(server: Awaited<ReturnType<typeof startHttp>>, request = get) {
  const client = await server.connect();
  client.write(request);
  const bytes = await client.bytesToEnd();
  const end = bytes.indexOf('\r\n\r\n') + 4;
  return { head: bytes.toString('latin1', 0, end), body: bytes.subarray(end) };
}

/** The URL of a server of Node that answers with a compressed body. */
async function compressedSource(coding: string, bytes: Buffer): Promise<string> {
  const source = createHttp((_, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/plain',
      'Content-Encoding': coding,
      'Content-Length': bytes.length,
    });
    response.end(bytes);
  });
  await new Promise<void>((resolve) => void source.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void source.close());
  return `http://127.0.0.1:${(source.address() as AddressInfo).port}/`;
}

/** A body that gives one text after the other, each in a later turn. */
function slowly(...texts: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      const text = texts.shift();
      if (text === undefined) controller.close();
      else controller.enqueue(Buffer.from(text));
    },
  });
}

describe('A response', () => {
  test('carries status, reason, headers and body', async () => {
    const { port } = await startHttp(
      () => new Response('hello', { status: 201, statusText: 'Made', headers: { 'X-Name': 'value' } }),
    );
    const came = await ask({ port });
    expect(came).toMatchObject({ status: 201, reason: 'Made', body: 'hello' });
    expect(came.headers).toMatchObject({ 'x-name': 'value', 'content-type': 'text/plain;charset=UTF-8' });
    expect(came.headers.date).toBeDefined();
  });

  test('keeps each Set-Cookie by itself', async () => {
    const { port } = await startHttp(() => {
      const response = new Response('x');
      response.headers.append('set-cookie', 'a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT');
      response.headers.append('set-cookie', 'b=2');
      return response;
    });
    const { headers } = await ask({ port });
    expect(headers['set-cookie']).toEqual(['a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT', 'b=2']);
  });

  test('says the length of a body that is one piece', async () => {
    const server = await startHttp(() => new Response('hello'));
    const { head, body } = await rawAnswer(server);
    expect(head).toContain('\r\nContent-Length: 5\r\n');
    expect(head).not.toContain('Transfer-Encoding');
    expect(body.toString()).toBe('hello');
  });

  test('is chunked when the length is not known', async () => {
    const server = await startHttp(() => new Response(slowly('one', 'two')));
    const { head, body } = await rawAnswer(server);
    expect(head).toContain('\r\nTransfer-Encoding: chunked\r\n');
    expect(head).not.toContain('Content-Length');
    expect(unchunk(body)).toMatchObject({ body: Buffer.from('onetwo'), sizes: [3, 3] });
  });

  test('is delimited by the end of the transport for HTTP/1.0', async () => {
    const server = await startHttp(() => new Response(slowly('one', 'two')));
    const { head, body } = await rawAnswer(server, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(head).not.toMatch(/Transfer-Encoding|Content-Length/);
    expect(head).toContain('\r\nConnection: close\r\n');
    expect(body.toString()).toBe('onetwo');
  });

  test('keeps an HTTP/1.0 transport that asks for it when its length is known', async () => {
    const server = await startHttp(() => new Response('x'));
    const client = await server.connect();
    const request = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';
    client.write(request);
    expect((await client.response()).header('connection')).toBe('keep-alive');
    client.write(request);
    expect((await client.response()).body).toBe('x');
  });

  test('is sent with its announced length though it comes in pieces', async () => {
    const server = await startHttp(
      () => new Response(slowly('one', 'two'), { headers: { 'content-length': '6' } }),
    );
    const { head, body } = await rawAnswer(server);
    expect(head).toContain('\r\nContent-Length: 6\r\n');
    expect(head.match(/content-length/gi)).toHaveLength(1);
    expect(body.toString()).toBe('onetwo');
  });

  test('begins before its body does', async () => {
    const { port, connect } = await startHttp(() => new Response(new ReadableStream()));
    const client = await connect();
    client.write(get);
    expect(await client.response()).toMatchObject({ status: 200 });
    expect(port).toBeGreaterThan(0);
  });

  test('passes on each piece when it comes', async () => {
    let put!: (text: string) => void;
    const body = new ReadableStream({
      start(controller) {
        put = (text) => controller.enqueue(Buffer.from(text));
      },
    });
    const { connect } = await startHttp(() => new Response(body));
    const client = await connect();
    client.write(get);
    await client.response();
    const seen: string[] = [];
    client.socket.on('data', (bytes) => seen.push(bytes.toString()));
    for (const text of ['first', 'second']) {
      put(text);
      await turnUntil(() => seen.join('').endsWith(`${text}\r\n`));
    }
    expect(seen.join('')).toBe('5\r\nfirst\r\n6\r\nsecond\r\n');
  });

  test('to HEAD has the head alone, and the transport goes on', async () => {
    let cancelled = 0;
    const server = await startHttp((request) => {
      if (request.method !== 'HEAD') return new Response('next');
      const body = new ReadableStream({ cancel: () => void cancelled++ });
      return new Response(body, { headers: { 'content-length': '1000' } });
    });
    const client = await server.connect();
    client.write('HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    client.write(get);
    const bytes = (await client.bytesToEnd()).toString();
    expect(bytes).toMatch(
      /^HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*Content-Length: 1000\r\n(?:[^\r]+\r\n)*\r\nHTTP\/1\.1 200 OK\r\n/,
    );
    expect(bytes.endsWith('\r\n\r\nnext')).toBe(true);
    expect(cancelled).toBe(1);
  });

  test.each([
    [204, undefined],
    [205, '0'],
    [304, undefined],
  ])('with status %i has no body and the length %s', async (status, length) => {
    const server = await startHttp(() => new Response(null, { status }));
    const { head, body } = await rawAnswer(server);
    expect(/Content-Length: (\d+)/.exec(head)?.[1]).toBe(length);
    expect(head).not.toContain('Transfer-Encoding');
    expect(body).toHaveLength(0);
  });

  test('without a body has the length 0', async () => {
    const { head } = await rawAnswer(await startHttp(() => new Response(null)));
    expect(head).toContain('\r\nContent-Length: 0\r\n');
  });

  test('of a whole megabyte arrives as it is', async () => {
    const big = Buffer.alloc(1_000_003, 'abcdefg');
    const { port } = await startHttp(() => new Response(big));
    const came = await ask({ port });
    expect(came.headers['content-length']).toBe('1000003');
    expect(Buffer.from(came.body).equals(big)).toBe(true);
  });

  test('of a web stream larger than any buffer arrives as it is', async () => {
    let left = 300;
    const body = new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(Buffer.alloc(100_003, left & 0xff));
        else controller.close();
      },
    });
    const { port } = await startHttp(() => new Response(body));
    const came = await fetch(`http://127.0.0.1:${port}/`);
    const bytes = Buffer.from(await came.arrayBuffer());
    expect(bytes).toHaveLength(300 * 100_003);
    for (let i = 0; i < 300; i++) expect(bytes[i * 100_003]).toBe((299 - i) & 0xff);
  });

  test('that says Connection: close ends the transport', async () => {
    const { connect } = await startHttp(() => new Response('x', { headers: { Connection: 'Close' } }));
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await client.response()).header('connection')).toBe('close');
    expect(await client.ended).toBe('fin');
  });

  test('may come later', async () => {
    const { port } = await startHttp(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return new Response('late');
    });
    expect((await ask({ port })).body).toBe('late');
  });
});

describe('Nothing returned', () => {
  test.each([
    ['by a handler', () => {}],
    ['by an async handler', async () => {}],
    ['since there is no handler', undefined],
  ])('%s is a 404', async (_, handler) => {
    const { port, errors } = await startHttp(handler);
    expect(await ask({ port })).toMatchObject({ status: 404, body: 'Not Found\n' });
    expect(errors).toEqual([]);
  });
});

describe('A handler that fails', () => {
  const oops = new Error('oops');
  test.each([
    [
      'throws',
      () => {
        throw oops;
      },
    ],
    [
      'rejects',
      async () => {
        throw oops;
      },
    ],
    [
      'has a body stream that fails at once',
      () => new Response(new ReadableStream({ start: (c) => c.error(oops) })),
    ],
  ])('since it %s answers 500 and tells the cause, and the transport goes on', async (_, handler) => {
    const { port, errors } = await startHttp(handler);
    const agent = keepAliveAgent();
    for (let i = 1; i <= 2; i++) {
      expect(await ask({ port, agent })).toMatchObject({ status: 500, body: 'Internal Server Error\n' });
      expect(errors).toHaveLength(i);
    }
    expect(errors[0]).toMatchObject({ code: 'ERR_HANDLER', cause: oops });
  });

  test('since it throws what cannot be shown answers 500 and tells the cause', async () => {
    const cause = Object.create(null);
    const { port, errors } = await startHttp(() => {
      throw cause;
    });
    expect(await ask({ port })).toMatchObject({ status: 500 });
    expect(errors).toHaveLength(1);
    expect(errors[0]!.cause).toBe(cause);
    expect(errors[0]!.message).toContain('a value that cannot be shown');
  });

  test.each([
    ['a string', () => 'hello', 'string "hello"'],
    ['null', () => null, 'null'],
    ['a plain object', () => ({ status: 200, headers: {}, body: 'x' }), 'an object of Object'],
    ['a status of no response', () => Response.error(), 'the status 0'],
  ])('since it returned %s answers 500 and says so', async (_, handler, what) => {
    const { port, errors } = await startHttp(handler as never);
    expect((await ask({ port })).status).toBe(500);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_HANDLER' })]);
    expect(errors[0]!.message).toContain('Expected a WHATWG Response or nothing');
    expect(errors[0]!.message).toContain(what);
  });

  test('since it returned the same Response twice answers 500 and says so', async () => {
    const once = new Response('x');
    const { port, errors } = await startHttp(() => once);
    expect((await ask({ port })).body).toBe('x');
    expect((await ask({ port })).status).toBe(500);
    expect(errors.map((error) => error.message)).toEqual([expect.stringContaining('read already')]);
  });

  test.each([
    ['a header with a control character', { headers: { 'x-a': 'a\x01b' } }, 'header x-a'],
    ['a Content-Length that is no number', { headers: { 'content-length': 'ten' } }, '"ten"'],
    ['a Content-Length above its body', { headers: { 'content-length': '6' } }, 'Expected 6 bytes'],
    ['a Content-Length below its body', { headers: { 'content-length': '4' } }, 'Expected 4 bytes'],
  ])('since it gave %s answers 500 and says so', async (_, init, what) => {
    const { port, errors } = await startHttp(() => new Response('hello', init));
    expect((await ask({ port })).status).toBe(500);
    expect(errors.map((error) => error.message)).toEqual([expect.stringContaining(what)]);
  });

  test('since its stream gave a string answers 500 and says so', async () => {
    const body = new ReadableStream({ start: (c) => c.enqueue('text') });
    const { port, errors } = await startHttp(() => new Response(body));
    expect((await ask({ port })).status).toBe(500);
    expect(errors[0]!.message).toContain('Expected Uint8Arrays');
  });

  test.each([
    ['chunked', {}],
    ['of a known length', { headers: { 'content-length': '100' } }],
  ])('in the middle of a response %s cuts it, so that the peer knows', async (_, init) => {
    let fail!: () => void;
    const { port, errors } = await startHttp(() => {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from('begun'));
          fail = () => controller.error(oops);
        },
      });
      return new Response(body, init);
    });
    const came = await fetch(`http://127.0.0.1:${port}/`);
    const reader = came.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('begun');
    fail();
    await expect(reader.read()).rejects.toThrow();
    await turnUntil(() => errors.length > 0);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_HANDLER', cause: oops })]);
  });

  test.each([
    ['too short', ['12345'], 'ended 5 bytes too early'],
    ['too long', ['12345', '678901'], 'longer than its Content-Length'],
  ])('to keep its announced length, %s, is cut', async (_, texts, what) => {
    const { connect, errors } = await startHttp(
      () => new Response(slowly(...texts), { headers: { 'content-length': '10' } }),
    );
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const bytes = (await client.bytesToEnd()).toString();
    expect(bytes.slice(bytes.indexOf('\r\n\r\n') + 4)).toBe('12345');
    expect(errors.map((error) => error.message)).toEqual([expect.stringContaining(what)]);
  });
});

describe('A response that fetch decoded', () => {
  const text = 'the same again and again; '.repeat(10_000);

  test.each([
    ['gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['GZIP', gzipSync(text)],
  ])('from %s is passed on as it is now', async (coding, bytes) => {
    const url = await compressedSource(coding, bytes);
    const { port } = await startHttp(() => fetch(url));
    const came = await ask({ port });
    expect(came.body).toBe(text);
    expect([came.headers['content-type'], came.headers['content-encoding']]).toEqual([
      'text/plain',
      undefined,
    ]);
  });

  test.each(['secret', 'gzip, secret', 'gzip,'])(
    'keeps the name of %s, which fetch leaves',
    async (coding) => {
      const url = await compressedSource(coding, Buffer.from('as it is'));
      const { port } = await startHttp(() => fetch(url));
      const came = await ask({ port });
      expect([came.body, came.headers['content-encoding']]).toEqual(['as it is', coding]);
    },
  );

  test('from a coding that only some versions of fetch undo is refused before its head leaves', async () => {
    const url = await compressedSource('zstd', Buffer.from('whatever'));
    const { port, errors } = await startHttp(async () => {
      const response = await fetch(url);
      return response;
    });
    expect((await ask({ port })).status).toBe(500);
    expect(errors[0]!.message).toContain('zstd');
  });

  test('whose head was copied to another is refused before it leaves', async () => {
    const url = await compressedSource('gzip', gzipSync(text));
    const { port, errors } = await startHttp(async () => {
      const { body, headers } = await fetch(url);
      return new Response(body, { headers });
    });
    expect((await ask({ port })).status).toBe(500);
    expect(errors[0]!.message).toContain('fetch decodes bodies');
  });
});

test.each([
  ['HTTP/1.0', 'reset'],
  ['HTTP/1.1', 'fin'],
])('A body that fails in the middle looks cut to %s', async (version, how) => {
  const body = new ReadableStream({
    async pull(controller) {
      controller.enqueue(Buffer.from('half'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.error(new Error('broken'));
    },
  });
  const { connect, errors } = await startHttp(() => new Response(body));
  const client = await connect();
  client.write(`GET / ${version}\r\nHost: x\r\n\r\n`);
  expect(await client.ended).toBe(how);
  const came = (await client.bytesToEnd()).toString();
  expect(came).toContain('half');
  expect(came).not.toMatch(/0\r\n\r\n$/);
  expect(errors).toHaveLength(1);
});

test('Half a body that ends with its connection looks cut, too, when its server closes', async () => {
  const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('half')) });
  const { connect, server } = await startHttp(() => new Response(body));
  const client = await connect();
  client.write('GET / HTTP/1.0\r\n\r\n');
  await client.response();
  await server.close({ timeout: 20 });
  expect(await client.ended).toBe('reset');
});

test('A response tells how long its transport waits for another request, as that of Node', async () => {
  const { connect } = await startHttp(() => new Response('x'), { keepAliveTimeout: 7_500 });
  const client = await connect();
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const response = await client.response();
  expect([response.header('connection'), response.header('keep-alive')]).toEqual(['keep-alive', 'timeout=7']);
});
