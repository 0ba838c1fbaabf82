import type { CloseInfo } from '../connection/handlers.js';
import { comeBackCodes, comesBackAfterStatus } from '../shared/close-codes.js';
import { LwsError, type LwsErrorCode } from '../shared/errors.js';

/** How one try ended. */
export type Ending = CloseInfo | LwsError;

/** What the caller gave is wrong, or cannot be had here: asking again gives the same. */
const HOPELESS: ReadonlySet<LwsErrorCode> = new Set<LwsErrorCode>([
  'ERR_INVALID_OPTION',
  'ERR_INVALID_ARGUMENT',
  'ERR_INVALID_STATE',
  'ERR_LOAD',
]);

/** The response of a server or proxy that refused. */
function refusalOf(ending: Ending): Pick<Response, 'status' | 'headers'> | undefined {
  if (!(ending instanceof LwsError) || !['ERR_HANDSHAKE', 'ERR_CONNECT'].includes(ending.code))
    return undefined;
  const { cause } = ending;
  const isResponse = typeof cause === 'object' && cause !== null && 'status' in cause && 'headers' in cause;
  return isResponse ? (cause as Response) : undefined;
}

/** Whether, by the table, another try is worth nothing. */
export function isFinal(ending: Ending): boolean {
  if (!(ending instanceof LwsError)) return !comeBackCodes.has(ending.code);
  const refusal = refusalOf(ending);
  return refusal === undefined ? HOPELESS.has(ending.code) : !comesBackAfterStatus(refusal.status);
}

/** `retry=1500;spread=8000` in a close reason: so long, and up to so much more at random. */
function hintOf(reason: string): number | undefined {
  const match = /(?:^|;)retry=(\d{1,8})(?:;spread=(\d{1,8}))?(?:;|$)/.exec(reason);
  return match === null ? undefined : Number(match[1]) + Math.random() * Number(match[2] ?? 0);
}

/** RFC 9110 10.2.3: seconds, or a date in one of three forms (5.6.7), of which asctime's has no zone; milliseconds. */
function retryAfterOf(value: string): number | undefined {
  /* of any length: what no number holds is still more than anybody's longest wait */
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  if (!/^[A-Z][a-z]{2,8}[, ]/.test(value)) return undefined;
  const at = Date.parse(value.endsWith(' GMT') ? value : `${value} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** The milliseconds that the other side asks to wait; undefined when it says nothing. */
export function askedDelay(ending: Ending): number | undefined {
  if (!(ending instanceof LwsError)) return hintOf(ending.reason);
  const value = refusalOf(ending)?.headers.get('retry-after');
  return typeof value === 'string' ? retryAfterOf(value.trim()) : undefined;
}
