/**
 * Every `code` an {@link LwsError} can carry, with what it means.
 * The table is the single source for the type and for the documentation.
 */
export const errorCodes = {
  ERR_INVALID_OPTION: 'An option is unknown, misspelled, of the wrong type or out of its bounds.',
  ERR_INVALID_ARGUMENT: 'An argument of a method is of the wrong type or out of its bounds.',
  ERR_INVALID_STATE: 'The call does not fit the state of the object, as listening twice.',
  ERR_CONNECTION_CLOSED: 'A dead connection was used under `strictLifetime`.',
  ERR_LISTEN: 'The address could not be bound; `cause` carries the system error.',
  ERR_HANDLER: 'A handler threw or rejected; `cause` is what it threw.',
  ERR_CONNECT: 'A client could not reach the server or its proxy; `cause` carries the system error.',
  ERR_TLS: 'The TLS handshake of a client failed; the message says why.',
  ERR_HANDSHAKE:
    'The server did not answer with a valid 101; `cause` is its `Response` where it refused with another status.',
  ERR_ABORTED: 'The `signal` was aborted before the connection opened; `cause` is its reason.',
  ERR_TIMEOUT: 'Something did not finish within its documented time.',
  ERR_LIMIT: 'A documented limit was reached.',
  ERR_BODY: 'A request body ended early, was too large or was read twice.',
  ERR_NATIVE: 'The native library reported a failure that has no code of its own.',
  ERR_LOAD: 'The native binary could not be loaded; the message says what was tried.',
  ERR_SESSION_GONE: 'The session ended or expired, or never existed.',
  ERR_SESSION_FENCED: 'Another connection owns the session now; this one may not write it.',
  ERR_SESSION_CONFLICT: 'The session changed since it was read, more often than the retries allow.',
  ERR_STORE: 'The session store failed or did not answer; `cause` carries its error.',
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

  get [brand](): true {
    return true;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
