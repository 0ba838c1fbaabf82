/** What TypeScript must accept, infer and refuse. Compiled by types.test.ts, never run. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { expectTypeOf } from 'vitest';
import {
  type CloseInfo,
  type Connection,
  connect,
  createServer,
  type FragmentInfo,
  LwsError,
  type LwsErrorCode,
  protocol,
  reconnect,
  type SendResult,
  type Server,
  type ServerOptions,
  type Transport,
  type UpgradeRequest,
} from '../../lib/index.js';

interface User {
  name: string;
  age?: number;
}

/* the data type comes from what upgrade returns */
const inferred = createServer({
  upgrade(request) {
    expectTypeOf(request).toMatchTypeOf<UpgradeRequest>();
    expectTypeOf(request.query).toEqualTypeOf<URLSearchParams>();
    return { data: { name: request.query.get('name') ?? 'anon', score: 1 } };
  },
  open(connection) {
    expectTypeOf(connection.data).toEqualTypeOf<{ name: string; score: number }>();
    expectTypeOf(connection.memory).toEqualTypeOf<ArrayBuffer>();
    expectTypeOf(connection.closed).toEqualTypeOf<Promise<CloseInfo>>();
    expectTypeOf(connection.signal).toEqualTypeOf<AbortSignal>();
    connection.data.score++;
    // @ts-expect-error no such property
    connection.data.nickname;
    // @ts-expect-error read-only
    connection.protocol = 'x';
  },
  message(connection, data) {
    expectTypeOf(data).toEqualTypeOf<string | Buffer>();
    expectTypeOf(connection.data.name).toEqualTypeOf<string>();
    expectTypeOf(connection.send('x')).toEqualTypeOf<SendResult>();
  },
  close(_, info) {
    expectTypeOf(info).toEqualTypeOf<CloseInfo>();
    // @ts-expect-error read-only
    info.code = 1;
  },
  error(error, connection) {
    expectTypeOf(error).toEqualTypeOf<LwsError>();
    expectTypeOf(error.code).toEqualTypeOf<LwsErrorCode>();
    expectTypeOf(connection).toEqualTypeOf<Connection<{ name: string; score: number }> | undefined>();
  },
});
for (const connection of inferred.connections)
  expectTypeOf(connection.data).toEqualTypeOf<{ name: string; score: number }>();
expectTypeOf(inferred.connections.get('x')?.data).toEqualTypeOf<
  { name: string; score: number } | undefined
>();

/* also when upgrade is async, or refuses sometimes */
createServer({
  async upgrade(request) {
    if (!request.headers.has('authorization')) return { status: 401, body: 'who are you?' };
    return { data: { user: 'Ann' } };
  },
  message({ data }) {
    expectTypeOf(data).toEqualTypeOf<{ user: string }>();
  },
});
createServer({
  upgrade: (request) => (request.path === '/chat' ? { data: { room: 1 } } : { status: 404 }),
  message({ data }) {
    expectTypeOf(data).toEqualTypeOf<{ room: number }>();
  },
});
createServer({ upgrade: (request) => (request.path === '/' ? undefined : { status: 404 as const }) });
createServer({ upgrade: () => {} });
createServer({ upgrade: async () => {} });
createServer({ upgrade: ({ path }) => (path === '/' ? {} : { status: 403, body: 'no' }) });
createServer({ upgrade: () => ({ headers: { 'Set-Cookie': ['a=1', 'b=2'] }, protocol: 'chat' }) });
createServer({ upgrade: () => ({ status: 302, headers: new Headers({ Location: '/' }) }) });
// @ts-expect-error a status is a number
createServer({ upgrade: () => ({ status: '401' }) });

/* or is named */
const named = createServer<User, { ip: string }>({
  upgrade({ transport }) {
    expectTypeOf(transport).toEqualTypeOf<Transport<{ ip: string }>>();
    transport.data = { ip: transport.remoteAddress };
    return { data: { name: 'Ann' } };
  },
  message(connection) {
    expectTypeOf(connection).toEqualTypeOf<Connection<User, { ip: string }>>();
    expectTypeOf(connection.transport.data.ip).toEqualTypeOf<string>();
    connection.data = { name: 'Bob', age: 3 };
    // @ts-expect-error not a User
    connection.data = { nick: 'Bob' };
  },
});
expectTypeOf(named).toEqualTypeOf<Server<User, { ip: string }>>();
// @ts-expect-error not a User
createServer<User>({ upgrade: () => ({ data: { nick: 'Bob' } }) });

/* without upgrade it is unknown, and has to be looked at before use */
createServer({
  message(connection) {
    expectTypeOf(connection.data).toEqualTypeOf<unknown>();
    // @ts-expect-error unknown
    connection.data.name;
  },
});

/* whoever names the type has to say where the data comes from */
// @ts-expect-error data is undefined without `upgrade`
createServer<User>({ message: ({ data }) => data.name });
// @ts-expect-error the same, where a handler names it
createServer({ message: ({ data }: Connection<User>) => data.name });
// @ts-expect-error the same, where a subprotocol names it
createServer({ protocols: { chat: protocol<User>({ message: ({ data }) => data.name }) } });
createServer<User | undefined>({ message: ({ data }) => data?.name });
createServer<User>({ upgrade: () => ({ status: 401 }) });
// @ts-expect-error no data
createServer<User>({ upgrade: () => ({ headers: {} }) });
// @ts-expect-error none either
createServer<User>({ upgrade: () => ({ data: undefined }) });
// @ts-expect-error nor here
createServer<User>({ upgrade: () => {} });
// @ts-expect-error nor on every way
createServer<User>({ upgrade: ({ path }) => (path === '/' ? { data: { name: 'Ann' } } : undefined) });
// @ts-expect-error nor later
createServer<User>({ upgrade: async () => ({}) });
// @ts-expect-error not a User later
createServer<User>({ upgrade: async () => ({ data: { name: 1 } }) });
createServer({
  // @ts-expect-error inferred from one way, missing on the other
  upgrade: ({ path }) => (path === '/' ? { data: { name: 'Ann' } } : {}),
  message: ({ data }) => data.name,
});
// @ts-expect-error an answer is an object, or nothing
createServer({ upgrade: () => true });
// @ts-expect-error an answer is an object, or nothing
createServer({ upgrade: async () => 5 });
// @ts-expect-error an answer is an object, or nothing
createServer({ upgrade: () => null });

/* options may be made before the server, and passed on without knowing the type */
const made: ServerOptions<User> = { upgrade: () => ({ data: { name: 'Ann' } }) };
expectTypeOf(createServer(made)).toEqualTypeOf<Server<User>>();
// @ts-expect-error no `upgrade`
export const unmade: ServerOptions<User> = { message: ({ data }) => data.name };
export function local<D, X>(options: ServerOptions<D, X>): Server<D, X> {
  return createServer({ ...options, host: '127.0.0.1' });
}

/* so do clients */
void connect('ws://x', { data: { name: 'Ann' }, message: ({ data }) => data.name.length });
void connect<User | undefined>('ws://x', { message: ({ data }) => data?.name });
// @ts-expect-error no data
void connect<User>('ws://x', { message: ({ data }) => data.name });
// @ts-expect-error no data
void connect('ws://x', { message: ({ data }: Connection<User>) => data.name });
// @ts-expect-error not a User
void connect<User>('ws://x', { data: { nick: 'Bob' } });
// @ts-expect-error no data
void reconnect<User>('ws://x', { message: ({ data }) => data.name });
void reconnect('ws://x', { data: { name: 'Ann' }, retry: ({ final }) => !final });

/* and whoever adopts */
declare const socket: Duplex;
declare const incoming: IncomingMessage;
expectTypeOf(
  createServer(made).adopt(socket, incoming, undefined, { data: { name: 'Ann' } }),
).resolves.toEqualTypeOf<Connection<User>>();
// @ts-expect-error not a User
void createServer(made).adopt(socket, incoming, undefined, { data: { nick: 'Bob' } });

/* each subprotocol names what it needs of the data */
createServer({
  upgrade: () => ({ data: { name: 'x', seats: 1 } }),
  message: ({ data }) => data.seats,
  protocols: {
    chat: protocol<User>({
      memory: 16,
      message({ data }) {
        expectTypeOf(data).toEqualTypeOf<User>();
      },
    }),
    plain: {
      message({ data }) {
        expectTypeOf(data).toEqualTypeOf<{ name: string; seats: number }>();
      },
    },
    stream: protocol<{ seats: number }>({
      binaryType: 'transient',
      fragment(connection, data, info) {
        expectTypeOf(connection.data).toEqualTypeOf<{ seats: number }>();
        expectTypeOf(data).toEqualTypeOf<Buffer>();
        expectTypeOf(info).toEqualTypeOf<FragmentInfo>();
      },
    }),
  },
});

createServer({
  // @ts-expect-error chat wants a User
  upgrade: ({ path }) => ({ data: { name: path.length } }),
  protocols: { chat: protocol<User>({ message: ({ data }) => data.name }) },
});
createServer<{ nick: string }>({
  upgrade: () => ({ data: { nick: 'Bob' } }),
  // @ts-expect-error chat wants a User
  protocols: { chat: protocol<User>({ message: ({ data }) => data.name }) },
});
createServer({
  upgrade: () => ({ data: { nick: 'Bob' } }),
  // @ts-expect-error and has not
  protocols: { chat: { message: ({ data }) => data.name } },
});

/* what can be sent, and what cannot */
declare const connection: Connection<User>;
connection.send('text');
connection.send(Buffer.alloc(1));
connection.send(new Float32Array(1));
connection.send(new DataView(new ArrayBuffer(1)));
connection.send(new ArrayBuffer(1));
connection.send(new SharedArrayBuffer(1), { binary: true });
// @ts-expect-error not sendable
connection.send(1);
// @ts-expect-error not sendable
connection.send({ json: true });
// @ts-expect-error no such option
connection.send('x', { bin: true });
connection.ping();
connection.ping('x');
connection.close();
connection.close(4000, 'why');
// @ts-expect-error a code is a number
connection.close('4000');
for await (const message of connection) expectTypeOf(message).toEqualTypeOf<string | Buffer>();
await using _scoped = connection;

/* options: names and values */
// @ts-expect-error misspelled
createServer({ maxPaylod: 1 });
// @ts-expect-error no such value
createServer({ onBackpressure: 'wait' });
// @ts-expect-error a number
createServer({ port: '8080' });
const options: ServerOptions = {
  port: 0,
  host: '::',
  backlog: 1,
  reusePort: true,
  files: { '/': './public' },
};
expectTypeOf(createServer(options)).toEqualTypeOf<Server>();
expectTypeOf(createServer().listen()).resolves.toEqualTypeOf<{ port: number; address: string }>();
expectTypeOf(createServer().close({ timeout: 1, code: 1001 })).resolves.toEqualTypeOf<{
  closed: number;
  forced: number;
}>();
expectTypeOf(createServer().stats().messagesReceived).toEqualTypeOf<number>();

/* a handler may be async, and may not return something else by mistake */
createServer({ async message() {}, open: async () => {}, close: () => {} });
createServer({
  request: ({ method }) => (method === 'GET' ? new Response('x') : undefined),
});
// @ts-expect-error a Response
createServer({ request: () => 'hello' });

expectTypeOf(new LwsError('ERR_LIMIT', 'x')).toMatchTypeOf<Error>();
// @ts-expect-error no such code
new LwsError('ERR_NOTHING', 'x');

/* handlers may return anything: nobody looks at it but for a promise */
createServer({
  open: (connection) => connection.send('hello'),
  message: (connection, data) => connection.send(data),
  writable: (connection) => connection.isOpen,
  pong: async () => 1,
  close: () => new Map(),
  error: (error) => error.code,
  upgrade: () => ({ data: { name: 'Ann' } }),
  protocols: {
    chat: protocol<User>({ message: (connection) => connection.subscribe(connection.data.name) }),
  },
});
void connect('ws://127.0.0.1', { message: (connection, data) => connection.send(data), close: () => 1 });
