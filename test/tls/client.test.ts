import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type ClientTlsOptions,
  type ConnectOptions,
  connect,
  reconnect,
  type ServerTlsOptions,
} from '../../lib/index.js';
import { startProxy } from '../client/helpers/proxy.js';
import { rawServer, rejection, responseText } from '../client/helpers/raw-server.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer } from '../helpers/server.js';
import { certificates } from './helpers/certificates.js';
import { secure } from './helpers/clients.js';

const made = certificates();
const root = made.authority('root');
const leaf = made.issue('leaf', 'root', 'DNS:localhost,IP:127.0.0.1');
const other = made.issue('other', 'root', 'DNS:other.test');
const tls: ClientTlsOptions = { ca: root.cert };

async function serve(options: Partial<ServerTlsOptions> = {}) {
  const names = queue<string>();
  const { port } = await startServer({
    open: (c) => names.push(c.request.transport.tls!.serverName),
    message: (c, data) => void c.send(data),
    tls: { ...leaf, ...options },
  });
  return { port, names };
}

/** Opens, echoes, which lets tickets of TLS 1.3 arrive, and ends; whether it resumed a session. */
async function visit(url: string, options: ConnectOptions<undefined>, end: 'close' | 'terminate' = 'close') {
  const record = recorder();
  const connection = await connect(url, { ...record.handlers, ...options });
  connection.send('there and back');
  expect(await record.messages.next()).toBe('there and back');
  connection[end]();
  await record.closed.next();
  const { resumed, authorized } = connection.transport.tls!;
  return { resumed, authorized };
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a client resumes sessions (%s)', (version) => {
  const own: ClientTlsOptions = { ...tls, minVersion: version, maxVersion: version };
  const fresh = { resumed: false, authorized: true };
  const again = { resumed: true, authorized: true };

  it.each(['close', 'terminate'] as const)(
    'of a connection that ended by %s, time and again',
    async (end) => {
      const { port, names } = await serve({ cert: leaf.cert });
      const url = `wss://localhost:${port}`;
      const options = { tls: { ...own, groups: end === 'close' ? 'P-256:X25519' : 'P-256' }, lookup: local };
      expect(await visit(url, options, end)).toEqual(fresh);
      for (let i = 0; i < 5; i++) expect(await visit(url, options, end)).toEqual(again);
      expect(new Set(names.all)).toEqual(new Set(['localhost']));
    },
  );

  it('with options of equal contents, from a file too, and not with others', async () => {
    const { port } = await serve();
    const url = `wss://127.0.0.1:${port}`;
    const path = made.write(`authority-${version}.pem`, root.cert);
    await visit(url, { tls: { ...own } });
    expect(await visit(url, { tls: { ...own } })).toEqual(again);
    expect(await visit(url, { tls: { ...own, ca: path } })).toEqual(again);
    expect(await visit(url, { tls: { ...own, ca: [root.cert, other.cert] } })).toEqual(fresh);
    made.write(`authority-${version}.pem`, `${root.cert}${other.cert}${leaf.cert}`);
    expect(await visit(url, { tls: { ...own, ca: path } })).toEqual(fresh);
  });

  it('but not one that was never verified, where verification is asked', async () => {
    const { port } = await serve();
    const url = `wss://127.0.0.1:${port}`;
    const careless: ClientTlsOptions = {
      minVersion: version,
      maxVersion: version,
      rejectUnauthorized: false,
    };
    expect(await visit(url, { tls: careless })).toEqual({ resumed: false, authorized: false });
    expect(await visit(url, { tls: careless })).toEqual({ resumed: true, authorized: false });
    const strict = { ...careless, rejectUnauthorized: true };
    expect(await rejection(connect(url, { tls: strict }))).toMatchObject({ code: 'ERR_TLS' });
  });

  it('but not one of another name', async () => {
    const { port } = await serve({ sni: { 'other.test': other } });
    const url = `wss://127.0.0.1:${port}`;
    const options = { tls: { ...own, ciphers: 'ECDHE+AESGCM' } };
    expect(await visit(url, options)).toEqual(fresh);
    const named = { tls: { ...options.tls, servername: 'other.test' } };
    expect(await visit(url, named)).toEqual(fresh);
    expect(await visit(url, named)).toEqual(again);
    expect(await visit(url, options)).toEqual(again);
  });

  it('and falls back to a whole handshake where the server has forgotten', async () => {
    const options = { tls: { ...own, groups: 'P-256:P-384' } };
    const first = await serve();
    await visit(`wss://127.0.0.1:${first.port}`, options);
    const second = await serve();
    expect(await visit(`wss://127.0.0.1:${second.port}`, options)).toEqual(fresh);
    expect(await visit(`wss://127.0.0.1:${second.port}`, options)).toEqual(again);
  });
});

/* localhost may be ::1 elsewhere */
const local: NonNullable<ConnectOptions['lookup']> = (_host, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);

describe('wss through a proxy', () => {
  it('is TLS with the server, by its name; the proxy sees host and port alone', async () => {
    const { port, names } = await serve();
    const proxy = await startProxy();
    const options = { tls, proxy: `http://${proxy.at}`, headers: { Authorization: 'Bearer secret' } };
    expect(await visit(`wss://localhost:${port}/path?query`, options)).toMatchObject({ authorized: true });
    expect(await proxy.asked.next()).toBe(
      `CONNECT localhost:${port} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`,
    );
    expect(await names.next()).toBe('localhost');
  });

  it('verifies the name of the server, not that of the proxy', async () => {
    const { port } = await serve({ ...other });
    const proxy = await startProxy();
    expect(
      await rejection(connect(`wss://127.0.0.1:${port}`, { tls, proxy: `http://${proxy.at}` })),
    ).toMatchObject({ code: 'ERR_TLS' });
  });

  it('fails with ERR_TLS when the tunnel leads to no TLS', async () => {
    const { port } = await rawServer();
    const proxy = await startProxy();
    const outcome = connect(`wss://127.0.0.1:${port}`, {
      tls,
      proxy: `http://${proxy.at}`,
      handshakeTimeout: 200,
    });
    expect((await rejection(outcome)).code).toMatch(/ERR_TLS|ERR_TIMEOUT/);
  });
});

describe('a redirect', () => {
  const redirecting = (to: string) =>
    startServer({
      tls: leaf,
      upgrade: () => ({ status: 302, headers: { Location: to } }),
    });

  it.each(['ws', 'http'])(
    'from wss: to %s: is refused: what was meant to be secret stays so',
    async (scheme) => {
      const plain = await rawServer((one) => one.accept());
      const { port } = await redirecting(`${scheme}://127.0.0.1:${plain.port}/`);
      const outcome = connect(`wss://127.0.0.1:${port}`, { tls, followRedirects: 5 });
      expect(await rejection(outcome)).toMatchObject({
        code: 'ERR_HANDSHAKE',
        message: expect.stringContaining('wss: to ws:'),
      });
      expect(plain.sockets).toEqual([]);
    },
  );

  it.each(['wss', 'https'])('from ws: to %s: is followed, and verified', async (scheme) => {
    const { port } = await serve();
    const { url } = await rawServer((one) =>
      one.peer.write(responseText('301 Moved', { Location: `${scheme}://127.0.0.1:${port}/` })),
    );
    const connection = await connect(url, { tls, followRedirects: 1 });
    expect(connection.transport.tls).toMatchObject({ authorized: true });
    connection.terminate();
    expect(await rejection(connect(url, { followRedirects: 1 }))).toMatchObject({ code: 'ERR_TLS' });
  });

  it('from wss: to wss: may be relative', async () => {
    const { port } = await startServer({
      tls: leaf,
      message() {},
      upgrade: ({ path }) => (path === '/new' ? undefined : { status: 307, headers: { Location: '/new' } }),
    });
    const connection = await connect(`wss://127.0.0.1:${port}/old`, { tls, followRedirects: 1 });
    expect(connection.isOpen).toBe(true);
    connection.terminate();
  });
});

describe('the name that is asked for and verified', () => {
  it.each([
    ['a final dot of the URL (RFC 6066 3)', 'localhost.', {}, 'localhost'],
    ['a final dot of servername', '127.0.0.1', { servername: 'other.test.' }, 'other.test'],
    ['capitals', '127.0.0.1', { servername: 'OTHER.test' }, 'other.test'],
    ['an address, which is not asked for', '127.0.0.1', {}, ''],
    ['an address in servername', 'localhost', { servername: '127.0.0.1' }, ''],
  ])('with %s', async (_, host, own, name) => {
    const { port, names } = await serve({ sni: { 'other.test': other } });
    const connection = await connect(`wss://${host}:${port}`, { tls: { ...tls, ...own }, lookup: local });
    expect([await names.next(), connection.transport.tls?.authorized]).toEqual([name, true]);
    connection.terminate();
  });

  it.each([['' as unknown], [5], ['a b'], ['a..b'], ['x'.repeat(64)], ['a/b'], ['a\0b'], [null]])(
    'is refused at once as %o',
    async (servername) => {
      const options = { tls: { servername } } as ConnectOptions<undefined>;
      const expected = { code: 'ERR_INVALID_OPTION', message: expect.stringContaining('tls.servername') };
      expect(await rejection(connect('wss://127.0.0.1:1', options))).toMatchObject(expected);
      expect(() => reconnect('wss://127.0.0.1:1', options)).toThrow(expect.objectContaining(expected));
    },
  );

  it('and the certificate of the client are not taken along to another origin', async () => {
    const there = await startServer({
      tls: { ...leaf, ca: root.cert, requestCert: true, rejectUnauthorized: false },
      open: (c) => seen.push(c.request.transport.tls!.peerCertificate !== undefined),
    });
    const seen = queue<boolean>();
    const first = await startServer({
      tls: other,
      upgrade: () => ({ status: 302, headers: { Location: `wss://127.0.0.1:${there.port}/` } }),
    });
    const own = { ...tls, ...leaf, servername: 'other.test' };
    const connection = await connect(`wss://127.0.0.1:${first.port}`, { tls: own, followRedirects: 1 });
    expect(await seen.next()).toBe(false);
    connection.terminate();
  });
});

describe('the end of the network connection inside the TLS handshake has its cause', () => {
  it.each([
    ['end', 'EOF'],
    ['resetAndDestroy', 'ECONNRESET'],
  ] as const)('%s: %s, through a proxy too', async (how, code) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket[how]());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `wss://127.0.0.1:${(server.address() as { port: number }).port}`;
    expect(await rejection(connect(url, { tls }))).toMatchObject({ code: 'ERR_HANDSHAKE', cause: { code } });
    if (how === 'end') {
      const proxy = `http://${(await startProxy()).at}`;
      expect(await rejection(connect(url, { tls, proxy }))).toMatchObject({
        code: 'ERR_HANDSHAKE',
        cause: { code },
      });
    }
  });

  it('and a head that is too large over TLS is no failure of TLS', async () => {
    const { port } = await startServer({
      tls: leaf,
      upgrade: () => ({ status: 403, headers: { 'X-A': 'a'.repeat(2000) } }),
    });
    const outcome = connect(`wss://127.0.0.1:${port}`, { tls, maxHeaderSize: 1000 });
    expect(await rejection(outcome)).toMatchObject({
      code: 'ERR_HANDSHAKE',
      message: expect.stringContaining('maxHeaderSize'),
    });
  });
});

describe('a handshake with HelloRetryRequest (RFC 8446 4.1.4)', () => {
  const sni: Partial<ServerTlsOptions> = {
    groups: 'X25519:P-384',
    sni: { 'other.test': { ...other, groups: 'P-384' }, 'third.test': { ...other, groups: 'P-521' } },
  };

  it.each([
    ['localhost', 'X25519:P-384', 'leaf'],
    ['localhost', 'P-256:P-384', 'leaf'],
    ['other.test', 'X25519:P-384', 'other'],
    ['other.test', 'P-384', 'other'],
    ['third.test', 'X25519:P-384:P-521', 'other'],
  ])('of Node for %s with groups %s gets the certificate %s', async (servername, ecdhCurve, presented) => {
    const { port } = await serve(sni);
    const socket = await secure(port, { servername, ecdhCurve, ca: root.cert, rejectUnauthorized: false });
    expect(socket.getPeerCertificate().subject.CN).toBe(presented);
    expect(socket.getProtocol()).toBe('TLSv1.3');
  });

  it('ends where no group is in common', async () => {
    const { port } = await serve(sni);
    const options = { servername: 'third.test', ecdhCurve: 'X25519:P-384', rejectUnauthorized: false };
    await expect(secure(port, options)).rejects.toThrow();
  });

  it.each(['localhost', 'other.test'])(
    'of our client for %s verifies that name, and resumes',
    async (servername) => {
      const { port, names } = await serve({ ...sni, groups: 'P-384' });
      const options = { tls: { ...tls, servername, groups: 'X25519:P-384' } };
      const outcomes = [];
      for (let i = 0; i < 3; i++) outcomes.push(await visit(`wss://127.0.0.1:${port}`, options));
      expect(outcomes.map(({ resumed }) => resumed)).toEqual([false, true, true]);
      expect(names.all).toEqual([servername, servername, servername]);
    },
  );
});
