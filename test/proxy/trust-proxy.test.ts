import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ServerOptions, TrustProxy } from '../../lib/index.js';
import { createServer } from '../../lib/index.js';
import { ask } from '../helpers/http.js';
import { recorder, startServer } from '../helpers/server.js';

interface Case {
  trust: TrustProxy | undefined;
  forwardedFor?: string | string[];
  proto?: string;
  address: string;
  secure?: boolean;
  port?: number;
}

const local = '127.0.0.1';

const cases: [string, Case][] = [
  ['by default nobody', { trust: undefined, forwardedFor: '1.1.1.1', proto: 'https', address: local }],
  ['nobody with false', { trust: false, forwardedFor: '1.1.1.1', address: local }],
  ['nobody with 0 hops', { trust: 0, forwardedFor: '1.1.1.1', address: local }],
  [
    'everybody with true: the left end',
    { trust: true, forwardedFor: '1.1.1.1, 2.2.2.2', address: '1.1.1.1' },
  ],
  [
    'one hop: what the peer appended',
    { trust: 1, forwardedFor: '6.6.6.6, 2.2.2.2', address: '2.2.2.2', proto: 'https', secure: true },
  ],
  ['two hops', { trust: 2, forwardedFor: '6.6.6.6, 1.1.1.1, 2.2.2.2', address: '1.1.1.1' }],
  ['more hops than entries', { trust: 9, forwardedFor: '1.1.1.1', address: '1.1.1.1' }],
  ['a peer in a block', { trust: ['127.0.0.0/8'], forwardedFor: '6.6.6.6, 2.2.2.2', address: '2.2.2.2' }],
  [
    'not a peer outside of it',
    { trust: ['10.0.0.0/8'], forwardedFor: '1.1.1.1', proto: 'https', address: local },
  ],
  [
    'a chain inside blocks up to the first stranger',
    {
      trust: [local, '10.0.0.0/8'],
      forwardedFor: '6.6.6.6, 1.1.1.1, 10.2.3.4, 10.9.9.9',
      address: '1.1.1.1',
    },
  ],
  [
    'a chain wholly inside: its left end',
    { trust: [local, '10.0.0.0/8'], forwardedFor: '10.1.1.1, 10.2.2.2', address: '10.1.1.1' },
  ],
  [
    'a function, by address and hop',
    {
      trust: (address, hop) => address === local && hop === 0,
      forwardedFor: '6.6.6.6, 1.1.1.1',
      address: '1.1.1.1',
    },
  ],
  [
    'fields that were repeated, in order',
    { trust: 2, forwardedFor: ['1.1.1.1', '2.2.2.2'], address: '1.1.1.1' },
  ],
  ['an IPv6 address', { trust: 1, forwardedFor: '2001:DB8::1', address: '2001:db8::1' }],
  ['IPv4 inside IPv6', { trust: 1, forwardedFor: '::ffff:1.2.3.4', address: '1.2.3.4' }],
  ['addresses with ports', { trust: 1, forwardedFor: '1.1.1.1:8080', address: '1.1.1.1', port: 8080 }],
  ['IPv6 with a port', { trust: 1, forwardedFor: '[2001:db8::1]:80', address: '2001:db8::1', port: 80 }],
  [
    'a word: the proxy that wrote it',
    { trust: true, forwardedFor: '1.1.1.1, unknown, 2.2.2.2', address: '2.2.2.2' },
  ],
  ['an injected text', { trust: 1, forwardedFor: '<script>', address: local }],
  ['no header at all', { trust: 1, address: local, proto: 'https', secure: true }],
  ['http behind a proxy', { trust: 1, forwardedFor: '1.1.1.1', proto: 'http', address: '1.1.1.1' }],
  [
    'the protocol that the outer of two hops told',
    {
      trust: 2,
      forwardedFor: '1.1.1.1, 2.2.2.2',
      proto: 'http, https, http',
      address: '1.1.1.1',
      secure: true,
    },
  ],
  [
    'one protocol for several hops',
    { trust: 2, forwardedFor: '1.1.1.1, 2.2.2.2', proto: 'HTTPS', address: '1.1.1.1', secure: true },
  ],
];

describe('trustProxy believes', () => {
  test.each(cases)('%s', async (_, { trust, forwardedFor, proto, address, secure = false, port }) => {
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      ...(trust === undefined ? {} : { trustProxy: trust }),
    });
    const client = await open({ headers: { 'X-Forwarded-For': forwardedFor, 'X-Forwarded-Proto': proto } });
    const { request, transport } = await record.opened.next();
    expect(request.remoteAddress).toBe(address);
    expect(request.secure).toBe(secure);
    expect(request.remotePort).toBe(port ?? (address === local ? client.socket.localPort : 0));
    expect(transport.remoteAddress).toBe(local);
  });

  test('each request on a kept-alive transport for itself', async () => {
    const { port } = await startServer({
      trustProxy: 1,
      request: (r) => new Response(`${r.remoteAddress} ${r.secure}`),
    });
    const from = (address: string) =>
      ask({ port, headers: { 'X-Forwarded-For': address, 'X-Forwarded-Proto': 'https' } });
    expect((await from('1.1.1.1')).body).toBe('1.1.1.1 true');
    expect((await from('2.2.2.2')).body).toBe('2.2.2.2 true');
  });

  test("peers on a unix socket as 'unix'", async () => {
    const record = recorder();
    const path = join(tmpdir(), `lwsn-trust-${process.pid}.sock`);
    const { open } = await startServer({ ...record.handlers, socketPath: path, trustProxy: ['unix'] });
    await open({ headers: { 'X-Forwarded-For': '1.1.1.1' } });
    expect((await record.opened.next()).request.remoteAddress).toBe('1.1.1.1');
  });
});

describe('trustProxy refuses', () => {
  test.each<[string, unknown, RegExp]>([
    [
      'a string',
      '10.0.0.0/8',
      /a boolean, a number of hops, a list of addresses or a function .* "trustProxy"/,
    ],
    ['a negative count', -1, /an integer from 0 to 100 for the option "trustProxy"/],
    ['a name', ['localhost'], /an address, a CIDR block or 'unix' for the option "trustProxy\[0\]"/],
    ['a block that is too wide', ['10.0.0.0/33'], /trustProxy\[0\]/],
    ['a block without bits', ['::1', '10.0.0.0/'], /trustProxy\[1\]/],
    ['a block of mapped addresses', ['::ffff:10.0.0.0/104'], /trustProxy\[0\]/],
    ['no string', [127], /trustProxy\[0\]/],
  ])('%s', (_, trustProxy, message) => {
    const call = () => createServer({ trustProxy } as ServerOptions);
    expect(call).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
    );
  });
});
