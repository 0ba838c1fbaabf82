import { ConnectionFlag } from '../crossing/native.js';
import { nextTick } from '../shared/ambient.js';
import { defaults } from '../shared/defaults.js';
import type { LwsError } from '../shared/errors.js';
import { type Scope, within } from '../shared/scope.js';
import type { Connection } from './connection.js';
import type { Handlers, ProtocolOptions } from './handlers.js';
import type { Behavior, Host, Owner } from './owner.js';

/** What the options of one kind of connection come to. */
export function behaviorOf(protocol: string, options: ProtocolOptions & Handlers): Behavior {
  const { open, message, fragment, writable, pong, close, memory = defaults.memory, binaryType } = options;
  const handlers: Handlers = { open, message, fragment, writable, pong, close };
  const flags =
    (pong === undefined ? 0 : ConnectionFlag.PONGS) |
    (fragment === undefined ? 0 : ConnectionFlag.FRAGMENTS) |
    (binaryType === 'transient' ? ConnectionFlag.TRANSIENT : 0);
  return { handlers, protocol, memory, flags };
}

/** As everywhere in Node: an exception nobody handles ends the process, or meets 'uncaughtException'. */
export function surface(cause: unknown): void {
  nextTick(() => {
    throw cause;
  });
}

/** Options of a server or client that its connections go by. */
export interface HostOptions {
  readonly maxBackpressure?: number;
  readonly onBackpressure?: 'close' | 'drop';
  readonly strictLifetime?: boolean;
  readonly handshakeTimeout?: number;
  readonly closeTimeout?: number;
  error?(error: LwsError, connection: Connection | undefined): void;
}

/** Tells the `error` handler; without one, what a handler threw surfaces. */
function reporter(o: HostOptions, scope: Scope) {
  const tell = within(scope, o.error, o);
  return (error: LwsError, connection?: Owner) => {
    if (tell === undefined) {
      if (error.code === 'ERR_HANDLER' || error.code === 'ERR_TIMEOUT') surface(error.cause ?? error);
      return;
    }
    try {
      tell(error, connection as Connection | undefined);
    } catch (thrown) {
      surface(thrown);
    }
  };
}

/** What connections need of a server's or client's options. */
export function hostSettings(o: HostOptions, scope: Scope): Omit<Host, 'left'> {
  return {
    scope,
    maxBackpressure: o.maxBackpressure ?? defaults.maxBackpressure,
    dropsOverflow: o.onBackpressure === 'drop',
    strictLifetime: o.strictLifetime ?? false,
    openTimeout: o.handshakeTimeout ?? defaults.handshakeTimeout,
    closeTimeout: o.closeTimeout ?? defaults.closeTimeout,
    failed: reporter(o, scope),
  };
}
