import { describe, expect, test } from 'vitest';
import { createServer } from '../../lib/index.js';
import { startServer } from '../helpers/server.js';

const routeCookie = { name: 'route', value: 'node-1' };
const plain = 'route=node-1; Path=/; HttpOnly; SameSite=Lax';

describe('routeCookie', () => {
  test.each([
    ['without cookies', undefined, plain],
    ['of another node', 'route=node-2', plain],
    ['whose name only ends so', 'my-route=node-1', plain],
    ['of a value that only begins so', 'route=node-10', plain],
    ['of this node', 'route=node-1', undefined],
    ['of this node among others', 'a=b; route=node-1; c=d', undefined],
    ['in several lines', ['a=b', 'route=node-1'], undefined],
  ])('for a client %s', async (_, cookie, expected) => {
    const { connect } = await startServer({ routeCookie });
    const client = await connect();
    const answer = await client.handshake({ headers: cookie === undefined ? {} : { Cookie: cookie } });
    expect(answer.header('set-cookie')).toBe(expected);
  });

  test('stands beside cookies of the upgrade handler, and is for TLS alone where the client used it', async () => {
    const { connect } = await startServer({
      routeCookie,
      trustProxy: ['127.0.0.1'],
      upgrade: () => ({ headers: { 'Set-Cookie': ['a=b', 'c=d'] } }),
    });
    const client = await connect();
    const answer = await client.handshake({ headers: { 'X-Forwarded-Proto': 'https' } });
    const cookies = answer.fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value);
    expect(cookies.sort()).toEqual(['a=b', 'c=d', `${plain}; Secure`]);
  });

  test('is not sent with a refusal', async () => {
    const { connect } = await startServer({ routeCookie, upgrade: () => ({ status: 403 }) });
    const client = await connect();
    await expect(client.handshake()).rejects.toThrow('403');
  });

  test.each([
    [5, 'an object for the option "routeCookie"'],
    [{ name: 'a b', value: 'x' }, 'a token (RFC 9110 5.6.2) for the option "routeCookie.name"'],
    [{ name: 'a' }, 'for the option "routeCookie.value" but got undefined'],
    [{ name: 'a', value: 'x;y' }, 'for the option "routeCookie.value"'],
    [{ name: 'a', value: 'x\r\ny' }, 'for the option "routeCookie.value"'],
    [{ name: 'a', value: '' }, 'for the option "routeCookie.value"'],
    [{ name: 'a', value: 'x'.repeat(256) }, 'for the option "routeCookie.value"'],
    [{ name: 'a', value: 'x', path: '/' }, 'Unknown option "routeCookie.path"'],
  ])('%j is refused', (given, says) => {
    expect(() => createServer({ routeCookie: given as never })).toThrow(says);
  });
});
