/**
 * Calls of the user's handlers, each in the async context that is theirs (scope.ts). What one throws or rejects with
 * closes its own connection and reaches nobody else (`Connection.fail`).
 */
import { isThenable } from '../shared/arguments.js';
import { runInAsyncScope } from '../shared/scope.js';
import type { CloseInfo, FragmentInfo } from './events.js';
import type { Owner } from './owner.js';

function watch(connection: Owner, result: unknown, handler: string): void {
  if (isThenable(result)) result.then(undefined, (cause) => connection.fail(cause, handler));
}

/** In a scope that was entered already. */
export function message(connection: Owner, data: string | Buffer): void {
  try {
    const result = connection.behavior.handlers.message!(connection, data);
    if (result !== undefined) watch(connection, result, 'message');
  } catch (cause) {
    connection.fail(cause, 'message');
  }
}

export function callMessage(connection: Owner, data: string | Buffer): void {
  runInAsyncScope.call(connection.host.scope(), message, undefined, connection, data);
}

function fragment(connection: Owner, data: Buffer, info: FragmentInfo): void {
  try {
    const result = connection.behavior.handlers.fragment!(connection, data, info);
    if (result !== undefined) watch(connection, result, 'fragment');
  } catch (cause) {
    connection.fail(cause, 'fragment');
  }
}

export function callFragment(connection: Owner, data: Buffer, info: FragmentInfo): void {
  runInAsyncScope.call(connection.host.scope(), fragment, undefined, connection, data, info);
}

function pong(connection: Owner, data: Buffer): void {
  try {
    const result = connection.behavior.handlers.pong!(connection, data);
    if (result !== undefined) watch(connection, result, 'pong');
  } catch (cause) {
    connection.fail(cause, 'pong');
  }
}

export function callPong(connection: Owner, data: Buffer): void {
  runInAsyncScope.call(connection.host.scope(), pong, undefined, connection, data);
}

function writable(connection: Owner): void {
  try {
    const result = connection.behavior.handlers.writable!(connection);
    if (result !== undefined) watch(connection, result, 'writable');
  } catch (cause) {
    connection.fail(cause, 'writable');
  }
}

export function callWritable(connection: Owner): void {
  runInAsyncScope.call(connection.host.scope(), writable, undefined, connection);
}

function open(connection: Owner): void {
  try {
    const result = connection.behavior.handlers.open!(connection);
    if (isThenable(result)) connection.holdOpen(result, connection.host.openTimeout);
  } catch (cause) {
    connection.fail(cause, 'open');
  }
}

/** Messages wait until what it returns has settled. */
export function callOpen(connection: Owner): void {
  if (connection.behavior.handlers.open === undefined) return;
  runInAsyncScope.call(connection.host.scope(), open, undefined, connection);
}

function close(connection: Owner, info: CloseInfo): void {
  try {
    const result = connection.behavior.handlers.close!(connection, info);
    if (result !== undefined) watch(connection, result, 'close');
  } catch (cause) {
    connection.fail(cause, 'close');
  }
}

export function callClose(connection: Owner, info: CloseInfo): void {
  if (connection.behavior.handlers.close === undefined) return;
  runInAsyncScope.call(connection.host.scope(), close, undefined, connection, info);
}
