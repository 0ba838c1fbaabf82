import { describe, expect, test } from 'vitest';
import type { HttpRequest } from '../../lib/index.js';
import { ask, keepAliveAgent, settled, startHttp, unchunk } from '../helpers/http.js';
import { queue } from '../helpers/queue.js';
import { turnUntil } from '../helpers/server.js';

const KIB = 1024;
const post = (length: number, more = '') =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n${more}\r\n`;
const chunkedPost = 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Answers with what reading gave, or with the code of what it threw. */
const echo = async (request: HttpRequest) => new Response(await request.bytes());

describe('A request', () => {
  test('tells method, url, path, query, headers and where it came from', async () => {
    const seen = queue<HttpRequest>();
    const { port } = await startHttp((request) => seen.push(request));
    await ask({ port, method: 'PUT', path: '/a%20b?x=1&x=2', headers: { 'X-Name': 'value' } });
    const request = await seen.next();
    expect(request).toMatchObject({
      method: 'PUT',
      url: '/a%20b?x=1&x=2',
      path: '/a%20b',
      remoteAddress: '127.0.0.1',
    });
    expect(request.query.getAll('x')).toEqual(['1', '2']);
    expect(request.headers.get('x-name')).toBe('value');
    expect(request.remotePort).toBeGreaterThan(0);
  });
});

describe('A request body', () => {
  test.each([0, 1, 4096, 65_536, 1_000_000])('of %i bytes arrives as it is', async (size) => {
    const { port } = await startHttp(echo);
    const body = Buffer.alloc(size, 'abcdefg');
    expect(await ask({ port, method: 'POST', body })).toMatchObject({ status: 200, body: body.toString() });
  });

  test('that is chunked arrives without its chunks, however it is cut', async () => {
    const { connect } = await startHttp(echo);
    const client = await connect();
    for (const byte of `${chunkedPost}5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n`) {
      client.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await client.response()).body).toBe('hello world');
  });

  test('is read as text, a byte order mark left out', async () => {
    const { port } = await startHttp(async (request) => new Response(await request.text()));
    expect((await ask({ port, method: 'POST', body: '\ufeffgrüß' })).body).toBe('grüß');
  });

  test('is read as JSON', async () => {
    const { port } = await startHttp(async (request) => Response.json({ got: await request.json() }));
    expect((await ask({ port, method: 'POST', body: '{"a":[1]}' })).body).toBe('{"got":{"a":[1]}}');
  });

  test('is read in pieces as they arrive', async () => {
    const pieces = queue<string>();
    const { connect } = await startHttp(async (request) => {
      for await (const piece of request.body) pieces.push(piece.toString());
      return new Response('done');
    });
    const client = await connect();
    client.write(post(6));
    for (const text of ['abc', 'def']) {
      client.write(text);
      expect(await pieces.next()).toBe(text);
    }
    expect((await client.response()).body).toBe('done');
  });

  test('can be the body of the response', async () => {
    const { port } = await startHttp((request) => new Response(request.body));
    const body = Buffer.alloc(500_000, 'xyz');
    expect((await ask({ port, method: 'POST', body })).body).toBe(body.toString());
  });

  test('owns its bytes for ever', async () => {
    const kept: Buffer[] = [];
    const { port } = await startHttp(async (request) => {
      for await (const piece of request.body) kept.push(piece);
    });
    for (const letter of 'abcdefgh') await ask({ port, method: 'POST', body: letter.repeat(20_000) });
    expect(Buffer.concat(kept).toString()).toBe([...'abcdefgh'].map((one) => one.repeat(20_000)).join(''));
  });

  test('does not arrive faster than it is read', async () => {
    const go = queue<void>();
    const { connect } = await startHttp(async (request) => {
      let size = 0;
      for await (const piece of request.body) {
        if (size === 0) await go.next();
        size += piece.length;
      }
      return new Response(String(size));
    });
    const size = 64 * KIB * KIB;
    const client = await connect();
    client.write(post(size));
    const piece = Buffer.alloc(64 * KIB);
    let written = 0;
    const feed = () => {
      while (written < size && client.socket.writableLength === 0) {
        written += piece.length;
        client.write(piece);
      }
    };
    client.socket.on('drain', feed);
    feed();
    await settled(() => written);
    expect(written).toBeLessThan(size / 2);
    go.push();
    expect((await client.response()).body).toBe(String(size));
  });

  test('in the tiniest pieces is held back by what the pieces cost', async () => {
    const go = queue<void>();
    const { server, connect } = await startHttp(async (request) => {
      const pieces: number[] = [];
      for await (const piece of request.body) {
        if (pieces.length === 0) await go.next();
        pieces.push(piece.length);
      }
      return new Response(String(pieces.length));
    });
    const client = await connect();
    const count = 20_000;
    client.write(`${chunkedPost}${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`);
    expect(await settled(() => server.stats().bytesReceived)).toBeLessThan((count * 6) / 2);
    go.push();
    expect((await client.response()).body).toBe(String(count));
  });

  test('is asked for when it is read, from a peer that waits for that', async () => {
    const go = queue<void>();
    const { connect } = await startHttp(async (request) => {
      await go.next();
      return new Response(await request.text());
    });
    const client = await connect();
    client.write(post(5, 'Expect: 100-continue\r\n'));
    const seen: string[] = [];
    client.socket.on('data', (bytes) => seen.push(bytes.toString()));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual([]);
    go.push();
    expect((await client.response()).status).toBe(100);
    client.write('hello');
    expect(await client.response()).toMatchObject({ status: 200, body: 'hello' });
  });

  test('is not asked for any more once the response began', async () => {
    const { connect } = await startHttp((request) => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('begun, ')),
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          controller.enqueue(await request.bytes());
          controller.close();
        },
      });
      return new Response(body);
    });
    const client = await connect();
    client.write(post(5, 'Expect: 100-continue\r\n'));
    expect((await client.response()).status).toBe(200);
    client.write('hello');
    expect(unchunk(await client.bytesToEnd()).body.toString()).toBe('begun, hello');
  });

  test('that was never asked for ends the transport behind the response', async () => {
    const { connect } = await startHttp(() => new Response('no', { status: 403 }));
    const client = await connect();
    client.write(post(5, 'Expect: 100-continue\r\n'));
    const answer = await client.response();
    expect(answer).toMatchObject({ status: 403, body: 'no' });
    expect(answer.header('connection')).toBe('close');
    expect(await client.ended).toBe('fin');
  });

  test('that nobody reads is dropped when it is small, and the transport goes on', async () => {
    const { port, errors } = await startHttp((request) => new Response(request.method));
    const agent = keepAliveAgent();
    const ports = new Set<number>();
    agent.on('free', (socket) => ports.add(socket.localPort));
    for (const size of [1, 64 * KIB])
      expect((await ask({ port, agent, method: 'POST', body: Buffer.alloc(size) })).body).toBe('POST');
    expect((await ask({ port, agent })).body).toBe('GET');
    expect(ports.size).toBe(1);
    expect(errors).toEqual([]);
  });

  test('that is still being read when the response ends is dropped as well', async () => {
    const failed = queue<unknown>();
    const { connect } = await startHttp((request) => {
      if (request.method === 'POST') request.text().catch((error) => failed.push(error));
      return new Response(request.method);
    });
    const client = await connect();
    client.write(post(6));
    expect((await client.response()).body).toBe('POST');
    expect(await failed.next()).toMatchObject({ code: 'ERR_BODY' });
    client.write('abcdefGET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await client.response()).body).toBe('GET');
  });

  test.each([
    ['large', post(64 * KIB + 1)],
    ['of unknown length', chunkedPost],
  ])('that nobody reads and is %s ends the transport behind the response', async (_, head) => {
    const { connect } = await startHttp(() => new Response('done'));
    const client = await connect();
    client.write(head);
    const answer = await client.response();
    expect(answer).toMatchObject({ status: 200, body: 'done' });
    expect(answer.header('connection')).toBe('close');
    expect(await client.ended).toBe('fin');
  });

  test('may be left in the middle, and what is left small is dropped', async () => {
    const { connect } = await startHttp(async (request) => {
      for await (const _ of request.body) break;
      return new Response(request.method);
    });
    const client = await connect();
    client.write(`${post(6)}abc`);
    expect((await client.response()).body).toBe('POST');
    client.write('defGET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await client.response()).body).toBe('GET');
  });
});

describe('A request body that fails', () => {
  test.each([
    ['bytes', 'announced', (r: HttpRequest) => r.bytes({ limit: 4 })],
    ['text', 'announced', (r: HttpRequest) => r.text({ limit: 4 })],
    ['json', 'announced', (r: HttpRequest) => r.json({ limit: 4 })],
    ['bytes', 'chunked', (r: HttpRequest) => r.bytes({ limit: 4 })],
  ])('as %s above the limit, %s, answers 413 unless the handler knows better', async (_, how, read) => {
    const { connect, errors } = await startHttp(async (request) => {
      await read(request);
      return new Response('read');
    });
    const client = await connect();
    client.write(how === 'chunked' ? `${chunkedPost}5\r\nhello\r\n` : `${post(5)}hello`);
    expect(await client.response()).toMatchObject({
      status: 413,
      body: 'The request body is larger than 4 bytes\n',
    });
    expect(errors).toEqual([]);
  });

  test('by being larger than 1 MiB is refused before it arrives', async () => {
    const { connect } = await startHttp(echo);
    const client = await connect();
    client.write(post(KIB * KIB + 1, 'Expect: 100-continue\r\n'));
    expect((await client.response()).status).toBe(413);
  });

  test('by being exactly as large as the limit does not', async () => {
    const { port } = await startHttp(async (request) => new Response(await request.text({ limit: 5 })));
    expect((await ask({ port, method: 'POST', body: 'hello' })).body).toBe('hello');
  });

  test('as JSON answers 400 unless the handler knows better', async () => {
    const seen = queue<unknown>();
    const { port, errors } = await startHttp(async (request) => {
      await request.json().catch((error) => {
        seen.push(error);
        throw error;
      });
    });
    const came = await ask({ port, method: 'POST', body: '{' });
    expect(came.status).toBe(400);
    expect(came.body).toContain('no JSON');
    expect(await seen.next()).toMatchObject({ code: 'ERR_BODY', cause: expect.any(SyntaxError) });
    expect(errors).toEqual([]);
  });

  test.each([-1, 1.5, Number.NaN, '5', Number.POSITIVE_INFINITY])(
    'for the limit %s is the fault of the handler',
    async (limit) => {
      const { port, errors } = await startHttp(async (request) => {
        await request.bytes({ limit: limit as number });
      });
      expect((await ask({ port, method: 'POST', body: 'x' })).status).toBe(500);
      expect(errors).toEqual([
        expect.objectContaining({ cause: expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) }),
      ]);
    },
  );

  test.each(['POST', 'GET'])('since %s was read twice is the fault of the handler', async (method) => {
    const { port, errors } = await startHttp(async (request) => {
      await request.text();
      await request.text();
    });
    expect((await ask({ port, method, ...(method === 'POST' ? { body: 'x' } : {}) })).status).toBe(500);
    expect(errors).toEqual([
      expect.objectContaining({ cause: expect.objectContaining({ code: 'ERR_BODY' }) }),
    ]);
  });

  test('since it is malformed rejects what reads it, and the peer gets 400', async () => {
    const seen = queue<unknown>();
    const { connect, errors } = await startHttp(async (request) => {
      await request.bytes().catch((error) => {
        seen.push(error);
        throw error;
      });
    });
    const client = await connect();
    client.write(`${chunkedPost}5\r\nhello\r\nnonsense\r\n`);
    expect((await client.response()).status).toBe(400);
    expect(await client.ended).toBe('fin');
    expect(await seen.next()).toMatchObject({
      code: 'ERR_BODY',
      message: expect.stringContaining('malformed'),
    });
    expect(errors).toEqual([]);
  });

  test.each(['end', 'reset', 'destroy'] as const)(
    'since the peer left by %s rejects what reads it',
    async (leave) => {
      const seen = queue<unknown>();
      const started = queue<void>();
      const { connect, errors } = await startHttp(async (request) => {
        const pieces: string[] = [];
        try {
          for await (const piece of request.body) {
            pieces.push(piece.toString());
            started.push();
          }
        } catch (error) {
          seen.push([pieces.join(''), error]);
          throw error;
        }
      });
      const client = await connect();
      client.write(`${post(100)}half`);
      await started.next();
      client[leave]();
      expect(await seen.next()).toEqual(['half', expect.objectContaining({ code: 'ERR_BODY' })]);
      expect(errors).toEqual([]);
    },
  );

  test('since it does not go on arriving rejects after idleTimeout', async () => {
    const seen = queue<unknown>();
    const { connect, errors } = await startHttp(
      async (request) => {
        await request.bytes().catch((error) => seen.push(error));
      },
      { idleTimeout: 100 },
    );
    const client = await connect();
    client.write(`${post(100)}half`);
    expect(await seen.next()).toMatchObject({
      code: 'ERR_BODY',
      message: expect.stringContaining('in time'),
    });
    await client.ended;
    expect(errors).toEqual([]);
  });

  test('since the response ended first rejects what reads it', async () => {
    const seen = queue<unknown>();
    const { port } = await startHttp((request) => {
      void (async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        await request.bytes().catch((error) => seen.push(error));
      })();
      return new Response('done');
    });
    expect((await ask({ port, method: 'POST', body: 'x' })).body).toBe('done');
    expect(await seen.next()).toMatchObject({ code: 'ERR_BODY' });
  });
});

describe('The signal of a request', () => {
  test('aborts when the peer is reset while the handler works', async () => {
    const reasons = queue<unknown>();
    const started = queue<void>();
    const { connect, errors } = await startHttp(async ({ signal }) => {
      started.push();
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason);
          reject(signal.reason);
        });
      });
    });
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await started.next();
    client.reset();
    expect(await reasons.next()).toMatchObject({ name: 'AbortError' });
    expect(errors).toEqual([]);
  });

  test('is aborted already when it is asked for too late', async () => {
    const requests = queue<HttpRequest>();
    const { connect } = await startHttp((request) => {
      requests.push(request);
      return new Promise(() => {});
    });
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const request = await requests.next();
    client.reset();
    await turnUntil(() => request.signal.aborted);
  });

  test('does not abort once the response ended', async () => {
    const requests = queue<HttpRequest>();
    const { server, connect } = await startHttp((request) => {
      request.signal.throwIfAborted();
      requests.push(request);
      return new Response('x');
    });
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.response();
    client.reset();
    await turnUntil(() => server.stats().transports === 0);
    expect((await requests.next()).signal.aborted).toBe(false);
  });

  test('comes with nothing else when a handler fails for its own reasons after the peer left', async () => {
    const oops = new Error('oops');
    const requests = queue<HttpRequest>();
    const { connect, errors } = await startHttp(async (request) => {
      requests.push(request);
      await turnUntil(() => request.signal.aborted);
      throw oops;
    });
    const client = await connect();
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await requests.next();
    client.reset();
    await turnUntil(() => errors.length > 0);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_HANDLER', cause: oops })]);
  });
});
