import { LwsError } from '../shared/errors.js';
import type { CloseInfo } from './events.js';

/** When and why a connection died. */
export interface Death {
  readonly info: CloseInfo;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The error of using a dead connection. */
export function deadUse(id: string, death: Death): LwsError {
  const { code, reason } = death.info;
  const why = reason === '' ? `code ${code}` : `code ${code}: ${reason}`;
  return new LwsError(
    'ERR_CONNECTION_CLOSED',
    `Connection ${id} closed at ${new Date(death.at).toISOString()} (${why}); it cannot be used any more`,
  );
}
