import { describe, expect, onTestFinished, test } from 'vitest';
import { type ConnectOptions, connect, drain } from '../../lib/index.js';
import { startServer } from '../helpers/server.js';
import { haproxySeveral, nginxSeveral } from './helpers/programs.js';

/** A node that tells its name to whoever connects, and its health. */
async function node(name: string) {
  const { server, port } = await startServer({
    trustProxy: ['127.0.0.1'],
    routeCookie: { name: 'route', value: name },
    open: (connection) => void connection.send(name),
    request: (): Response => new Response(null, { status: server.isReady ? 200 : 503 }),
    message: (connection, data) => void connection.send(data),
  });
  return { server, port };
}

/** Which node a client comes to, and the cookie it is given. */
async function visit(port: number, options: ConnectOptions = {}) {
  const connection = await connect(`ws://127.0.0.1:${port}/`, options);
  onTestFinished(() => connection.terminate());
  for await (const name of connection) {
    const cookie = connection.response!.headers.get('set-cookie');
    return { name: String(name), cookie, connection };
  }
  throw new Error('Expected the name of a node');
}

describe.each([
  ['nginx', nginxSeveral],
  ['HAProxy', haproxySeveral],
] as const)('two nodes behind %s', (_, start) => {
  test('a node that drains costs no client an upgrade', async () => {
    const [one, two] = [await node('one'), await node('two')];
    const port = await start(one.port, two.port);
    const drained = drain(one.server, { over: 5000 });
    for (let i = 0; i < 10; i++) expect((await visit(port)).name).toBe('two');
    await one.server.close({ timeout: 0 });
    await drained;
  });

  test('a node that is dead costs none either', async () => {
    const [one, two] = [await node('one'), await node('two')];
    const port = await start(one.port, two.port);
    await one.server.close({ timeout: 0 });
    for (let i = 0; i < 10; i++) expect((await visit(port)).name).toBe('two');
  });

  test('a client is brought back to the node that it names, and told once', async () => {
    const [one, two] = [await node('one'), await node('two')];
    const port = await start(one.port, two.port);
    for (const name of ['one', 'two', 'one', 'two']) {
      const came = await visit(port, { headers: { Cookie: `a=b; route=${name}` } });
      expect(came).toMatchObject({ name, cookie: null });
    }
    const fresh = await visit(port);
    expect(fresh.cookie).toBe(`route=${fresh.name}; Path=/; HttpOnly; SameSite=Lax`);
  });

  test.each(['drains', 'is dead'])('a client that names a node which %s comes to the other', async (how) => {
    const [one, two] = [await node('one'), await node('two')];
    const port = await start(one.port, two.port);
    const ending = how === 'drains' ? drain(one.server, { over: 5000 }) : one.server.close({ timeout: 0 });
    const came = await visit(port, { headers: { Cookie: 'route=one' } });
    expect(came.name).toBe('two');
    expect(came.cookie).toMatch(/^route=two;/);
    await one.server.close({ timeout: 0 });
    await ending;
  });

  test('a node that nobody knows is no reason to refuse', async () => {
    const [one, two] = [await node('one'), await node('two')];
    const port = await start(one.port, two.port);
    expect((await visit(port, { headers: { Cookie: 'route=three' } })).name).toMatch(/^(one|two)$/);
  });
});
