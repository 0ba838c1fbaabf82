import type { Connection } from './connection.js';

/**
 * Whoever speaks HTTP on a transport: an exchange, an upgrade, or a client's
 * handshake. The dispatcher hands it the records of its slot and generation.
 */
export interface Sink {
  readonly generation: number;
  /** The transport is over for it; `reason` of `Gone`, `why` where the native side knows more. */
  gone(reason: number, why: string): void;
  body?(bytes: Buffer, last: boolean): void;
  flushed?(): void;
  connected?(): void;
  answered?(head: string): void;
  /** ESTABLISHED: it makes the connection, which takes its place. */
  opened?(): Connection;
}
