/** What happened on this node since the manager was made. */
export interface Counters {
  /** New sessions. */
  created: number;
  /** Attached to a session that was there before. */
  resumed: number;
  /** Sessions that lost their connection here, for whatever reason. */
  detached: number;
  /** Sessions that a connection here took over from another one, on whichever node; that one is closed with 4409. */
  takenOver: number;
  /** Expired sessions that a sweep of this node took. */
  expired: number;
  /** Sessions that this node ended, by a call, with their login, or with their connection if `keepDetached` is 0. */
  ended: number;
  /** New sessions, and new users of sessions, refused because the user had too many. */
  limited: number;
  /** Sessions ended to make room for another one of their user. */
  evicted: number;
  /** Sessions detached because `releaseNode` declared their node dead here. */
  orphaned: number;
  /** Sessions that got a new id. */
  regenerated: number;
  /** Connections closed with 4401, as their authentication ran out and was not renewed. */
  authExpired: number;
  /** Entries of touch batches: of sessions with activity, and of those without that are only looked at. */
  touches: number;
  /** Touch batches given to the store, failed ones too. */
  touchBatches: number;
  /** Calls of the store's `sweep` that succeeded; one look for what expired takes several if there is much. */
  sweeps: number;
  /** Operations of the store that failed in the background or while a connection got its session. */
  storeErrors: number;
  /** Messages to other nodes: those of `send`, and closes. */
  forwarded: number;
  /** Those of them that no node took. */
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
