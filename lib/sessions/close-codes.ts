/**
 * Why a connection was closed by its session. `lib/shared/close-codes.ts` says after which of them a client comes back by
 * itself: 1013, after a pause, and 4440, with a new session. After the others something has to change first: a new
 * authentication for 4401, another decision of the user for 4409, fewer sessions for 4429, a new login for 1008.
 */
export const closeCodes = {
  /** The session or its login was ended. */
  ended: 1008,
  /** The store did not answer, and the policy is to refuse then. */
  tryAgainLater: 1013,
  /** The authentication ran out and was not renewed. */
  authExpired: 4401,
  /** Another connection attached to the same session. */
  takenOver: 4409,
  /** The user has too many sessions. */
  limit: 4429,
  /** The session expired: its time to live or its absolute age. */
  expired: 4440,
} as const;

/** Code and reason of a close. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

export const closings = {
  ended: { code: closeCodes.ended, reason: 'session ended' },
  loginEnded: { code: closeCodes.ended, reason: 'login ended' },
  tryAgainLater: { code: closeCodes.tryAgainLater, reason: 'sessions are not available' },
  authExpired: { code: closeCodes.authExpired, reason: 'authentication expired' },
  takenOver: { code: closeCodes.takenOver, reason: 'taken over by another connection' },
  limit: { code: closeCodes.limit, reason: 'too many sessions' },
  expired: { code: closeCodes.expired, reason: 'session expired' },
} as const satisfies Record<string, Closing>;
