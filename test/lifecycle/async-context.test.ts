import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, onTestFinished, test } from 'vitest';
import { type Connection, type ConnectOptions, connect, type LwsError, reconnect } from '../../lib/index.js';
import { attached } from '../adopt/helpers/attached.js';
import { openOver } from '../adopt/helpers/node-servers.js';
import { encodeFrame, Opcode } from '../helpers/frames.js';
import { type Queue, queue } from '../helpers/queue.js';
import { startServer, turnUntil } from '../helpers/server.js';

const storage = new AsyncLocalStorage<string>();

interface Witness {
  /** What was seen at each place. */
  readonly seen: [where: string, context: string | undefined][];
  readonly places: string[];
  saw(where: string): void;
  count(where: string): number;
}

/** Writes down the context at each place; `enters`: and leaves one of its own behind. */
function witness(enters = false): Witness {
  const seen: Witness['seen'] = [];
  return {
    seen,
    get places() {
      return [...new Set(seen.map(([where]) => where))].sort();
    },
    saw(where) {
      seen.push([where, storage.getStore()]);
      if (enters) storage.enterWith(`left in ${where}`);
    },
    count: (where) => seen.filter(([each]) => each === where).length,
  };
}

/** Handlers of either role that tell where they run; a message `throw` makes `message` fail. */
function telling({ saw }: Witness, aborted: Queue<void>) {
  return {
    open(connection: Connection) {
      saw('open');
      connection.signal.addEventListener('abort', () => {
        saw('signal');
        aborted.push();
      });
    },
    message(connection: Connection, data: string | Buffer) {
      saw('message');
      if (data === 'throw') throw new Error('thrown');
      if (data !== 'ask') return;
      connection.requestWritable();
      connection.ping();
      connection.send('answer');
    },
    writable: () => saw('writable'),
    pong: () => saw('pong'),
    close: () => saw('close'),
    error: () => saw('error'),
  };
}

const ofConnections = ['close', 'error', 'message', 'open', 'pong', 'signal', 'writable'];

test.each([
  ['whoever made the server', false],
  ['whatever others have entered', true],
])('handlers of a server run in no async context, %s', async (_, enters) => {
  const witnessed = witness(enters);
  const { saw, seen, count } = witnessed;
  const aborted = queue<void>();
  const { url, connect: raw } = await storage.run('startup', () =>
    startServer({
      ...telling(witnessed, aborted),
      upgrade: () => saw('upgrade') as undefined,
      request(request) {
        saw('request');
        return new Promise<Response>((resolve) => {
          request.signal.addEventListener('abort', () => {
            saw('request.signal');
            resolve(new Response());
            aborted.push();
          });
        });
      },
    }),
  );
  for (let round = 1; round <= 3; round++) {
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(url, { message() {} })));
    for (const client of clients) client.send('ask'); /* in one turn: they may come in one batch */
    await turnUntil(() => count('pong') === 4 * round);
    clients[0]!.send('throw');
    for (const client of clients.slice(1)) client.close();
    for (const _client of clients) await aborted.next();
    const http = await raw();
    http.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await turnUntil(() => count('request') === round);
    http.reset();
    await aborted.next();
    globalThis.gc!();
  }
  expect(witnessed.places).toEqual([...ofConnections, 'request', 'request.signal', 'upgrade'].sort());
  expect(seen.filter(([, context]) => context !== undefined)).toEqual([]);
});

test('handlers of a client run in the async context of its connect', async () => {
  const { url } = await startServer({
    open: (connection) => {
      connection.requestWritable();
    },
    message(connection, data) {
      connection.ping();
      connection.send(data);
    },
  });
  const users = ['user 1', 'user 2', 'user 3'];
  const told = await Promise.all(
    users.map(async (user) => {
      const witnessed = witness();
      const aborted = queue<void>();
      const options: ConnectOptions = telling(witnessed, aborted);
      const connection = await storage.run(user, () => connect(url, options));
      return { user, witnessed, aborted, connection };
    }),
  );
  globalThis.gc!();
  for (const { connection } of told) connection.send('ask');
  for (const { witnessed } of told) await turnUntil(() => witnessed.count('pong') > 0);
  globalThis.gc!();
  storage.run('somebody else', () => {
    for (const { connection } of told) connection.send('throw');
  });
  for (const { user, witnessed, aborted } of told) {
    await aborted.next();
    expect(witnessed.places).toEqual(ofConnections);
    expect(witnessed.seen.filter(([, context]) => context !== user)).toEqual([]);
  }
});

test('fragments are told in the context of the others', async () => {
  const onServer = witness();
  const { url } = await startServer({
    fragment(connection, data) {
      onServer.saw('fragment');
      connection.send(data);
    },
  });
  const onClient = witness();
  const connection = await storage.run('user 1', () =>
    connect(url, { fragment: () => onClient.saw('fragment') }),
  );
  connection.send(Buffer.from('piece'));
  await turnUntil(() => onClient.count('fragment') > 0);
  expect([onServer.seen, onClient.seen]).toEqual([[['fragment', undefined]], [['fragment', 'user 1']]]);
  connection.terminate();
});

test('the context of whoever lets a handler be called does not matter to it', async () => {
  const witnessed = witness(true);
  const { server, open } = await startServer({
    ...telling(witnessed, queue()),
    message(connection) {
      witnessed.saw('message');
      if (witnessed.count('message') === 1) connection.pause();
    },
  });
  const client = await open();
  client.write(Buffer.concat(['one', 'two'].map((payload) => encodeFrame({ opcode: Opcode.TEXT, payload }))));
  await turnUntil(() => server.stats().messagesReceived === 2);
  const [connection] = server.connections;
  await storage.run('operator', async () => {
    connection!.resume();
    expect(storage.getStore()).toBe('operator');
    await server.close({ timeout: 0 });
  });
  expect(witnessed.places).toEqual(['close', 'message', 'open', 'signal']);
  expect(witnessed.seen.filter(([, context]) => context !== undefined)).toEqual([]);
});

test('the error of an open that took too long is told in no context', async () => {
  const errors = queue<[LwsError, string | undefined]>();
  const { url } = await startServer({
    handshakeTimeout: 100,
    open() {
      storage.enterWith('opening');
      return new Promise<void>(() => {});
    },
    error: (error) => errors.push([error, storage.getStore()]),
  });
  await connect(url, { message() {} });
  const [error, context] = await errors.next();
  expect([(error.cause as LwsError).code, context]).toEqual(['ERR_TIMEOUT', undefined]);
});

test('what a handler runs or binds has its own context, also after it waited', async () => {
  const answers = queue<string | Buffer>();
  let bound!: () => void;
  const { url } = await startServer({
    upgrade: () => ({ data: { name: 'user 1' } }),
    open(connection) {
      storage.run(connection.data.name, () => {
        bound = AsyncLocalStorage.bind(() => void connection.send(`bound ${storage.getStore()}`));
      });
    },
    message: (connection, data) =>
      storage.run(`${data}`, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        connection.send(`awaited ${storage.getStore()}`);
        bound();
      }),
  });
  const client = await connect(url, { message: (_, data) => answers.push(data) });
  client.send('a');
  client.send('b');
  for (let i = 0; i < 4; i++) await answers.next();
  expect(answers.all.toSorted()).toEqual(['awaited a', 'awaited b', 'bound user 1', 'bound user 1']);
  client.terminate();
});

test.each(['http', 'https', 'h2c'] as const)(
  'an adopted connection (%s) runs in no context either, whatever its request was handled in',
  async (kind) => {
    const witnessed = witness();
    const made = await storage.run('startup', () =>
      attached(kind, { open: () => witnessed.saw('open'), message: () => witnessed.saw('message') }),
    );
    const event = kind === 'h2c' ? 'stream' : 'upgrade';
    made.node.prependListener(event, () => storage.enterWith('middleware'));
    const client = await openOver(kind, made.port);
    client.send({ opcode: Opcode.TEXT, payload: 'a' });
    await turnUntil(() => witnessed.count('message') === 1);
    expect(witnessed.seen).toEqual([
      ['open', undefined],
      ['message', undefined],
    ]);
  },
);

test('reconnect asks and tells in the context of its call', async () => {
  const { url } = await startServer({
    message: (connection) => connection.close(1012),
  });
  const witnessed = witness();
  const again = storage.run('user 1', () =>
    reconnect(
      () => {
        witnessed.saw('url');
        return url;
      },
      {
        minDelay: 1,
        maxDelay: 1,
        retry: () => witnessed.saw('retry'),
        open: (connection) => {
          witnessed.saw('open');
          connection.send('again');
        },
        message() {},
        close: () => witnessed.saw('close'),
      },
    ),
  );
  onTestFinished(() => again.close());
  await turnUntil(() => witnessed.count('open') >= 3);
  again.close();
  await again.finished;
  expect(witnessed.places).toEqual(['close', 'open', 'retry', 'url']);
  expect(witnessed.seen.filter(([, context]) => context !== 'user 1')).toEqual([]);
});
