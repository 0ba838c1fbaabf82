import { describe, expect, test } from 'vitest';
import { createServer, type ServerOptions, type TrustProxy } from '../../lib/index.js';
import { recorder, startServer } from '../helpers/server.js';

interface Case {
  trust?: TrustProxy;
  forwarded: string | string[] | undefined;
  address: string;
  port?: number;
  secure?: boolean;
}

const local = '127.0.0.1';

/** RFC 7239 4 and 6. */
const cases: [string, Case][] = [
  ['an IPv4 address', { forwarded: 'for=192.0.2.43', address: '192.0.2.43' }],
  ['IPv4 in quotes', { forwarded: 'for="192.0.2.43"', address: '192.0.2.43' }],
  ['IPv4 with a port', { forwarded: 'for="192.0.2.43:47011"', address: '192.0.2.43', port: 47011 }],
  [
    'IPv4 with a port, unquoted by fault',
    { forwarded: 'for=192.0.2.43:80', address: '192.0.2.43', port: 80 },
  ],
  ['IPv6', { forwarded: 'for="[2001:DB8:cafe::17]"', address: '2001:db8:cafe::17' }],
  [
    'IPv6 with a port',
    { forwarded: 'for="[2001:db8:cafe::17]:4711"', address: '2001:db8:cafe::17', port: 4711 },
  ],
  ['a port that is hidden', { forwarded: 'for="192.0.2.43:_gazonk"', address: '192.0.2.43' }],
  ['escaped characters', { forwarded: 'for="1\\92.0.2.4\\3"', address: '192.0.2.43' }],
  [
    'names in any case, among others',
    {
      forwarded: 'BY=203.0.113.60;For=192.0.2.43;PROTO=https;host="a, b; c"',
      address: '192.0.2.43',
      secure: true,
    },
  ],
  [
    'space around marks, empty pairs and elements',
    {
      forwarded: ' , for=192.0.2.43 ; ; proto=https ;, ,',
      address: '192.0.2.43',
      secure: true,
    },
  ],
  ['http', { forwarded: 'for=192.0.2.43;proto=http', address: '192.0.2.43' }],
  ['wss in any case', { forwarded: 'for=192.0.2.43;proto=WSS', address: '192.0.2.43', secure: true }],
  ['no header', { forwarded: undefined, address: local }],
  ['an empty header', { forwarded: '', address: local }],
  [
    'one hop: what the peer appended',
    { forwarded: 'for=6.6.6.6;proto=https, for=2.2.2.2', address: '2.2.2.2' },
  ],
  [
    'two hops',
    {
      trust: 2,
      forwarded: 'for=6.6.6.6, for=1.1.1.1;proto=https, for=2.2.2.2;proto=http',
      address: '1.1.1.1',
      secure: true,
    },
  ],
  [
    'two hops of which the nearer told the protocol',
    {
      trust: 2,
      forwarded: 'for=1.1.1.1, for=2.2.2.2;proto=https',
      address: '1.1.1.1',
      secure: true,
    },
  ],
  [
    'more hops than elements',
    { trust: 9, forwarded: 'for=1.1.1.1;proto=https', address: '1.1.1.1', secure: true },
  ],
  [
    'a chain inside blocks up to the first stranger',
    {
      trust: [local, '10.0.0.0/8'],
      forwarded: 'for=6.6.6.6, for=1.1.1.1, for=10.2.3.4, for="10.9.9.9:99"',
      address: '1.1.1.1',
    },
  ],
  [
    'fields that were repeated, in order',
    {
      trust: 2,
      forwarded: ['for=6.6.6.6, for=1.1.1.1', 'for=2.2.2.2'],
      address: '1.1.1.1',
    },
  ],
  ...['unknown', '_hidden', '_SEVKISEK', 'example.org', '999.1.1.1', '<script>'].map(
    (node): [string, Case] => [
      `${node}, which ends at the proxy that wrote it`,
      {
        trust: true,
        forwarded: `for=1.1.1.1, for=${node};proto=https, for=2.2.2.2`,
        address: '2.2.2.2',
        secure: true,
      },
    ],
  ),
  [
    'an element without for',
    { trust: true, forwarded: 'for=1.1.1.1, proto=https', address: local, secure: true },
  ],
];

/** What a client may send to swallow or shift what the proxy appends; the proxy's element comes last. */
const attacks = [
  'for="',
  'for="6.6.6.6',
  'for="6.6.6.6\\',
  'for=6.6.6.6;by="',
  'for="[::6]:6";proto=https;for="',
  '"',
  ';',
  '=',
  'for=',
  'for',
  'for==6.6.6.6',
  'for=6.6.6.6;for=7.7.7.7',
  'for=6.6.6.6 7.7.7.7',
  'for="6.6.6.6"7',
  ',,,;;;,=,"",\\"',
  '\\"for=6.6.6.6',
];
const appended = [
  'for=1.1.1.1',
  'for="1.1.1.1:80"',
  'for="1.1.1.1";proto=http;host="x"',
  'by="10.0.0.1:80";for=1.1.1.1',
];

const options = { forwardedHeader: 'forwarded' } as const;

describe("forwardedHeader: 'forwarded' reads", () => {
  test.each(cases)('%s', async (_, { trust = 1, forwarded, address, port, secure = false }) => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, ...options, trustProxy: trust });
    const client = await open({ headers: { Forwarded: forwarded } });
    const { request, transport } = await record.opened.next();
    expect([request.remoteAddress, request.secure]).toEqual([address, secure]);
    expect(request.remotePort).toBe(port ?? (address === local ? client.socket.localPort : 0));
    expect(transport.remoteAddress).toBe(local);
  });

  test.each(attacks)('what the proxy appended to %s of a client', async (attack) => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, ...options, trustProxy: 1 });
    for (const forwarded of [
      ...appended.map((own) => `${attack}, ${own}`),
      ...appended.map((own) => [attack, own]),
    ]) {
      await open({ headers: { Forwarded: forwarded } });
      const { request } = await record.opened.next();
      expect([forwarded, request.remoteAddress, request.secure]).toEqual([forwarded, '1.1.1.1', false]);
    }
  });

  test('nothing of a peer that is not trusted', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, ...options });
    await open({ headers: { Forwarded: 'for=1.1.1.1;proto=https' } });
    const { request } = await record.opened.next();
    expect([request.remoteAddress, request.secure]).toEqual([local, false]);
  });
});

describe('a header that proxies do not write, and so pass on from clients, is not read:', () => {
  const both = {
    Forwarded: 'for=1.1.1.1;proto=https',
    'X-Forwarded-For': '2.2.2.2',
    'X-Forwarded-Proto': 'http',
  };

  test.each<[string, ServerOptions, string, boolean]>([
    ['Forwarded by default', {}, '2.2.2.2', false],
    ["Forwarded with 'x-forwarded'", { forwardedHeader: 'x-forwarded' }, '2.2.2.2', false],
    ["X-Forwarded-* with 'forwarded'", { forwardedHeader: 'forwarded' }, '1.1.1.1', true],
  ])('%s', async (_, more, address, secure) => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, ...more, trustProxy: 1 });
    await open({ headers: both });
    const { request } = await record.opened.next();
    expect([request.remoteAddress, request.secure]).toEqual([address, secure]);
  });
});

test.each(['Forwarded', 'x-forwarded-for', true, 1])('forwardedHeader may not be %j', (forwardedHeader) => {
  expect(() => createServer({ forwardedHeader } as ServerOptions)).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('forwardedHeader'),
    }),
  );
});
