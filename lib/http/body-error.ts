import { LwsError } from '../shared/errors.js';

const statuses = new WeakMap<object, number>();

/**
 * A failure to read a request body. `status` is what the peer is answered when the
 * handler lets the error through: it is the peer's doing, no fault of the handler.
 */
export function bodyError(message: string, status?: number, cause?: unknown): LwsError {
  const error = new LwsError('ERR_BODY', message, cause === undefined ? undefined : { cause });
  if (status !== undefined) statuses.set(error, status);
  return error;
}

/** The status that goes with an error of {@link bodyError}. */
export function bodyErrorStatus(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null ? statuses.get(error) : undefined;
}
