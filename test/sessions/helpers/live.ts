import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import WebSocket from 'ws';
import { createServer, type LwsError, type Server } from '../../../lib/index.js';
import {
  type ServeOptions,
  SessionManager,
  type SessionManagerOptions,
} from '../../../lib/sessions/index.js';

/** A client that keeps what it gets. */
export interface LiveClient {
  readonly socket: WebSocket;
  readonly messages: string[];
  /** Code and reason of the end. */
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface Live<A extends object> {
  readonly sessions: SessionManager<A>;
  readonly server: Server;
  readonly url: string;
  readonly port: number;
  /** Errors told to the server's `error` handler and by the sessions. */
  readonly errors: LwsError[];
  /** A client whose handshake succeeded. */
  join(query?: string, protocols?: string[]): Promise<LiveClient>;
}

type Attributes = Record<string, unknown>;

/** A real server with sessions, ended with the test. */
export async function live<D = unknown, X = unknown>(
  options: ServeOptions<D, X, Attributes>,
  sessionOptions: SessionManagerOptions = {},
): Promise<Live<Attributes>> {
  const sessions = new SessionManager<Attributes>(sessionOptions);
  const errors: LwsError[] = [];
  sessions.on('error', (error) => errors.push(error));
  const server = createServer<D, X>(
    sessions.serve<D, X>({
      host: '127.0.0.1',
      error: (error) => errors.push(error),
      ...options,
    } as Parameters<typeof sessions.serve<D, X>>[0]),
  );
  const { port } = await server.listen();
  const clients: WebSocket[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.terminate();
    await server.close({ timeout: 0 });
    await sessions.stop();
  });
  const url = `ws://127.0.0.1:${port}`;
  return {
    sessions,
    server: server as Server,
    url,
    port,
    errors,
    async join(query = '', protocols = []) {
      const socket = new WebSocket(`${url}/${query}`, protocols);
      clients.push(socket);
      const messages: string[] = [];
      socket.on('message', (data) => messages.push(String(data)));
      const closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
      await once(socket, 'open');
      return { socket, messages, closed };
    },
  };
}
