const MIB = 1024 * 1024;

/**
 * What holds for a server, and where it applies for a client, that is not told otherwise: the one place. Times are
 * milliseconds, sizes bytes. test/architecture compares docs/options.md with it.
 */
export const defaults = {
  backlog: 511,
  maxPayload: 16 * MIB,
  maxBackpressure: 16 * MIB,
  maxSubscriptions: 1024,
  pingInterval: 30_000,
  idleTimeout: 120_000,
  handshakeTimeout: 10_000,
  closeTimeout: 5_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
  memory: 0,
  busyPoll: 0,
} as const;
