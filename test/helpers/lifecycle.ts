import { expect, onTestFinished } from 'vitest';
import {
  type Connection,
  createServer,
  type Handlers,
  type LwsError,
  type Server,
  type ServerOptions,
} from '../../lib/index.js';
import { type Client, dial, join } from '../lifecycle/fixtures/wire.mjs';

/** One call of a handler. */
export interface Call {
  readonly event: string;
  readonly connection: Connection | undefined;
  readonly detail: unknown;
}

/** A server whose every handler call is written down and checked against the rules of an orderly life. */
export interface Watched {
  readonly server: Server;
  readonly port: number;
  readonly calls: Call[];
  /** The names of the calls so far, of one connection if given: `open message close`. */
  story(connection?: Connection): string;
  /** Resolves with the `nth` call (from 1) of `event`, of one connection if given, now or when it comes. */
  until(event: string, nth?: number, connection?: Connection): Promise<Call>;
  /** A client that is connected, and its connection. */
  join(parts?: Parameters<typeof join>[1]): Promise<{ client: Client; connection: Connection }>;
  /** A client that sends `request` and waits for nothing. */
  dial(request?: Uint8Array): Client;
}

type AnyHandler = (connection: Connection, ...rest: unknown[]) => unknown;

const EVENTS = ['open', 'message', 'fragment', 'writable', 'pong', 'close'] as const;

/** Listens, and closes at the end of the test; then nothing may be left and no rule broken. */
export async function watch(options: ServerOptions = {}): Promise<Watched> {
  const calls: Call[] = [];
  const broken: string[] = [];
  const waiting: { find: () => Call | undefined; resolve: (call: Call) => void }[] = [];
  const stages = new WeakMap<Connection, 'open' | 'closed'>();
  const clients: Client[] = [];

  function note(event: string, connection: Connection | undefined, detail: unknown): void {
    calls.push({ event, connection, detail });
    for (const each of [...waiting]) {
      const call = each.find();
      if (call === undefined) continue;
      waiting.splice(waiting.indexOf(each), 1);
      each.resolve(call);
    }
  }

  function whenFound(find: () => Call | undefined): Promise<Call> {
    const call = find();
    if (call !== undefined) return Promise.resolve(call);
    return new Promise((resolve) => waiting.push({ find, resolve }));
  }

  function check(event: (typeof EVENTS)[number], connection: Connection): void {
    const stage = stages.get(connection);
    if (event === 'open') {
      if (stage !== undefined) broken.push(`open came after ${stage}`);
      stages.set(connection, 'open');
      return;
    }
    if (stage !== 'open') broken.push(`${event} came ${stage === undefined ? 'before open' : 'after close'}`);
    if (event === 'close') stages.set(connection, 'closed');
    else if (!connection.isOpen) broken.push(`${event} came after the connection began to close`);
  }

  function watched(handlers: Handlers, event: (typeof EVENTS)[number]): AnyHandler | undefined {
    const inner = handlers[event] as AnyHandler | undefined;
    if (inner === undefined && event !== 'open' && event !== 'close') return undefined;
    return (connection, ...rest) => {
      check(event, connection);
      note(event, connection, rest[0]);
      return inner?.(connection, ...rest);
    };
  }

  const watchAll = (handlers: Handlers) =>
    Object.fromEntries(EVENTS.map((event) => [event, watched(handlers, event)]));

  const server = createServer({
    ...options,
    ...watchAll(options as Handlers),
    protocols: Object.fromEntries(
      Object.entries(options.protocols ?? {}).map(([name, each]) => [name, { ...each, ...watchAll(each) }]),
    ),
    error(error: LwsError, connection) {
      note('error', connection, error);
      if (options.error) options.error(error, connection);
      else broken.push(`error: ${error.message}`);
    },
  });
  const { port } = await server.listen();

  onTestFinished(async () => {
    for (const client of clients) client.socket.destroy();
    await server.close({ timeout: 200 });
    expect(broken).toEqual([]);
    expect(server.connections.size).toBe(0);
    const of = (event: string) => calls.filter((call) => call.event === event).length;
    expect(of('close')).toBe(of('open'));
  });

  const keep = (client: Client) => {
    clients.push(client);
    return client;
  };
  return {
    server,
    port,
    calls,
    until: (event, nth = 1, connection) =>
      whenFound(
        () =>
          calls.filter((call) => call.event === event && (connection ?? call.connection) === call.connection)[
            nth - 1
          ],
      ),
    story: (connection) =>
      calls
        .filter((call) => connection === undefined || call.connection === connection)
        .map((call) => call.event)
        .join(' '),
    async join(parts) {
      const client = keep(await join(port, parts));
      const own = ({ event, connection }: Call) =>
        event === 'open' && connection!.request.remotePort === client.socket.localPort;
      return { client, connection: (await whenFound(() => calls.find(own))).connection! };
    },
    dial: (request) => keep(dial(port, request)),
  };
}

/** After this many turns of the loop whatever was on its way has arrived, on the loopback and within one process. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Full collections until at most `most` of the referents live, or none dies any more; returns how many live. */
export async function survivors(refs: readonly WeakRef<object>[], most = 0): Promise<number> {
  const collect = (globalThis as { gc?: (options: object) => Promise<void> }).gc;
  if (collect === undefined) throw new Error('Expected --expose-gc');
  let alive = refs.length;
  for (let round = 0; round < 10 && alive > most; round++) {
    await turns(2); /* deref() keeps its referent until the turn ends */
    await collect({ type: 'major', execution: 'async' });
    alive = refs.filter((ref) => ref.deref() !== undefined).length;
  }
  return alive;
}

/** Exceptions and rejections that nobody handled, while a test runs. */
export function uncaught(): unknown[] {
  const caught: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (cause) => caught.push(cause));
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  });
  return caught;
}
