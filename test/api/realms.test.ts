import { createContext, runInContext } from 'node:vm';
import { expect, test } from 'vitest';
import { connect, type LwsError } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { startServer } from '../helpers/server.js';

const realm = createContext({ AbortController, Response, Headers, URL });

/** A value that another realm made. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the other realm makes of the text
const foreign: (code: string) => any = (code) => runInContext(code, realm);

test.each([
  'new ArrayBuffer(3)',
  'new SharedArrayBuffer(3)',
  'new Uint8Array(3)',
  'new Uint16Array(new ArrayBuffer(3), 0, 1)',
  'new DataView(new ArrayBuffer(8), 1, 3)',
  'new Uint8Array(new SharedArrayBuffer(9), 2, 3)',
  'new Uint8Array(9000)',
])('%s of another realm is sent, published and pinged as bytes', async (code) => {
  const got = queue<string | Buffer>();
  const pongs = queue<Buffer>();
  const { server, url } = await startServer({
    open: (connection) => void connection.subscribe('all'),
    message: (connection, data) => void connection.send(data),
  });
  const client = await connect(url, {
    message: (_, data) => got.push(data),
    pong: (_, data) => pongs.push(data),
  });
  const data = foreign(code);
  client.send(data);
  expect((await got.next()).length).toBe(data.byteLength);
  server.publish('all', data);
  expect((await got.next()).length).toBe(data.byteLength);
  if (data.byteLength <= 125) {
    client.ping(data);
    expect((await pongs.next()).length).toBe(data.byteLength);
  }
  client.terminate();
});

test('what only looks like bytes is refused with the sentence of all others', async () => {
  const { url } = await startServer({ message() {} });
  const client = await connect(url, { message() {} });
  for (const data of [Object.create(Uint8Array.prototype), { __proto__: Uint8Array.prototype, length: 5 }])
    expect(() => client.send(data)).toThrow(/^Expected a string, an ArrayBuffer or a view of one/);
  client.terminate();
});

test('an upgrade may answer with promise, headers and body of another realm', async () => {
  const { connect: raw } = await startServer({
    upgrade: () =>
      foreign(
        `Promise.resolve({ status: 403, headers: [['X-Why', 'no']], body: new Uint8Array([110, 111]) })`,
      ),
  });
  const client = await raw();
  client.write(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const answer = await client.response();
  expect([answer.status, answer.header('x-why'), answer.body]).toEqual([403, 'no', 'no']);
});

test('handlers may throw and reject with errors of another realm', async () => {
  const errors = queue<LwsError>();
  const { url } = await startServer({
    message: (_, data) => {
      if (data === 'reject') return foreign(`Promise.reject(new RangeError('far away'))`);
      throw foreign(`new RangeError('far away')`);
    },
    error: (error) => errors.push(error),
  });
  for (const how of ['throw', 'reject']) {
    const client = await connect(url, { message() {} });
    client.send(how);
    expect((await errors.next()).message).toBe('The message handler failed: far away');
  }
});

/** The least that can be listened to as an AbortSignal. */
function plainSignal() {
  const listeners = new Set<() => void>();
  return {
    listeners,
    aborted: false,
    reason: undefined as unknown,
    addEventListener: (_: string, listener: () => void) => void listeners.add(listener),
    removeEventListener: (_: string, listener: () => void) => void listeners.delete(listener),
    abort(reason: unknown) {
      this.aborted = true;
      this.reason = reason;
      for (const listener of listeners) listener();
    },
  };
}

test('a signal is whatever can be listened to as one, and is let go of', async () => {
  const { url } = await startServer({ message() {} });
  const signal = plainSignal();
  const client = await connect(url, { signal: signal as unknown as AbortSignal, message() {} });
  expect(signal.listeners.size).toBe(0);
  signal.abort('late');
  expect(client.isOpen).toBe(true);
  client.terminate();

  const { url: held } = await startServer({ upgrade: () => new Promise<undefined>(() => {}) });
  for (const abort of ['before', 'meanwhile']) {
    const other = plainSignal();
    if (abort === 'before') other.abort('enough');
    const trying = connect(held, { signal: other as unknown as AbortSignal });
    if (abort === 'meanwhile') setImmediate(() => other.abort('enough'));
    await expect(trying).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
  }
});

test.each([{}, { aborted: false }, 'signal', new AbortController()])('%o is no signal', async (signal) => {
  await expect(connect('ws://127.0.0.1:1', { signal: signal as AbortSignal })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
});

test('URLs, headers, names and options of another realm are as good as ours', async () => {
  const { url } = await startServer({
    protocols: foreign('({ chat: { message(connection, data) { connection.send(data) } } })'),
    origins: foreign(`['http://good']`),
    upgrade: (request) => ({ data: request.headers.get('x-test') }),
    open: (connection) => void connection.send(String(connection.data)),
  });
  const got = queue<string | Buffer>();
  const client = await connect(
    foreign(`new URL('${url}')`),
    Object.assign(
      foreign(`({ protocols: ['chat'], headers: [['X-Test', 'far'], ['Origin', 'http://good']] })`),
      {
        message: (_: unknown, data: string | Buffer) => got.push(data),
      },
    ),
  );
  expect(client.protocol).toBe('chat');
  client.send(foreign(`'a' + 'b'`));
  expect(await got.next()).toBe('ab');
  client.terminate();
});
