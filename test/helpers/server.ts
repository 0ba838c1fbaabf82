import { onTestFinished } from 'vitest';
import {
  type CloseInfo,
  type Connection,
  createServer,
  type LwsError,
  type Server,
  type ServerOptions,
} from '../../lib/index.js';
import { type Queue, queue } from './queue.js';
import { connectRaw, type RawClient, type RequestFields } from './raw-client.js';

export interface Running<D = unknown, X = unknown> {
  server: Server<D, X>;
  port: number;
  /** `ws://127.0.0.1:port` */
  url: string;
  /** A TCP connection to it. */
  connect(): Promise<RawClient>;
  /** A TCP connection with the handshake done. */
  open(fields?: RequestFields): Promise<RawClient>;
}

/**
 * A server on a free port of 127.0.0.1. When the test is over, its clients are
 * cut and it is closed, whatever the test did.
 */
export async function startServer<D = unknown, X = unknown>(
  options: ServerOptions<D, X> = {} as ServerOptions<D, X>,
  cleanUp: (end: () => Promise<void>) => void = onTestFinished,
): Promise<Running<D, X>> {
  const server = createServer<D, X>(
    options.socketPath === undefined ? { host: '127.0.0.1', ...options } : options,
  );
  const clients: RawClient[] = [];
  cleanUp(async () => {
    for (const client of clients) client.destroy();
    await server.close({ timeout: 0 });
  });
  const { port, address } = await server.listen();
  const connect = async () => {
    const client = await connectRaw(options.socketPath === undefined ? port : { path: address });
    clients.push(client);
    return client;
  };
  return {
    server,
    port,
    url: `ws://127.0.0.1:${port}`,
    connect,
    async open(fields) {
      const client = await connect();
      await client.handshake(fields);
      return client;
    },
  };
}

/** Handlers that write down what they are told. */
export interface Recorder {
  readonly opened: Queue<Connection>;
  readonly messages: Queue<string | Buffer>;
  readonly pongs: Queue<string>;
  readonly closed: Queue<CloseInfo>;
  readonly errors: Queue<LwsError>;
  readonly handlers: {
    open(connection: Connection): void;
    message(connection: Connection, data: string | Buffer): void;
    pong(connection: Connection, data: Buffer): void;
    close(connection: Connection, info: CloseInfo): void;
    error(error: LwsError): void;
  };
}

export function recorder(): Recorder {
  const record = {
    opened: queue<Connection>(),
    messages: queue<string | Buffer>(),
    pongs: queue<string>(),
    closed: queue<CloseInfo>(),
    errors: queue<LwsError>(),
  };
  return {
    ...record,
    handlers: {
      open: (connection) => record.opened.push(connection),
      message: (_, data) => record.messages.push(data),
      pong: (_, data) => record.pongs.push(data.toString()),
      close: (_, info) => record.closed.push(info),
      error: (error) => record.errors.push(error),
    },
  };
}

/** Lets the event loop turn until something holds; for what no event tells. */
export async function turnUntil(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
