import { inspect } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { type Connection, connect, reconnect, type UpgradeRequest } from '../../lib/index.js';
import { MemoryStore, SessionManager } from '../../lib/sessions/index.js';
import { queue } from '../helpers/queue.js';
import { startServer } from '../helpers/server.js';

const secret = 'sesame';

/** Everything public, of a server whose client came with secrets in all places. */
async function everything(): Promise<Record<string, object>> {
  const opened = queue<Connection>();
  const requests = queue<UpgradeRequest>();
  const {
    server,
    port,
    connect: raw,
  } = await startServer({
    upgrade: () => ({ data: { name: 'a' }, protocol: 'chat', headers: { 'Set-Cookie': `sid=${secret}` } }),
    open(connection) {
      connection.subscribe('all');
      opened.push(connection as Connection);
    },
    message() {},
    request(request) {
      requests.push(request);
      return new Promise<undefined>(() => {});
    },
  });
  const url = `ws://user:${secret}@127.0.0.1:${port}/chat?token=${secret}`;
  const client = await connect(url, {
    protocols: ['chat', secret],
    headers: {
      Cookie: `sid=${secret}`,
      'X-Api-Key': secret,
      'Proxy-Authorization': secret,
      Referer: `/?${secret}`,
    },
    message() {},
  });
  const again = reconnect(url, { protocols: ['chat', secret], message() {} });
  onTestFinished(() => again.close());
  const connection = await opened.next();
  const http = await raw();
  http.write(`GET /page?token=${secret} HTTP/1.1\r\nHost: a\r\nAuthorization: ${secret}\r\n\r\n`);
  const manager = new SessionManager();
  onTestFinished(() => manager.stop());
  const session = await manager.create();
  return {
    Server: server,
    Connections: server.connections,
    Connection: connection,
    'Connection of connect': client,
    Transport: connection.transport,
    UpgradeRequest: connection.request,
    HttpRequest: await requests.next(),
    RequestHeaders: connection.request.headers,
    Reconnecting: again,
    SessionManager: manager,
    MemoryStore: new MemoryStore(),
    Session: session,
  };
}

test('console.log and JSON show a few lines of each object, and no secret', async () => {
  const all = await everything();
  const { id } = all.Session as { id: string };
  for (const [name, value] of Object.entries(all)) {
    const views = [0, 1, 2, 5, Number.POSITIVE_INFINITY].map((depth) => inspect(value, { depth }));
    views.push(
      inspect({ in: { it: value } }, { depth: 1 }),
      inspect([value], { depth: null, showHidden: true }),
    );
    views.push(JSON.stringify(value), JSON.stringify({ in: [value] }, null, 2));
    for (const view of views) {
      expect(view.length, name).toBeLessThan(2000);
      expect(view, name).not.toContain(secret);
      expect(view, name).not.toContain(Buffer.from(`user:${secret}`).toString('base64'));
      expect(view, name).not.toContain(id);
    }
  }
});

test('what tells them apart is shown', async () => {
  const {
    Connection: connection,
    Transport: transport,
    Server: server,
    HttpRequest: request,
  } = await everything();
  const { id } = connection as Connection;
  expect(JSON.parse(JSON.stringify(connection))).toEqual({
    id,
    isOpen: true,
    protocol: 'chat',
    bufferedAmount: expect.any(Number),
    remoteAddress: '127.0.0.1',
  });
  expect(inspect(connection)).toMatch(/^Connection \{/);
  expect(inspect({ a: { b: { c: connection } } })).toContain('[Connection]');
  expect(inspect(transport)).toMatch(/^Transport \{.*remotePort/s);
  expect(inspect(server)).toMatch(/^Server \{.*state: 'listening',\s*connections: \d/s);
  expect(JSON.parse(JSON.stringify(request))).toMatchObject({
    method: 'GET',
    path: '/page',
    headers: { host: 'a', authorization: '(hidden)' },
  });
});

test('a dead connection under strictLifetime is shown as every other', async () => {
  const closed = queue<Connection>();
  const { url } = await startServer({ strictLifetime: true, close: (connection) => closed.push(connection) });
  (await connect(url, { message() {} })).close();
  const connection = await closed.next();
  await connection.closed;
  expect(inspect(connection, { depth: null, showHidden: true })).toContain('isOpen: false');
  expect(JSON.stringify(connection)).toContain('"isOpen":false');
});
