/**
 * Every `code` an {@link LwsError} can carry, with what it means.
 * The table is the single source for the type and for the documentation.
 */
export const errorCodes = {
  /** Thrown before anything has begun. */
  ERR_INVALID_OPTION: 'An option is unknown, misspelled, of the wrong type or out of its bounds.',
  /** The call has changed nothing, and its connection is not touched. */
  ERR_INVALID_ARGUMENT: 'An argument of a method is of the wrong type or out of its bounds.',
  /** Also for a second loop over a connection, a path that another server has, a manager that was stopped. */
  ERR_INVALID_STATE: 'The call does not fit the state of the object, as listening twice.',
  /** The message says when and why it died. Without the option such calls do nothing. */
  ERR_CONNECTION_CLOSED: 'A dead connection was used under `strictLifetime`.',
  /** `listen()` may be called again. */
  ERR_LISTEN: 'The address could not be bound; `cause` carries the system error.',
  /** The connection closes with 1011, an upgrade or a request is answered with 500. Told to the `error` handler. */
  ERR_HANDLER: 'A handler threw or rejected; `cause` is what it threw.',
  /** `reconnect` tries again, as after `ERR_TLS` and `ERR_TIMEOUT`. */
  ERR_CONNECT: 'A client could not reach the server or its proxy; `cause` carries the system error.',
  /** As for a certificate that does not verify. */
  ERR_TLS: 'The TLS handshake of a client failed; the message says why.',
  /**
   * Also where it closed before it answered, or redirected from `wss:` to `ws:`; and on a server, where what `adopt` was
   * given became no connection.
   */
  ERR_HANDSHAKE:
    'The server did not answer with a valid 101; `cause` is its `Response` where it refused with another status.',
  /** An open connection is not touched by its `signal`. */
  ERR_ABORTED: 'The `signal` was aborted before the connection opened; `cause` is its reason.',
  /** Connecting; as `cause` of an `ERR_HANDLER` an `open`, of an `ERR_STORE` the answer of Redis. */
  ERR_TIMEOUT: 'Something did not finish within its documented time.',
  /** As `maxSubscriptions`, `maxPerUser`, the size of a `MemoryStore`, or descriptors to accept with. */
  ERR_LIMIT: 'A documented limit was reached.',
  /** A request handler may let it through: what the client did wrong is answered with 400, 408 or 413. */
  ERR_BODY: 'A request body ended early, was too large or was read twice.',
  /** As for memory that is not there, or an upgrade of a server of Node that could not be taken in. */
  ERR_NATIVE: 'The native library reported a failure that has no code of its own.',
  /** Also under a runtime that is not Node. */
  ERR_LOAD: 'The native binary could not be loaded; the message says what was tried.',
  /** Also when its login was ended just now. Nothing brings it back. */
  ERR_SESSION_GONE: 'The session ended or expired, or never existed.',
  /** What was to be written is not stored, and the connection is closed with 4409. */
  ERR_SESSION_FENCED: 'Another connection owns the session now; this one may not write it.',
  /** Nothing of this change is stored. */
  ERR_SESSION_CONFLICT: 'The session changed since it was read, more often than the retries allow.',
  /** Whether the operation happened is unknown; a `create` or `attach` that did is taken back. */
  ERR_STORE: 'The session store failed or did not answer; `cause` carries its error.',
  /** Nothing was done. The message says what would be needed for it. */
  ERR_UNSUPPORTED: 'What was given, as a store of HTTP sessions that cannot list, is not able to do this.',
} as const;

/** One of the codes of {@link errorCodes}. */
export type LwsErrorCode = keyof typeof errorCodes;

const brand = Symbol.for('libwebsockets.LwsError');

/**
 * The one error class of this package. `code` is stable, `message` is for people.
 * `instanceof` holds across copies of the package, since it asks for a registered symbol.
 */
export class LwsError extends Error {
  /** Which failure this is; see {@link errorCodes}. */
  readonly code: LwsErrorCode;

  constructor(code: LwsErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LwsError';
    this.code = code;
  }

  /** What `instanceof` looks for, by a symbol that all copies of the package share. */
  get [brand](): true {
    return true;
  }

  /** Whether `value` is an `LwsError`, of this copy of the package or another. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
