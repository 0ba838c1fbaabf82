import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { handshakeText, type RawClient, rawClient } from '../../helpers/raw-client.js';

/** A TLS connection by Node; rejects when its handshake fails. */
export function secure(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      allowHalfOpen: true,
      ...options,
    } as ConnectionOptions);
    onTestFinished(() => void socket.destroy());
    socket.once('error', reject);
    socket.once('secureConnect', () => resolve(socket));
  });
}

/** The same with a WebSocket opened on it. In TLS 1.3 only this shows whether our certificate was taken. */
export async function joinSecurely(
  port: number,
  options: ConnectionOptions,
): Promise<RawClient & { socket: TLSSocket }> {
  const socket = await secure(port, options);
  const client = rawClient(socket);
  client.write(handshakeText());
  const { status } = await client.response();
  if (status !== 101) throw new Error(`Expected 101 but got ${status}`);
  return client as RawClient & { socket: TLSSocket };
}

/** A TCP connection, of which nothing is known to be TLS. */
export function plain(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true }, () => resolve(socket));
    socket.once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}
