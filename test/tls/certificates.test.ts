import { describe, expect, it } from 'vitest';
import { connect, createServer, LwsError, type ServerTlsOptions, type TlsInfo } from '../../lib/index.js';
import { rejection } from '../client/helpers/raw-server.js';
import { queue } from '../helpers/queue.js';
import { recorder, startServer } from '../helpers/server.js';
import { certificates } from './helpers/certificates.js';
import { joinSecurely, secure } from './helpers/clients.js';

const made = certificates();
const root = made.authority('root');
const middle = made.issue('middle', 'root', 'DNS:middle', { authority: true });
const leaf = made.issue('leaf', 'middle', 'DNS:localhost,IP:127.0.0.1');
const other = made.issue('other', 'root', 'DNS:other.test');
const wild = made.issue('wild', 'root', 'DNS:*.wild.test');
const client = made.issue('client', 'root', 'DNS:client');
const stranger = made.authority('stranger');
const chain = leaf.cert + middle.cert;
made.openssl('ec', '-in', 'leaf.key', '-aes256', '-passout', 'pass:sesam', '-out', 'locked.key');
made.write('chain.crt', chain);
made.openssl(
  'pkcs12',
  '-export',
  '-in',
  'leaf.crt',
  '-inkey',
  'leaf.key',
  '-certfile',
  'middle.crt',
  '-passout',
  'pass:sesam',
  '-out',
  'leaf.p12',
);
made.write('root.pem', root.cert);

const trusted = { ca: root.cert, servername: 'localhost' };

describe('a server presents its certificate with the chain', () => {
  const sources: [what: string, tls: () => ServerTlsOptions][] = [
    ['of PEM text', () => ({ cert: chain, key: leaf.key })],
    ['of several PEM texts', () => ({ cert: [leaf.cert, middle.cert], key: leaf.key })],
    ['of bytes', () => ({ cert: Buffer.from(chain), key: Buffer.from(leaf.key) })],
    [
      'of texts without a line end',
      () => ({ cert: [leaf.cert.trim(), middle.cert.trim()], key: leaf.key.trim() }),
    ],
    ['of files', () => ({ cert: made.path('chain.crt'), key: made.path('leaf.key') })],
    ['of a file and text', () => ({ cert: [made.path('leaf.crt'), middle.cert], key: leaf.key })],
    ['with an encrypted key', () => ({ cert: chain, key: made.path('locked.key'), passphrase: 'sesam' })],
    ['of PKCS#12 bytes', () => ({ pfx: made.read('leaf.p12'), passphrase: 'sesam' })],
    ['of a PKCS#12 file', () => ({ pfx: made.path('leaf.p12'), passphrase: 'sesam' })],
  ];

  it.each(sources)('%s', async (_, tls) => {
    const { port } = await startServer({ message: (c, data) => void c.send(data), tls: tls() });
    const peer = await joinSecurely(port, trusted);
    expect(peer.socket.authorized).toBe(true);
    peer.text('secret');
    expect((await peer.frame()).payload.toString()).toBe('secret');
    const record = recorder();
    const connection = await connect(`wss://127.0.0.1:${port}`, {
      ...record.handlers,
      tls: { ca: root.cert },
    });
    connection.send('ours');
    expect(await record.messages.next()).toBe('ours');
    expect(connection.transport.tls).toMatchObject({ version: 'TLSv1.3', authorized: true });
    expect(connection.transport.tls!.peerCertificate!.subject).toBe('CN=leaf');
    connection.close();
    expect(await connection.closed).toMatchObject({ code: 1000, clean: true });
  });
});

describe('createServer says what is wrong with', () => {
  const bad: [what: string, tls: () => unknown, says: RegExp][] = [
    ['a certificate without key', () => ({ cert: chain }), /"cert" and "key"/],
    ['a key without certificate', () => ({ key: leaf.key }), /"cert" and "key"/],
    ['nothing at all', () => ({}), /"cert" and "key"/],
    ['a key of another certificate', () => ({ cert: chain, key: other.key }), /key/],
    [
      'a certificate that is none',
      () => ({ cert: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', key: leaf.key }),
      /certificate could not be read/,
    ],
    [
      'a key where the certificate belongs',
      () => ({ cert: leaf.key, key: leaf.key }),
      /certificate could not be read/,
    ],
    ['a key that is none', () => ({ cert: chain, key: chain }), /private key could not be used/],
    [
      'a broken certificate in the chain',
      () => ({
        cert: `${leaf.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
        key: leaf.key,
      }),
      /certificate could not be read/,
    ],
    [
      'an encrypted key without passphrase',
      () => ({ cert: chain, key: made.path('locked.key') }),
      /private key could not be used/,
    ],
    [
      'an encrypted key with another passphrase',
      () => ({ cert: chain, key: made.path('locked.key'), passphrase: 'x' }),
      /private key could not be used/,
    ],
    ['PKCS#12 with another passphrase', () => ({ pfx: made.path('leaf.p12'), passphrase: 'x' }), /PKCS#12/],
    ['PKCS#12 that is none', () => ({ pfx: Buffer.from('x') }), /PKCS#12/],
    [
      'a file that does not exist',
      () => ({ cert: '/nonexistent/file', key: leaf.key }),
      /tls\.cert.*cannot be read/,
    ],
    [
      'an authority that is none',
      () => ({ cert: chain, key: leaf.key, ca: made.path('leaf.key'), requestCert: true }),
      /authority/,
    ],
    ['ciphers that do not exist', () => ({ cert: chain, key: leaf.key, ciphers: 'NONE-SUCH' }), /cipher/],
    [
      'cipher suites that do not exist',
      () => ({ cert: chain, key: leaf.key, cipherSuites: 'NONE_SUCH' }),
      /cipher suite/,
    ],
    ['groups that do not exist', () => ({ cert: chain, key: leaf.key, groups: 'none' }), /group/],
    [
      'an unknown version',
      () => ({ cert: chain, key: leaf.key, minVersion: 'TLSv1.1' }),
      /'TLSv1\.2' or 'TLSv1\.3'.*minVersion/,
    ],
    [
      'versions that leave none',
      () => ({ cert: chain, key: leaf.key, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }),
      /maxVersion.*minVersion|minVersion.*maxVersion/,
    ],
    ['an unknown option', () => ({ cert: chain, key: leaf.key, certs: 1 }), /tls\.certs/],
    ['a certificate of a wrong type', () => ({ cert: 7, key: leaf.key }), /tls\.cert.*7/],
    [
      'a bad entry of sni',
      () => ({ cert: chain, key: leaf.key, sni: { 'a.test': { cert: chain, key: other.key } } }),
      /tls\.sni\.a\.test/,
    ],
    [
      'an entry of sni without certificate',
      () => ({ cert: chain, key: leaf.key, sni: { 'a.test': {} } }),
      /tls\.sni\.a\.test/,
    ],
    [
      'sni inside sni',
      () => ({ cert: chain, key: leaf.key, sni: { a: { cert: chain, key: leaf.key, sni: {} } } }),
      /tls\.sni\.a\.sni/,
    ],
  ];

  it.each(bad)('%s', (_, tls, says) => {
    let error: unknown;
    try {
      createServer({ tls: tls() as ServerTlsOptions });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(LwsError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(says) });
    expect((error as Error).message).not.toContain('sesam');
  });
});

describe('a client refuses with ERR_TLS', () => {
  const expired = made.issue('expired', 'root', 'IP:127.0.0.1', { days: 0 });
  const cases: [what: string, server: ServerTlsOptions, client: object, says: RegExp][] = [
    ['an unknown authority', { cert: chain, key: leaf.key }, {}, /issuer|certificate/i],
    ['another authority', { cert: chain, key: leaf.key }, { ca: stranger.cert }, /issuer|certificate/i],
    ['a chain with a gap', { cert: leaf.cert, key: leaf.key }, { ca: root.cert }, /issuer|certificate/i],
    [
      'a certificate of another name',
      { cert: other.cert, key: other.key },
      { ca: root.cert },
      /IP address mismatch|hostname/i,
    ],
    [
      'a server of another name',
      { cert: chain, key: leaf.key },
      { ca: root.cert, servername: 'other.test' },
      /hostname mismatch/i,
    ],
    [
      'a server without a common version',
      { cert: chain, key: leaf.key, maxVersion: 'TLSv1.2' },
      { ca: root.cert, minVersion: 'TLSv1.3' },
      /version|alert/i,
    ],
    [
      'a server that wants a certificate it has not (TLS 1.2)',
      { cert: chain, key: leaf.key, requestCert: true, ca: root.cert, maxVersion: 'TLSv1.2' },
      { ca: root.cert },
      /alert|handshake/i,
    ],
  ];

  it.each(cases)('%s', async (_, server, options, says) => {
    const { port } = await startServer({ ...recorder().handlers, tls: server });
    const error = await rejection(connect(`wss://127.0.0.1:${port}`, { tls: options }));
    expect(error).toMatchObject({ code: 'ERR_TLS', message: expect.stringMatching(says) });
  });

  it('an expired certificate', async () => {
    const { port } = await startServer({ ...recorder().handlers, tls: expired });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const error = await rejection(connect(`wss://127.0.0.1:${port}`, { tls: { ca: root.cert } }));
    expect(error).toMatchObject({ code: 'ERR_TLS', message: expect.stringContaining('expired') });
  });

  it('nothing of that with rejectUnauthorized: false, and says so', async () => {
    const { port } = await startServer({ ...recorder().handlers, tls: { cert: chain, key: leaf.key } });
    const connection = await connect(`wss://127.0.0.1:${port}`, { tls: { rejectUnauthorized: false } });
    expect(connection.transport.tls!.authorized).toBe(false);
    connection.terminate();
  });
});

describe('server names (SNI)', () => {
  const sni: ServerTlsOptions = {
    cert: chain,
    key: leaf.key,
    sni: { 'other.test': other, '*.wild.test': wild },
  };
  const names: [asked: string, presented: string][] = [
    ['localhost', 'leaf'],
    ['other.test', 'other'],
    ['OTHER.test', 'other'],
    ['a.wild.test', 'wild'],
    ['wild.test', 'leaf'],
    ['a.b.wild.test', 'leaf'],
    ['sub.other.test', 'leaf'],
    ['xother.test', 'leaf'],
    ['', 'leaf'],
  ];

  it.each(names)('"%s" gets the certificate %s', async (servername, presented) => {
    const seen = queue<TlsInfo>();
    const { port } = await startServer({ open: (c) => seen.push(c.request.transport.tls!), tls: sni });
    const peer = await joinSecurely(port, { rejectUnauthorized: false, servername });
    expect(peer.socket.getPeerCertificate().subject.CN).toBe(presented);
    expect((await seen.next()).serverName.toLowerCase()).toBe(servername.toLowerCase());
  });

  it('choose all options of their entry, not the certificate alone', async () => {
    const { port } = await startServer({
      ...recorder().handlers,
      tls: {
        cert: chain,
        key: leaf.key,
        sni: {
          'guarded.test': { ...other, requestCert: true, ca: root.cert },
          'old.test': { ...other, maxVersion: 'TLSv1.2' },
        },
      },
    });
    const open = { rejectUnauthorized: false };
    await joinSecurely(port, { ...open, servername: 'localhost' });
    await expect(joinSecurely(port, { ...open, servername: 'guarded.test' })).rejects.toThrow();
    await joinSecurely(port, { ...open, servername: 'guarded.test', ...client });
    const old = await secure(port, { ...open, servername: 'old.test' });
    expect(old.getProtocol()).toBe('TLSv1.2');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'do not resume a session of another name: a ticket is no way around a client certificate (%s)',
    async (version) => {
      const { port } = await startServer({
        ...recorder().handlers,
        tls: {
          cert: chain,
          key: leaf.key,
          sni: { 'guarded.test': { ...other, requestCert: true, ca: root.cert } },
        },
      });
      const options = { rejectUnauthorized: false, maxVersion: version };
      const first = await secure(port, { ...options, servername: 'localhost' });
      /* TLS 1.3 sends its tickets after the handshake (RFC 8446 4.6.1) */
      const session = await new Promise<Buffer>((resolve) => {
        if (version === 'TLSv1.2') resolve(first.getSession()!);
        else first.once('session', resolve);
      });
      await expect(joinSecurely(port, { ...options, servername: 'guarded.test', session })).rejects.toThrow();
    },
  );
});

describe('client certificates (mTLS)', () => {
  const guarded = { cert: chain, key: leaf.key, ca: root.cert, requestCert: true };
  async function serve(tls: ServerTlsOptions) {
    const seen = queue<TlsInfo>();
    const { port } = await startServer({ open: (c) => seen.push(c.request.transport.tls!), tls });
    return { port, seen };
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('are demanded with requestCert (%s)', async (maxVersion) => {
    const { port, seen } = await serve({ ...guarded, maxVersion });
    await expect(joinSecurely(port, trusted)).rejects.toThrow();
    const foreign = { ...trusted, cert: stranger.cert, key: stranger.key };
    await expect(joinSecurely(port, foreign)).rejects.toThrow();
    await joinSecurely(port, { ...trusted, ...client });
    const info = await seen.next();
    expect(info.authorized).toBe(true);
    expect(info.peerCertificate!.subject).toBe('CN=client');
    expect(seen.all).toHaveLength(1);
  });

  it('are taken as they come with rejectUnauthorized: false, and `authorized` tells them apart', async () => {
    const { port, seen } = await serve({ ...guarded, rejectUnauthorized: false });
    await joinSecurely(port, trusted);
    expect(await seen.next()).toMatchObject({ authorized: false, peerCertificate: undefined });
    await joinSecurely(port, { ...trusted, cert: stranger.cert, key: stranger.key });
    const info = await seen.next();
    expect([info.authorized, info.peerCertificate!.subject]).toEqual([false, 'CN=stranger']);
    await joinSecurely(port, { ...trusted, ...client });
    expect((await seen.next()).authorized).toBe(true);
  });

  it('are not asked for otherwise, and then nobody is authorized', async () => {
    const { port, seen } = await serve({ cert: chain, key: leaf.key });
    await joinSecurely(port, { ...trusted, ...client });
    expect(await seen.next()).toMatchObject({ authorized: false, peerCertificate: undefined });
  });

  it('of our client are presented, from PEM and from PKCS#12', async () => {
    made.openssl(
      'pkcs12',
      '-export',
      '-in',
      'client.crt',
      '-inkey',
      'client.key',
      '-passout',
      'pass:x',
      '-out',
      'client.p12',
    );
    const { port, seen } = await serve(guarded);
    for (const own of [client, { pfx: made.path('client.p12'), passphrase: 'x' }]) {
      const connection = await connect(`wss://127.0.0.1:${port}`, { tls: { ca: root.cert, ...own } });
      expect((await seen.next()).peerCertificate!.subject).toBe('CN=client');
      connection.terminate();
    }
  });
});
