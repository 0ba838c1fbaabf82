import { type Check, integer, oneOf, type } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import type { Handlers } from './handlers.js';

/** Handlers and what goes with them, for one kind of connection. */
export const handlerChecks: Record<string, Check> = {
  open: type('function'),
  message: type('function'),
  fragment: type('function'),
  writable: type('function'),
  pong: type('function'),
  close: type('function'),
  memory: integer(0, 16 * 1024 * 1024),
  binaryType: oneOf('buffer', 'transient'),
};

/** Messages come whole or in pieces. */
export function checkReaders(handlers: Handlers, within: string): void {
  if (handlers.message === undefined || handlers.fragment === undefined) return;
  throw new LwsError(
    'ERR_INVALID_OPTION',
    `Expected one of "message" and "fragment"${within === '' ? '' : ` in "${within}"`} but got both`,
  );
}
