import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { LwsError, ServerOptions } from '../../lib/index.js';
import { type Running, startServer, turnUntil } from './server.js';

export interface PlainResponse {
  status: number;
  reason: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface PlainRequest {
  port: number;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  agent?: Agent;
}

/** One request by Node's HTTP client, on a network connection of its own unless an agent is given. */
export function ask(fields: PlainRequest): Promise<PlainResponse> {
  const { port, path = '/', method = 'GET', headers = {}, body, agent } = fields;
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method, headers, agent: agent ?? false },
      (came) => {
        const pieces: Buffer[] = [];
        came.on('data', (piece: Buffer) => pieces.push(piece));
        came.on('error', reject);
        came.on('end', () =>
          resolve({
            status: came.statusCode!,
            reason: came.statusMessage!,
            headers: came.headers,
            body: Buffer.concat(pieces).toString(),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** An agent that keeps one network connection for all its requests, until the test is over. */
export function keepAliveAgent(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return agent;
}

/** A server that answers with `request`, and the errors it was told. */
export async function startHttp<X = unknown>(
  answer: ServerOptions<unknown, X>['request'],
  options: ServerOptions<unknown, X> = {},
): Promise<Running<unknown, X> & { errors: LwsError[] }> {
  const errors: LwsError[] = [];
  const more: ServerOptions<unknown, X> = {
    error: (error) => {
      errors.push(error);
    },
    ...(answer === undefined ? {} : { request: answer }),
    ...options,
  };
  return { ...(await startServer<unknown, X>(more)), errors };
}

/** A temporary folder with files by relative name, removed when the test is over. */
export function folderWith(files: Record<string, string | Uint8Array>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lws-files-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Waits until a number that only grows has grown and then stays. */
export async function settled(read: () => number): Promise<number> {
  await turnUntil(() => read() > 0);
  for (let before = -1; ; ) {
    const now = read();
    if (now === before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

/** Undoes chunked coding, as strictly as a client must; throws when the end is missing. */
export function unchunk(bytes: Buffer): { body: Buffer; rest: Buffer; sizes: number[] } {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf('\r\n', at);
    const size = /^[0-9a-f]+$/.exec(bytes.toString('latin1', at, line))?.[0];
    if (line < 0 || size === undefined) throw new Error(`No chunk at ${at} of ${bytes.length}`);
    const start = line + 2;
    const end = start + Number.parseInt(size, 16);
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Error(`No end of the chunk at ${at}`);
    at = end + 2;
    if (end === start)
      return {
        body: Buffer.concat(pieces),
        rest: bytes.subarray(at),
        sizes: pieces.map((one) => one.length),
      };
    pieces.push(bytes.subarray(start, end));
  }
}
