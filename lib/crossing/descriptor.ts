import type { Socket } from 'node:net';
import { LwsError } from '../shared/errors.js';

/** The descriptor below a socket of Node, if it has one: not public API, but the only way to it. */
export function findDescriptor(socket: object): number | undefined {
  const fd = (socket as { _handle?: { fd?: number } | null })._handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** @throws LwsError ERR_INVALID_STATE for a socket without a descriptor. */
export function descriptorOf(socket: Socket): number {
  const fd = findDescriptor(socket);
  if (fd !== undefined) return fd;
  throw new LwsError('ERR_INVALID_STATE', 'Expected an open plain socket of Node, but it has no descriptor');
}
