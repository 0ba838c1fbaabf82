import { getEventListeners } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ConnectOptions, connect, LwsError, reconnect } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { startServer } from '../helpers/server.js';
import { startProxy } from './helpers/proxy.js';
import { rawServer, rejection, responseText } from './helpers/raw-server.js';

type Lookup = NonNullable<ConnectOptions['lookup']>;
type Answer = (error: unknown, address?: unknown, family?: number) => void;
const lookup = (how: (done: Answer, options: { all?: boolean; family?: number }) => unknown): Lookup =>
  ((_host: string, options: object, done: Answer) => how(done, options)) as Lookup;

/** A proxy that is its answer and its end alone. */
async function proxyThat(act: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => act(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy: `http://127.0.0.1:${(server.address() as { port: number }).port}`, sockets };
}

const through = (proxy: string, more: ConnectOptions<undefined> = {}) =>
  rejection(connect('ws://127.0.0.1:1/', { proxy, ...more }));

describe('credentials that can be no Basic credentials are refused, and not shown', () => {
  it.each(['u:100%', '%FF:x', 'a%3Ab:x', 'u:a%0Ab', '%00:x'])('in the URL: %s', async (userinfo) => {
    const url = `ws://${userinfo}@127.0.0.1:1/`;
    const error = await rejection(connect(url));
    expect(error).toBeInstanceOf(LwsError);
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.not.stringContaining(userinfo),
    });
    expect(() => reconnect(url)).toThrow(LwsError);
    expect(await reconnect(() => url, { minDelay: 1 }).finished).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  it.each(['u:100%', 'a%3Ab:x'])('in the option "proxy": %s', async (userinfo) => {
    const error = await through(`http://${userinfo}@127.0.0.1:1`);
    expect(error).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.not.stringContaining(userinfo),
    });
  });
});

describe('a lookup', () => {
  const bad: [what: string, lookup: Lookup][] = [
    [
      'throws',
      lookup(() => {
        throw new Error('broken');
      }),
    ],
    [
      'throws nothing',
      lookup(() => {
        throw undefined;
      }),
    ],
    ['rejects', lookup(() => Promise.reject(new Error('broken')))],
    ['fails with what is no error', lookup((done) => done('broken'))],
    ['gives nothing', lookup((done) => done(null))],
    ['gives an empty list', lookup((done) => done(null, []))],
    ['gives what is no address', lookup((done) => done(null, 'nowhere', 4))],
    ['gives a list of something else', lookup((done) => done(null, [null, 7]))],
    ['gives an object', lookup((done) => done(null, {}))],
  ];
  it.each(bad)('that %s is ERR_CONNECT', async (_, lookup) => {
    const error = await rejection(connect('ws://name.test:1/', { lookup }));
    expect(error).toBeInstanceOf(LwsError);
    expect(error).toMatchObject({ code: 'ERR_CONNECT', message: expect.stringContaining('name.test') });
  });

  it.each<[string, Lookup]>([
    ['one address though all were asked for', lookup((done) => done(null, '127.0.0.1', 4))],
    [
      'its answer twice',
      lookup((done) => {
        done(null, '127.0.0.1', 4);
        done(new Error('again'));
      }),
    ],
    ['its answer before it returns', lookup((done) => done(null, [{ address: '127.0.0.1', family: 4 }]))],
    ['a wrong family', lookup((done) => done(null, [{ address: '127.0.0.1', family: 6 }]))],
  ])('that gives %s is understood', async (_, lookup) => {
    const { port } = await startServer({ message() {} });
    const connection = await connect(`ws://name.test:${port}/`, { lookup });
    expect(connection.isOpen).toBe(true);
    connection.terminate();
  });

  it('that never answers is given up at handshakeTimeout', async () => {
    const outcome = connect('ws://name.test:1/', { lookup: lookup(() => {}), handshakeTimeout: 30 });
    expect(await rejection(outcome)).toMatchObject({ code: 'ERR_TIMEOUT' });
  });
});

describe('addresses', () => {
  it('that all refuse are told each', async () => {
    const two = lookup((done) => done(null, [{ address: '127.0.0.1' }, { address: '127.0.0.2' }]));
    const error = await rejection(connect('ws://two.test:1/', { lookup: two }));
    expect(error).toMatchObject({ code: 'ERR_CONNECT', cause: { code: 'ECONNREFUSED' } });
    expect(error.message).toMatch(/127\.0\.0\.1:1.*127\.0\.0\.2:1/);
  });

  it('are tried in turn from a local address, and only those of its family', async () => {
    const { port } = await startServer({ message() {}, host: '127.0.0.1' });
    const families: unknown[] = [];
    const three = lookup((done, options) => {
      families.push(options.family);
      done(null, [{ address: '::1' }, { address: '127.0.0.2' }, { address: '127.0.0.1' }]);
    });
    const connection = await connect(`ws://three.test:${port}/`, {
      lookup: three,
      localAddress: '127.0.0.3',
    });
    expect([connection.transport.remoteAddress, families]).toEqual(['127.0.0.1', [4]]);
    connection.terminate();
  });

  it('are those of "family" alone', async () => {
    const both = lookup((done) => done(null, [{ address: '127.0.0.1' }, { address: '::1' }]));
    const { port } = await startServer({ message() {}, host: '127.0.0.1' });
    const connection = await connect(`ws://both.test:${port}/`, { lookup: both, family: 4 });
    connection.terminate();
    const error = await rejection(connect(`ws://both.test:${port}/`, { lookup: both, family: 6 }));
    expect(error).toMatchObject({ code: 'ERR_CONNECT', cause: { code: 'ECONNREFUSED' } });
    expect(await rejection(connect(`ws://127.0.0.1:${port}/`, { family: 6 }))).toMatchObject({
      code: 'ERR_CONNECT',
      message: expect.stringContaining('no address of IPv6'),
    });
  });
});

it.each<[object, RegExp]>([
  [{ socketPath: '/x', proxy: 'http://127.0.0.1:1' }, /"socketPath" or "proxy"/],
  [{ socketPath: '/x', localAddress: '127.0.0.1' }, /"socketPath" or "localAddress"/],
  [{ socketPath: '/x', lookup: () => {} }, /"socketPath" or "lookup"/],
  [{ socketPath: '/x', family: 4 }, /"socketPath" or "family"/],
  [{ family: 6, localAddress: '127.0.0.1' }, /IPv6/],
  [{ family: 5 }, /4 or 6/],
  [{ localAddress: 'localhost' }, /IP address/],
  [{ proxy: 'https://127.0.0.1' }, /https:/],
  [{ proxy: 'http://127.0.0.1/path' }, /path/],
])('connect() and reconnect() refuse %o at once', async (options, says) => {
  const expected = { code: 'ERR_INVALID_OPTION', message: expect.stringMatching(says) };
  expect(await rejection(connect('ws://127.0.0.1:1/', options))).toMatchObject(expected);
  expect(() => reconnect('ws://127.0.0.1:1/', options)).toThrow(expect.objectContaining(expected));
});

describe('through a proxy', () => {
  it('lookup, family and localAddress are for the proxy; the server it finds itself', async () => {
    const { port } = await startServer({ message() {} });
    const seen = queue<string | undefined>();
    const tunnel = await startProxy();
    const asked: string[] = [];
    const connection = await connect(`ws://127.0.0.1:${port}/`, {
      proxy: `http://proxy.test:${tunnel.at.split(':')[1]}`,
      localAddress: '127.0.0.5',
      family: 4,
      lookup: ((host: string, _: object, done: Answer) => {
        asked.push(host);
        done(null, '127.0.0.1', 4);
      }) as Lookup,
    });
    seen.push(tunnel.sockets[0]!.remoteAddress);
    expect([await seen.next(), asked]).toEqual(['127.0.0.5', ['proxy.test']]);
    connection.terminate();
  });

  it.each([
    ['no reason', 'HTTP/1.1 200\r\n\r\n'],
    ['an empty reason, of HTTP/1.0', 'HTTP/1.0 200 \r\n\r\n'],
    ['another 2xx', 'HTTP/1.1 204 x\r\n\r\n'],
    ['fields of a body, which it has not (RFC 9110 9.3.6)', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['an interim answer before', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nVia: a\r\n b\r\n\r\n'],
  ])('an answer with %s opens the tunnel, byte by byte too', async (_, answer) => {
    const { port } = await startServer({ message() {} });
    for (const step of [1, answer.length]) {
      const tunnel = await startProxy(undefined, async (socket) => {
        for (let at = 0; at < answer.length; at += step) {
          socket.write(answer.slice(at, at + step));
          await new Promise(setImmediate);
        }
      });
      const connection = await connect(`ws://127.0.0.1:${port}/`, { proxy: `http://${tunnel.at}` });
      expect(connection.isOpen).toBe(true);
      connection.terminate();
    }
  });

  it('a refusal has its response as cause', async () => {
    const fields = { 'Proxy-Authenticate': 'Basic', 'Set-Cookie': 'a=b', 'Transfer-Encoding': 'chunked' };
    const { proxy } = await proxyThat((socket) =>
      socket.write(responseText('407 Who', fields, '3;x\r\nwho\r\n0\r\n\r\n')),
    );
    const error = await through(proxy);
    expect(error).toMatchObject({ code: 'ERR_CONNECT', message: expect.stringContaining('407 Who') });
    const response = error.cause as Response;
    expect([response.status, response.headers.get('proxy-authenticate'), await response.text()]).toEqual([
      407,
      'Basic',
      'who',
    ]);
  });

  it('a refusal whose body does not end is told with what came', async () => {
    const { proxy } = await proxyThat((socket) =>
      socket.write(responseText('403 No', { 'Content-Length': '9' }, 'half')),
    );
    for (const more of [{ handshakeTimeout: 100 }, { maxResponseBody: 2 }]) {
      const { code, cause } = await through(proxy, more);
      expect([code, (cause as Response).status]).toEqual(['ERR_CONNECT', 403]);
      expect(await (cause as Response).text()).toBe('maxResponseBody' in more ? 'ha' : 'half');
    }
  });

  it.each<[string, (socket: Socket) => void, object]>([
    ['FIN', (socket) => socket.end(), { code: 'EOF' }],
    ['FIN inside a head', (socket) => socket.end('HTTP/1.1 20'), { code: 'EOF' }],
    ['RST', (socket) => socket.resetAndDestroy(), { code: 'ECONNRESET' }],
  ])('%s has its cause', async (_, act, cause) => {
    const { proxy } = await proxyThat(act);
    expect(await through(proxy)).toMatchObject({ code: 'ERR_CONNECT', cause });
  });

  it('an answer that can be none fails at once', async () => {
    const { proxy } = await proxyThat((socket) => socket.write('SSH-2.0'));
    expect(await through(proxy, { handshakeTimeout: 60_000 })).toMatchObject({ code: 'ERR_CONNECT' });
  });

  it.each(['the dialling', 'the answer', 'the body'])(
    'an abort during %s leaves nothing behind',
    async (stage) => {
      const stop = new AbortController();
      const { proxy, sockets } = await proxyThat((socket) => {
        if (stage === 'the body') socket.write(responseText('403 No', { 'Content-Length': '9' }, 'half'));
        setImmediate(() => setImmediate(() => stop.abort()));
      });
      const outcome = through(proxy, { signal: stop.signal });
      if (stage === 'the dialling') stop.abort();
      expect(await outcome).toMatchObject({ code: 'ERR_ABORTED' });
      for (const socket of sockets)
        await new Promise((resolve) => (socket.closed ? resolve(0) : socket.once('close', resolve)));
      expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    },
  );
});

it('an abort at any stage leaves no listener on the signal', async () => {
  for (const answer of [undefined, responseText('403 No', { 'Content-Length': '9' }, 'half')]) {
    const stop = new AbortController();
    const { url, asked } = await rawServer(({ peer }) => {
      if (answer !== undefined) peer.write(answer);
      setImmediate(() => stop.abort());
    });
    expect(await rejection(connect(url, { signal: stop.signal }))).toMatchObject({ code: 'ERR_ABORTED' });
    await (await asked.next()).peer.ended;
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  }
});
