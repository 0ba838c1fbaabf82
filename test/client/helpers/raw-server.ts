import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type Queue, queue } from '../../helpers/queue.js';
import { type RawClient, rawClient } from '../../helpers/raw-client.js';

/** What a client asked, and the TCP connection it asked on. */
export interface Asked {
  readonly line: string;
  /** The first of a name, in lower case. */
  header(name: string): string | undefined;
  readonly head: string;
  readonly peer: RawClient;
  /** Answers with a valid 101; fields replace its own or, when undefined, leave them out. */
  accept(fields?: Record<string, string | undefined>): void;
}

export interface RawServer {
  readonly port: number;
  readonly url: string;
  /** Requests, in order. */
  readonly asked: Queue<Asked>;
  /** Every socket that was accepted. */
  readonly sockets: readonly Socket[];
}

export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** A response head by hand. */
export function responseText(status: string, fields: Record<string, string | undefined>, body = ''): string {
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return `${[`HTTP/1.1 ${status}`, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

function readHead(socket: Socket, found: (head: string) => void): void {
  let bytes = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return;
    socket.off('data', onData);
    socket.pause();
    socket.unshift(bytes.subarray(end + 4));
    found(bytes.toString('latin1', 0, end));
  };
  socket.on('data', onData);
}

function headerOf(head: string, name: string): string | undefined {
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim();
  }
  return undefined;
}

/** A TCP server of the test's own, which answers as wrongly as a test wants. */
export async function rawServer(
  answer?: (asked: Asked) => void,
  where: { host?: string; path?: string } = { host: '127.0.0.1' },
): Promise<RawServer> {
  const asked = queue<Asked>();
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    readHead(socket, (head) => {
      const peer = rawClient(socket);
      socket.resume();
      const header = (name: string) => headerOf(head, name);
      const one: Asked = {
        line: head.split('\r\n')[0]!,
        header,
        head,
        peer,
        accept: (fields) =>
          peer.write(
            responseText('101 Switching Protocols', {
              Upgrade: 'websocket',
              Connection: 'Upgrade',
              'Sec-WebSocket-Accept': acceptOf(header('sec-websocket-key') ?? ''),
              ...fields,
            }),
          ),
      };
      asked.push(one);
      answer?.(one);
    });
  });
  await new Promise<void>((resolve) => server.listen(where.path ?? { port: 0, host: where.host }, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const host = where.host?.includes(':') ? `[${where.host}]` : where.host;
  return { port, url: `ws://${host}:${port}`, asked, sockets };
}

/** What a promise rejects with; fails when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: Error) => ({ error }),
  );
  if ('error' in outcome) return outcome.error;
  throw new Error('Expected a rejection but it resolved');
}
