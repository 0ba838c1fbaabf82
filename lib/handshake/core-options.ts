import type { NativeOptions } from '../crossing/native.js';
import { defaults } from '../shared/defaults.js';
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

/**
 * All that the native side goes by, with the defaults. `alone`: the ConnectionFlag bits of upgrades that nobody here has to
 * see, which it then accepts by itself; undefined: all are asked about.
 */
export function nativeOptions(
  o: CoreOptions,
  deflate: DeflateSettings | undefined,
  alone?: number,
): NativeOptions {
  return {
    maxPayload: o.maxPayload ?? defaults.maxPayload,
    pingInterval: o.pingInterval ?? defaults.pingInterval,
    idleTimeout: o.idleTimeout ?? defaults.idleTimeout,
    handshakeTimeout: o.handshakeTimeout ?? defaults.handshakeTimeout,
    closeTimeout: o.closeTimeout ?? defaults.closeTimeout,
    keepAliveTimeout: o.keepAliveTimeout ?? defaults.keepAliveTimeout,
    maxHeaderSize: o.maxHeaderSize ?? defaults.maxHeaderSize,
    deflateThreshold: deflate?.threshold ?? 0,
    maxConnections: o.maxConnections ?? 0,
    maxConnectionsPerAddress: o.maxConnectionsPerAddress ?? 0,
    busyPoll: Math.round((o.busyPoll ?? defaults.busyPoll) * 1000),
    acceptsAlone: alone !== undefined,
    tellsClosed: o.close !== undefined,
    acceptFlags: alone ?? 0,
    maxBackpressure: o.maxBackpressure ?? defaults.maxBackpressure,
    dropsOverflow: o.onBackpressure === 'drop',
    proxyProtocol: o.proxyProtocol === true,
  };
}
