import type { Connection } from './connection.js';

/**
 * Whoever speaks HTTP on a transport: an exchange, an upgrade, or a client's
 * handshake. The dispatcher hands it the records of its slot and generation.
 */
export interface Sink {
  readonly generation: number;
  /** The transport is over for it; `reason` of `Gone`, `why` and the system's `errno` where the native side knows them. */
  gone(reason: number, why: string, errno: number): void;
  body?(bytes: Buffer, last: boolean): void;
  flushed?(): void;
  connected?(): void;
  /** The head of an answer; `cut`: as much of it as came. */
  answered?(head: string, cut: boolean): void;
  /** ESTABLISHED: it makes the connection, which takes its place. */
  opened?(): Connection;
}
