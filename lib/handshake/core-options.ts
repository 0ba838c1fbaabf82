import type { DeflateSettings } from './deflate.js';

/** Options of a server or client that the native side goes by. */
export interface CoreOptions {
  readonly maxPayload?: number | undefined;
  readonly pingInterval?: number | undefined;
  readonly idleTimeout?: number | undefined;
  readonly handshakeTimeout?: number | undefined;
  readonly closeTimeout?: number | undefined;
  readonly keepAliveTimeout?: number | undefined;
  readonly maxHeaderSize?: number | undefined;
  readonly maxConnections?: number | undefined;
  readonly maxConnectionsPerAddress?: number | undefined;
  readonly proxyProtocol?: boolean | undefined;
  readonly busyPoll?: number | undefined;
  readonly maxBackpressure?: number | undefined;
  readonly onBackpressure?: 'close' | 'drop' | undefined;
  readonly close?: unknown;
}

const MIB = 1024 * 1024;

/**
 * In the order of `lwsn_server_options`. `alone`: the ConnectionFlag bits of upgrades that nobody here has to see,
 * which the native side then accepts by itself; undefined: all are asked about.
 */
export function nativeOptions(
  o: CoreOptions,
  deflate: DeflateSettings | undefined,
  alone?: number,
): Float64Array {
  return Float64Array.of(
    o.maxPayload ?? 16 * MIB,
    o.pingInterval ?? 30_000,
    o.idleTimeout ?? 120_000,
    o.handshakeTimeout ?? 10_000,
    o.closeTimeout ?? 5_000,
    o.keepAliveTimeout ?? 5_000,
    o.maxHeaderSize ?? 16 * 1024,
    o.maxConnections ?? 0,
    o.maxConnectionsPerAddress ?? 0,
    deflate?.threshold ?? 0,
    o.proxyProtocol === true ? 1 : 0,
    alone === undefined ? 0 : 1,
    o.close === undefined ? 0 : 1,
    alone ?? 0,
    Math.round((o.busyPoll ?? 0) * 1000),
    o.maxBackpressure ?? 16 * MIB,
    o.onBackpressure === 'drop' ? 1 : 0,
  );
}
