import type { SessionBus } from './bus.js';

/**
 * Which connection a session is attached to. `connectionId` is made by {@link connectionKey}: it carries the
 * session's partition, so that a store can look it up in one place.
 */
export interface SessionOwner {
  /** The process (more exactly: the `SessionManager`) that holds the connection. */
  readonly nodeId: string;
  /** The connection by its {@link connectionKey}. */
  readonly connectionId: string;
}

/**
 * The right to write an attached session: the owning connection together with the generation it got when it
 * attached. Both are compared, since a generation alone can repeat after a store's failover lost the last writes.
 */
export interface Fence {
  /** The owning connection by its {@link connectionKey}. */
  readonly connectionId: string;
  /** The session's generation as of its attach. */
  readonly generation: number;
}

/** A session as a store holds it. Times are epoch milliseconds of the store's own clock. */
export interface SessionRecord {
  /** Secret: who presents it may continue the session. */
  readonly id: string;
  /** Whose session it is; `undefined` for an anonymous one. */
  readonly userId: string | undefined;
  /** The login it belongs to; ending the login ends the session. */
  readonly loginId: string | undefined;
  /** `active` while a connection is attached, else `detached`. */
  readonly status: 'active' | 'detached';
  /** The connection it is attached to; `undefined` while it is detached. */
  readonly owner: SessionOwner | undefined;
  /** The fencing token: +1 with each attach, never less for a session's whole life. */
  readonly generation: number;
  /** +1 with each change of attributes or extensions; the compare in {@link SessionStore.set}. */
  readonly version: number;
  /** When it was made; a regenerate keeps it. */
  readonly createdAt: number;
  /** The last activity that the store was told of; making, attaching and regenerating it are activity too. */
  readonly lastActive: number;
  /** When it expires if nothing more happens; never after `endsAt`. */
  readonly expiresAt: number;
  /** The end of its absolute age; `undefined` without one. */
  readonly endsAt: number | undefined;
  /** Idle time to live, milliseconds. */
  readonly ttl: number;
  /** A further name to find it by; as HTTP sessions by their user, although each is the login of its own id. */
  readonly group: string | undefined;
  /** The user's values, as {@link encode} writes them. Opaque to the store. */
  readonly attributes: Uint8Array;
  /** Values of libraries and adapters, apart from the user's. Opaque to the store. */
  readonly extensions: Uint8Array;
}

/** What a new session starts with. Everything left out is filled in by the store. */
export interface NewSession {
  /** An id made by {@link SessionStore.newId} for the same user; default: a new one. */
  readonly id?: string | undefined;
  /** Whose session it is; left out: nobody's, and so without a limit. */
  readonly userId?: string | undefined;
  /** The login it belongs to; refused with `ended` while {@link SessionStore.endLogin} blocks that. */
  readonly loginId?: string | undefined;
  /** Attached from the start to this connection; left out: detached. */
  readonly owner?:
    | {
        /** The process that holds the connection. */
        readonly nodeId: string;
        /** The connection's own id, of which the store makes its {@link connectionKey}. */
        readonly connection: string;
      }
    | undefined;
  /** Idle time to live, milliseconds, 1 to {@link maxTtl}. */
  readonly ttl: number;
  /** Absolute age, milliseconds, 1 to {@link maxTtl}; default none. */
  readonly maxAge?: number | undefined;
  /** A further name to find it by: {@link SessionStore.byGroup}. */
  readonly group?: string | undefined;
  /** The user's values, as {@link encode} writes them. Default: those of `{}`. */
  readonly attributes?: Uint8Array | undefined;
  /** Values of libraries and adapters, written likewise. Default: those of `{}`. */
  readonly extensions?: Uint8Array | undefined;
}

/** How many live sessions a user may have, and what happens to one more. Anonymous sessions are not counted. */
export interface UserLimit {
  /** Most live sessions of the user, 1 to 100,000; expired ones are not counted. */
  readonly max: number;
  /** `reject` the new one, or `closeOldest` (by creation) until it fits. */
  readonly onExcess: 'reject' | 'closeOldest';
}

/** Outcome of {@link SessionStore.create} and {@link SessionStore.regenerate}. */
export type CreateResult =
  | {
      /** The session is stored. */
      readonly status: 'created';
      /** The session as it is stored now. */
      readonly record: SessionRecord;
      /** The user's sessions that were removed to make room, oldest first; the caller closes their connections. */
      readonly evicted: readonly SessionRecord[];
    }
  | {
      /** The user has too many sessions already, and `onExcess` is `reject`. */
      readonly status: 'limit';
      /** How many live sessions the user has; one that a regenerate would replace is not counted. */
      readonly count: number;
    }
  | {
      /** The given id is taken. */
      readonly status: 'exists';
    }
  | {
      /** The login was ended a moment ago ({@link SessionStore.endLogin}). */
      readonly status: 'ended';
    };

/** Outcome of {@link SessionStore.regenerate}. */
export type RegenerateResult =
  | CreateResult
  | {
      /** The session has ended or expired, or the fence is not its owner's. */
      readonly status: 'gone' | 'fenced';
      /** What the limit removed before that was found out; the store has forgotten it. Default none. */
      readonly evicted?: readonly SessionRecord[];
    };

/** Outcome of {@link SessionStore.attach}. */
export type AttachResult =
  | {
      /** The connection owns the session. */
      readonly status: 'attached';
      /** The session with its new generation and expiry. */
      readonly record: SessionRecord;
      /** The connection that lost the session to this one, if any; its writes are fenced from now on. */
      readonly previous: SessionOwner | undefined;
    }
  | {
      /** The session has ended or expired, or never existed. */
      readonly status: 'gone';
    }
  | {
      /** It belongs to another user, or the login was ended. Nothing was changed. */
      readonly status: 'denied';
    };

/** Who wants to attach. */
export interface Identity {
  /** The authenticated user; to attach it must be the session's own, and left out for an anonymous session. */
  readonly userId?: string | undefined;
  /** Becomes the session's login if given and different. */
  readonly loginId?: string | undefined;
}

/** One entry of {@link SessionStore.touch}. */
export interface Touch {
  /** The session that was active; an unknown one is answered `gone`. */
  readonly id: string;
  /** Left out: by someone who does not own the session, as an HTTP request. */
  readonly fence?: Fence | undefined;
  /** Milliseconds since the activity that is reported; default 0. */
  readonly idle?: number | undefined;
}

/** The session's new expiry, or why it was not touched. */
export type TouchResult = number | 'fenced' | 'gone';

/** What {@link SessionStore.set} changes. */
export interface Change {
  /** The version the change was computed from. */
  readonly version: number;
  /** Only for this owner; left out: whoever owns the session. */
  readonly fence?: Fence | undefined;
  /** All attributes anew, not parts of them; left out: they stay. */
  readonly attributes?: Uint8Array | undefined;
  /** All extensions anew; left out: they stay. */
  readonly extensions?: Uint8Array | undefined;
  /** A new group; `null`: none any more; left out: it stays. */
  readonly group?: string | null | undefined;
  /** A new idle time to live; counts from now. Without it a change never moves the expiry. */
  readonly ttl?: number | undefined;
}

/** The new version and expiry, or why nothing was changed. */
export type SetResult =
  | {
      /** The change is stored. */
      readonly status: 'set';
      /** The version that the next change has to be computed from. */
      readonly version: number;
      /** When the session expires now; only a new `ttl` has moved it. */
      readonly expiresAt: number;
    }
  | {
      /** Another version is stored, the fence is not the owner's, or the session has ended or expired. */
      readonly status: 'conflict' | 'fenced' | 'gone';
    };

/** One page of {@link SessionStore.list}. */
export interface Page {
  /** In no particular order; may be more or fewer than the limit, or none, although further pages follow. */
  readonly records: readonly SessionRecord[];
  /** Pass it on for the next page; `undefined` after the last one. */
  readonly cursor: string | undefined;
}

/** What {@link SessionStore.sweep} and {@link SessionStore.orphans} took. */
export interface Swept {
  /** A sweep gives them as they were, with the owner they had; orphans are detached already. */
  readonly records: readonly SessionRecord[];
  /** There was more than the limit allowed. */
  readonly more: boolean;
}

/** Longest `ttl` and `maxAge`: ten years. */
export const maxTtl = 10 * 366 * 86_400_000;

/** Longest user, login, node or connection id, in bytes of UTF-8. */
export const maxIdLength = 256;

/**
 * Where sessions live. Every promise below is a case of the conformance suite (`libwebsockets/sessions/conformance`),
 * which each store has to pass.
 *
 * - *Atomic*: each operation happens entirely or not at all, also against other processes.
 * - *Expired is gone*: no operation but {@link sweep} returns, changes or revives a session after its `expiresAt`.
 * - *Only {@link sweep}, the destroying operations and an eviction delete*: reading never does, so that each
 *   expiry is reported to exactly one caller.
 * - *Indexes tell the truth*: by user, by login and by connection, from the first to the last moment of a session.
 * - *The store's clock* decides; no time of the caller's is believed.
 * - An id that cannot be one of the store's is treated as unknown, not as an error. A failing or silent store
 *   rejects with an `LwsError` `ERR_STORE`; a wrong argument with `ERR_INVALID_ARGUMENT`.
 */
export interface SessionStore {
  /** Reaches other nodes; without it, they notice what happened at their next contact with the store. */
  readonly bus?: SessionBus | undefined;

  /**
   * A new id `<partition>.<tail>`. The partition follows from `userId` (or else from the tail), the tail is
   * random with at least 128 bits unless given; a given one has 1 to 200 characters of `A-Z a-z 0-9 _ - , .`
   */
  newId(userId?: string, tail?: string): string;

  /** Stores a new session; over a user's `limit` it is refused or the oldest ones make room, in one step. */
  create(session: NewSession, limit?: UserLimit): Promise<CreateResult>;

  /** The live session of that id; `undefined` if it has ended or expired, or never existed. */
  get(id: string): Promise<SessionRecord | undefined>;
  /** All live sessions of a user, oldest first. */
  byUser(userId: string): Promise<SessionRecord[]>;
  /** All live sessions of a login, oldest first. `userId`, where known, spares asking every partition. */
  byLogin(loginId: string, userId?: string): Promise<SessionRecord[]>;
  /** All live sessions of a group, oldest first; asks every partition. */
  byGroup(group: string): Promise<SessionRecord[]>;
  /** The live session that the connection is attached to; takes a {@link connectionKey}. */
  byConnection(connectionId: string): Promise<SessionRecord | undefined>;

  /**
   * Makes `connection` the owner: generation +1, activity, and the expiry starts anew. With `identity`, only if
   * the session belongs to exactly that user (or to none, if it names none).
   */
  attach(
    id: string,
    owner: { nodeId: string; connection: string },
    identity?: Identity,
  ): Promise<AttachResult>;

  /** Gives the ownership up; the session expires `keepFor` ms from now, at most its `ttl`. */
  detach(id: string, fence: Fence, keepFor: number): Promise<'ok' | 'fenced' | 'gone'>;

  /**
   * Reports activity, one result per entry in order. `lastActive` follows; the expiry moves to activity + `ttl`
   * when less than half of `ttl` is left (`exact`: always). It is never moved back.
   */
  touch(entries: readonly Touch[], exact: boolean): Promise<TouchResult[]>;

  /** Compare and set. Never creates. */
  set(id: string, change: Change): Promise<SetResult>;

  /**
   * Replaces a session by one with a new id, the given user and login, and the same everything else; the owner
   * moves along with generation +1. The replaced one does not count for the limit. If the process dies half way,
   * the old session is removed by the sweep.
   */
  regenerate(
    id: string,
    fence: Fence | undefined,
    identity: Identity,
    limit?: UserLimit,
  ): Promise<RegenerateResult>;

  /**
   * The live session that took the place of an attached one by a {@link regenerate} without its owner's fence, as on
   * another node: how the owner finds the new id, for as long as the `ttl` of the old one. Follows several in a row.
   */
  successor(id: string): Promise<SessionRecord | undefined>;

  /** Removes a session and returns it; with a `fence`, only for its owner. */
  destroy(id: string, fence?: Fence): Promise<SessionRecord | 'fenced' | undefined>;

  /** Removes all sessions of a user. */
  endUser(userId: string): Promise<SessionRecord[]>;

  /**
   * Removes all sessions of a login, and for `block` ms refuses new ones to it, so that a handshake which read the
   * login just before its end cannot leave a session behind.
   */
  endLogin(
    loginId: string,
    options?: { userId?: string | undefined; block?: number },
  ): Promise<SessionRecord[]>;

  /** Removes and returns about `limit` expired sessions, oldest expiry first; each is returned to one caller only. */
  sweep(limit: number): Promise<Swept>;

  /**
   * Detaches sessions owned by a node that is dead and returns about `limit` of them; each to one caller only.
   * They live on for at most `keepFor` ms.
   */
  orphans(nodeId: string, keepFor: number, limit: number): Promise<Swept>;

  /** Pages through all live sessions. One that lives through the whole listing is in it at least once. */
  list(cursor?: string, limit?: number): Promise<Page>;

  /** How many sessions there are; expired ones that no sweep has taken yet are counted. */
  count(): Promise<number>;

  /** Releases what the store itself holds. Never closes a client that was given to it. */
  close(): Promise<void>;
}
