import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerOptions,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { NodeServer } from '../../../lib/index.js';
import { connectRaw, type RawClient, rawClient } from '../../helpers/raw-client.js';

let pair: { key: string; cert: string } | undefined;

/** A key and a certificate for localhost, made once per process. */
export function certificate(): { key: string; cert: string } {
  if (pair !== undefined) return pair;
  const folder = mkdtempSync(join(tmpdir(), 'lwsn-tls-'));
  try {
    const key = join(folder, 'key.pem');
    const cert = join(folder, 'cert.pem');
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', [...kind, '-days', '2', '-keyout', key, '-out', cert, ...subject], {
      stdio: 'pipe',
    });
    pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    return pair;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export type Kind = 'http' | 'https' | 'h2c' | 'h2';

function make(kind: Kind, options: ServerOptions): NodeServer {
  if (kind === 'http') return createHttp();
  if (kind === 'https') return createHttps(certificate());
  if (kind === 'h2c') return createHttp2(options);
  return createSecureServer({ ...certificate(), allowHTTP1: true, ...options });
}

/** Listens on a free port; closed with everything on it when the test is over. */
export async function listening<S extends NodeServer>(server: S): Promise<{ server: S; port: number }> {
  const open = new Set<{ destroy(): void }>();
  server.on('connection', (socket: { destroy(): void; once(event: string, then: () => void): void }) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return { server, port: (server.address() as AddressInfo).port };
}

export function nodeServer(
  kind: Kind,
  options: ServerOptions = {},
): Promise<{ server: NodeServer; port: number }> {
  return listening(make(kind, options));
}

/** TLS over a connected socket, byte by byte. */
export function rawTlsOver(below: Socket): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ socket: below, ca: certificate().cert, servername: 'localhost' });
    socket.allowHalfOpen = true;
    socket.resetAndDestroy = () => {
      below.resetAndDestroy();
      return socket.destroy();
    };
    onTestFinished(() => void socket.destroy());
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      resolve(rawClient(socket));
    });
  });
}

/** A plain connection, byte by byte. */
export async function connectRawPlain(port: number): Promise<RawClient> {
  const client = await connectRaw(port);
  onTestFinished(() => client.destroy());
  return client;
}

/** A TLS connection, byte by byte. */
export function connectRawTls(port: number): Promise<RawClient> {
  return rawTlsOver(createConnection({ port, host: '127.0.0.1' }));
}

/** An HTTP/2 session whose server allows extended CONNECT. */
export async function http2Session(kind: 'h2c' | 'h2', port: number): Promise<ClientHttp2Session> {
  const url = `${kind === 'h2' ? 'https' : 'http'}://127.0.0.1:${port}`;
  const session = connect(url, kind === 'h2' ? { ca: certificate().cert, servername: 'localhost' } : {});
  onTestFinished(() => void session.destroy());
  session.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    session.once('remoteSettings', () => resolve());
    session.once('error', reject);
  });
  return session;
}

export interface Answer {
  stream: ClientHttp2Stream;
  headers: IncomingHttpHeaders & { ':status'?: number };
}

/** An extended CONNECT (RFC 8441 4) and what it is answered with. */
export function extendedConnect(
  session: ClientHttp2Session,
  headers: Record<string, string | undefined> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': '/',
        'sec-websocket-version': '13',
        ...headers,
      },
      { endStream: false },
    );
    onTestFinished(() => void stream.destroy());
    stream.once('error', reject);
    stream.once('response', (answer) => {
      stream.off('error', reject);
      stream.on('error', () => {});
      resolve({ stream, headers: answer });
    });
  });
}

/** A client byte by byte over a stream that was answered with 200. */
export function rawOverHttp2(stream: ClientHttp2Stream): RawClient {
  const asSocket = Object.assign(stream, {
    setNoDelay() {},
    resetAndDestroy: () => stream.close(8) /* CANCEL, as RFC 8441 5 says for RST */,
  });
  return rawClient(asSocket as unknown as Socket);
}

/** A client that has done the handshake with the server of Node at `port`. */
export async function openOver(kind: Kind, port: number, path = '/'): Promise<RawClient> {
  if (kind === 'h2c' || kind === 'h2') {
    const { stream, headers } = await extendedConnect(await http2Session(kind, port), { ':path': path });
    if (headers[':status'] !== 200) throw new Error(`Expected 200 but got ${headers[':status']}`);
    return rawOverHttp2(stream);
  }
  const client = kind === 'http' ? await connectRawPlain(port) : await connectRawTls(port);
  await client.handshake({ target: path });
  return client;
}
