import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { connect, createServer, LwsError, reconnect } from '../../lib/index.js';
import { RedisStore } from '../../lib/redis/index.js';
import { HttpLogins, httpSessionStore, MemoryStore, SessionManager } from '../../lib/sessions/index.js';

/* Every public entry point takes what JavaScript can hand over; what it says about it has one form, and no secret. */
const secret = 'hunter2-hunter2-hunter2';
const form = /^(?:Expected .+ but got .+|Unknown (?:option|member) ".+".*)$/s;

// biome-ignore lint/suspicious/noExplicitAny: what is given is wrong on purpose
type Untyped = any;
type Wrong = readonly [what: string, call: () => unknown, says: string];

const manager = new SessionManager() as Untyped;
const store = new MemoryStore() as Untyped;
const server = createServer({ host: '127.0.0.1' }) as Untyped;
const session = await manager.create({});
const socket = { id: 'c', isOpen: true, closed: new Promise(() => {}), send: () => 'sent', close: () => {} };
const redis = (options: Untyped) => new RedisStore(options);
const ioredis = { status: 'ready', callBuffer() {}, duplicate() {}, on() {} };

afterAll(async () => {
  await manager.stop();
  await server.close();
  await store.close?.();
});

const options: Wrong[] = [
  ['createServer, no object', () => createServer(5 as Untyped), 'an object of options but got the number 5'],
  ['createServer, a number', () => createServer({ port: -1 }), 'for the option "port" but got the number -1'],
  ['createServer, misspelled', () => createServer({ prot: 1 } as Untyped), 'did you mean "port"?'],
  [
    'createServer, a handler',
    () => createServer({ open: {} } as Untyped),
    'a function for the option "open"',
  ],
  [
    'createServer, inside protocols',
    () => createServer({ protocols: { chat: { memroy: 1 } } } as Untyped),
    'Unknown option "protocols.chat.memroy"; did you mean "memory"?',
  ],
  ['createServer, files', () => createServer({ files: { '/': '' } }), 'for the option "files./"'],
  ['createServer, tls', () => createServer({ tls: { crt: '' } } as Untyped), 'did you mean "cert"?'],
  [
    'createServer, a passphrase',
    () => createServer({ tls: { passphrase: [secret] } } as Untyped),
    'a string for the option "tls.passphrase" but got an object of Array',
  ],
  [
    'createServer, a name of tls.sni',
    () => createServer({ tls: { sni: 5 } } as Untyped),
    'for the option "tls.sni"',
  ],
  [
    'connect, an authority that is never used',
    () => connect('ws://[::1]:1', { tls: { ca: [5] } } as Untyped),
    'PEM text, a path, bytes, or an array of them for the option "tls.ca" but got the number 5',
  ],
  [
    'reconnect, a key',
    () => reconnect('wss://[::1]:1', { tls: { key: { secret } } } as Untyped),
    'for the option "tls.key" but got an object of Object',
  ],
  ['server.close', () => server.close({ tiemout: 1 }), 'did you mean "timeout"?'],
  ['server.attach, options', () => attachTo(5), 'an object of options but got the number 5'],
  ['server.attach, a path', () => attachTo({ path: 'x' }), 'for the option "path" but got the string "x"'],
  ['server.attach, misspelled', () => attachTo({ paht: '/' }), 'did you mean "path"?'],
  [
    'connect, an option',
    () => connect('ws://[::1]:1', { handshakeTimeout: 0 }),
    'for the option "handshakeTimeout"',
  ],
  ['connect, misspelled', () => connect('ws://[::1]:1', { tsl: {} } as Untyped), 'did you mean "tls"?'],
  [
    'connect, a proxy with credentials',
    () => connect('ws://[::1]:1', { proxy: `http//user:${secret}@proxy` }),
    'for the option "proxy" but got a string of',
  ],
  ['reconnect, an option', () => reconnect('ws://[::1]:1', { minDelay: -1 }), 'for the option "minDelay"'],
  [
    'SessionManager, no object',
    () => new SessionManager(null as Untyped),
    'an object of options but got null',
  ],
  [
    'SessionManager, a number',
    () => new SessionManager({ ttl: 5 }),
    'for the option "ttl" but got the number 5',
  ],
  ['SessionManager, misspelled', () => new SessionManager({ tll: 5 } as Untyped), 'did you mean "ttl"?'],
  ['SessionManager, a store', () => new SessionManager({ store: {} } as Untyped), 'without newId()'],
  ['SessionManager, a name', () => new SessionManager({ nodeId: '' }), 'for the option "nodeId"'],
  ['SessionManager, logins', () => new SessionManager({ logins: {} } as Untyped), 'for the option "logins"'],
  [
    'SessionManager, both together',
    () => new SessionManager({ ttl: 1000, keepDetached: 2000 }),
    'an integer from 0 to 1000 for the option "keepDetached" but got the number 2000',
  ],
  ['serve, no object', () => manager.serve(undefined), 'an object of options but got undefined'],
  ['serve, a handler', () => manager.serve({ message: 5 }), 'a function for the option "message"'],
  ['serve, inside protocols', () => manager.serve({ protocols: { a: { open: 5 } } }), '"protocols.a.open"'],
  ['serve, identify', () => manager.serve({ identify: true }), 'a function for the option "identify"'],
  [
    'MemoryStore',
    () => new MemoryStore({ maxSessions: 0 }),
    'for the option "maxSessions" but got the number 0',
  ],
  [
    'MemoryStore, misspelled',
    () => new MemoryStore({ maxSession: 1 } as Untyped),
    'did you mean "maxSessions"?',
  ],
  [
    'RedisStore, a client',
    () => redis({ client: {} }),
    'for the option "client" but got an object of Object',
  ],
  ['RedisStore, nothing', () => redis({}), 'for the option "client" but got undefined'],
  ['RedisStore, a prefix', () => redis({ client: ioredis, prefix: '{}' }), 'for the option "prefix"'],
  ['RedisStore, misspelled', () => redis({ client: ioredis, partition: 1 }), 'did you mean "partitions"?'],
  [
    'HttpLogins, a store',
    () => new HttpLogins({ secret } as Untyped),
    'for the option "store" but got undefined',
  ],
  [
    'HttpLogins, secrets',
    () => new HttpLogins({ store, secret: [secret, ''] } as Untyped),
    'several for the option "secret" but got an object of Array',
  ],
  [
    'httpSessionStore',
    () => httpSessionStore({ store } as Untyped),
    'for the option "Store" but got undefined',
  ],
  [
    'httpSessionStore, misspelled',
    () => httpSessionStore({ Store: class {}, store, maxByte: 1 } as Untyped),
    'did you mean "maxBytes"?',
  ],
];

const given: Wrong[] = [
  [
    'connect, a URL with credentials',
    () => connect(`ws//me:${secret}@host`),
    'for the url but got a string of',
  ],
  [
    'connect, a URL with a fragment',
    () => connect(`ws://host/#${secret}`),
    'for the url but got one with a fragment',
  ],
  [
    'connect, another scheme',
    () => connect('ftp://host'),
    'a ws: or wss: URL for the url but got one with ftp:',
  ],
  ['server.publish, a topic', () => server.publish('', 'x'), 'for a topic'],
  ['server.publish, data', () => server.publish('t', 5), 'for the data but got the number 5'],
  ['server.adopt', () => server.adopt(5), 'a duplex stream for the socket but got the number 5'],
  [
    'server.adopt, a request',
    () => server.adopt(new PassThrough(), 5),
    'for the request but got the number 5',
  ],
  ['server.attach', () => server.attach({}), 'for attach() but got an object of Object'],
  ['attach, a connection', () => manager.attach(5), 'for a connection but got the number 5'],
  [
    'attach, a request',
    () => manager.attach(socket, 5),
    'an object for a request for a session but got a number',
  ],
  [
    'attach, misspelled',
    () => manager.attach(socket, { sesionId: secret }),
    'Unknown member "sesionId" of a request for a session; did you mean "sessionId"?',
  ],
  ['attach, a session id', () => manager.attach(socket, { sessionId: [secret] }), 'a string for sessionId'],
  ['attach, a new id', () => manager.attach(socket, { newId: { secret } }), 'an id of newId() for newId'],
  ['attach, an unknown new id', () => manager.attach(socket, { newId: secret }), 'but got a string of'],
  ['attach, a user', () => manager.attach(socket, { userId: '' }), 'for userId but got a string of 0 bytes'],
  [
    'attach, attributes',
    () => manager.attach(socket, { attributes: [secret] }),
    'a plain object, as {}, for attributes',
  ],
  [
    'attach, what cannot be stored',
    () => manager.attach(socket, { attributes: { a: [() => {}] } }),
    'a primitive value for attributes.a[0] but got a function',
  ],
  [
    'attach, a time',
    () => manager.attach(socket, { authExpiresAt: 'soon' }),
    'epoch milliseconds for authExpiresAt',
  ],
  [
    'create, a session id',
    () => manager.create({ sessionId: secret }),
    'no sessionId for create() but got one',
  ],
  ['get', () => manager.get({ secret }), 'a string for sessionId but got an object of Object'],
  ['byUser', () => manager.byUser(5), 'for userId but got a number'],
  ['byLogin', () => manager.byLogin(''), 'for loginId'],
  ['end, an id', () => manager.end(5), 'a string for sessionId but got a number'],
  ['end, a code', () => manager.end(secret, 5), 'for a close code but got the number 5'],
  ['endUser, options', () => manager.endUser('u', { login: true }), 'did you mean "logins"?'],
  [
    'send, a target',
    () => manager.send({ session: [secret] }, 'x'),
    'for a target but got { session: an object',
  ],
  ['send, data', () => manager.send({ user: 'u' }, 5), 'for the data but got the number 5'],
  ['broadcast', () => manager.broadcast('x', { exept: [] }), 'did you mean "except"?'],
  ['releaseNode', () => manager.releaseNode(manager.nodeId), 'but got its own'],
  [
    'server.attach, an application of Express',
    () => server.attach(Object.assign(() => {}, { on() {}, listenerCount: () => 0 })),
    'a server of http, https or http2 for attach() but got a function',
  ],
  ['update', () => session.update(5), 'a function for update() but got a number'],
  ['update, async', () => session.update(async () => ({ secret })), 'a synchronous function'],
  ['regenerate', () => session.regenerate({ user: 'u' }), 'Unknown member "user" of the identity'],
  ['session.end', () => session.end(1005), 'for a close code but got the number 1005'],
  ['store.get', () => store.create({ ttl: 0 }), 'for ttl but got the number 0'],
  ['store.list', () => store.list(secret), 'for the cursor but got a string of'],
];

function attachTo(path: unknown): unknown {
  return server.attach({ on() {}, listenerCount: () => 0 }, path);
}

async function refusal(call: () => unknown): Promise<LwsError> {
  try {
    const result = await call();
    throw new Error(`it was taken: ${inspect(result)}`);
  } catch (error) {
    return error as LwsError;
  }
}

test('a key that was taken for the path of a file is not shown', async () => {
  const error = await refusal(() => createServer({ tls: { cert: '-----BEGIN', key: secret } }));
  expect(error.message).toBe('The file of the option "tls.key" cannot be read');
  expect(error.cause).toMatchObject({ code: 'ENOENT' });
  expect(inspect(error, { depth: 9 }).replaceAll(/^\s+at .*$/gm, '')).not.toContain(secret);
});

describe.each([
  ['ERR_INVALID_OPTION', options],
  ['ERR_INVALID_ARGUMENT', given],
] as const)('what is wrong is %s, in one form and without secrets:', (code, rows) => {
  test.each(rows)('%s', async (_, call, says) => {
    const error = await refusal(call);
    expect(error).toBeInstanceOf(LwsError);
    expect(error.message).toContain(says);
    expect(error.message).toMatch(form);
    expect(error.code).toBe(code);
    expect(inspect(error, { depth: 9 }).replaceAll(/^\s+at .*$/gm, '')).not.toContain(secret);
  });
});
