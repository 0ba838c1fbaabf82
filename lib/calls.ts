/**
 * Calls of the user's handlers. What one throws or rejects with closes its own connection and reaches nobody else
 * (`Connection.fail`).
 */
import { isThenable } from './arguments.js';
import type { Connection } from './connection.js';
import type { CloseInfo, FragmentInfo } from './handlers.js';

function watch(connection: Connection, result: unknown, handler: string): void {
  if (isThenable(result)) result.then(undefined, (cause) => connection.fail(cause, handler));
}

export function callMessage(connection: Connection, data: string | Buffer): void {
  try {
    const result = connection.behavior.handlers.message!(connection, data);
    if (result !== undefined) watch(connection, result, 'message');
  } catch (cause) {
    connection.fail(cause, 'message');
  }
}

export function callFragment(connection: Connection, data: Buffer, info: FragmentInfo): void {
  try {
    const result = connection.behavior.handlers.fragment!(connection, data, info);
    if (result !== undefined) watch(connection, result, 'fragment');
  } catch (cause) {
    connection.fail(cause, 'fragment');
  }
}

export function callPong(connection: Connection, data: Buffer): void {
  try {
    const result = connection.behavior.handlers.pong!(connection, data);
    if (result !== undefined) watch(connection, result, 'pong');
  } catch (cause) {
    connection.fail(cause, 'pong');
  }
}

export function callWritable(connection: Connection): void {
  try {
    const result = connection.behavior.handlers.writable!(connection);
    if (result !== undefined) watch(connection, result, 'writable');
  } catch (cause) {
    connection.fail(cause, 'writable');
  }
}

/** Messages wait until what it returns has settled. */
export function callOpen(connection: Connection): void {
  const { handlers } = connection.behavior;
  if (handlers.open === undefined) return;
  try {
    const result = handlers.open(connection);
    if (isThenable(result)) connection.ownInbox().holdOpen(result, connection.host.openTimeout);
  } catch (cause) {
    connection.fail(cause, 'open');
  }
}

export function callClose(connection: Connection, info: CloseInfo): void {
  const { handlers } = connection.behavior;
  if (handlers.close === undefined) return;
  try {
    const result = handlers.close(connection, info);
    if (result !== undefined) watch(connection, result, 'close');
  } catch (cause) {
    connection.fail(cause, 'close');
  }
}
