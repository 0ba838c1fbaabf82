/** What happened on this node since the manager was made. */
export interface Counters {
  created: number;
  /** Attached to a session that was there before. */
  resumed: number;
  detached: number;
  takenOver: number;
  expired: number;
  ended: number;
  /** New connections refused because the user had too many sessions. */
  limited: number;
  evicted: number;
  orphaned: number;
  regenerated: number;
  authExpired: number;
  /** Entries of touch batches, and batches. */
  touches: number;
  touchBatches: number;
  sweeps: number;
  /** Operations of the store that failed, of whatever kind. */
  storeErrors: number;
  /** Messages to other nodes, and those that nobody received. */
  forwarded: number;
  undelivered: number;
}

export function newCounters(): Counters {
  return {
    created: 0,
    resumed: 0,
    detached: 0,
    takenOver: 0,
    expired: 0,
    ended: 0,
    limited: 0,
    evicted: 0,
    orphaned: 0,
    regenerated: 0,
    authExpired: 0,
    touches: 0,
    touchBatches: 0,
    sweeps: 0,
    storeErrors: 0,
    forwarded: 0,
    undelivered: 0,
  };
}
