import { closePayload } from '../shared/arguments.js';
import { type Closing, closings } from './close-codes.js';

/**
 * How the connection of a session that somebody ends is closed. Asked before the session is gone: the two go together.
 *
 * @throws `ERR_INVALID_ARGUMENT` for a code or reason that cannot be sent
 */
export function closingOf(
  code: number = closings.ended.code,
  reason: string = closings.ended.reason,
): Closing {
  closePayload(code, reason);
  return { code, reason };
}
