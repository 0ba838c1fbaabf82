import { getSystemErrorMap } from 'node:util';
import { Connection } from '../connection/connection.js';
import type { Dispatcher, Target } from '../connection/dispatch.js';
import { behaviorOf, hostSettings } from '../connection/host.js';
import type { Topics } from '../connection/topics.js';
import { Gate } from '../handshake/admission.js';
import type { DeflateSettings } from '../handshake/deflate.js';
import { originWarning } from '../handshake/origin-warning.js';
import { normalOrigin } from '../handshake/origins.js';
import { Upgrade, type UpgradeHost } from '../handshake/upgrade.js';
import { type HttpServices, serveRequest } from '../http/exchange.js';
import { checkMounts } from '../http/files.js';
import { trustOf } from '../proxy/trust.js';
import { nextTick } from '../shared/ambient.js';
import { defaults } from '../shared/defaults.js';
import { LwsError } from '../shared/errors.js';
import { within } from '../shared/scope.js';
import type { Life } from './life.js';
import type { Members } from './members.js';
import type { ServerOptions } from './options.js';
import type { Discards } from './unread.js';

function hasHandlers(o: ServerOptions): boolean {
  return [o.open, o.message, o.fragment, o.writable, o.pong, o.close].some(
    (handler) => handler !== undefined,
  );
}

/** What upgrades and connections need of one server. */
export function hostOf(
  o: ServerOptions,
  hub: Dispatcher,
  topics: Topics,
  deflate: DeflateSettings | undefined,
  members: Members,
  life: Life,
  discards: Discards,
): UpgradeHost {
  const settings = hostSettings(o, hub.scope);
  const behaviors = new Map(
    Object.entries(o.protocols ?? {}).map(([name, options]) => [name, behaviorOf(name, options)]),
  );
  return {
    ...settings,
    crossing: hub.crossing,
    topics,
    behaviors,
    fallback: behaviors.size === 0 || hasHandlers(o) ? behaviorOf('', o) : undefined,
    deflate,
    trust: trustOf(o.trustProxy, o.forwardedHeader),
    origins: o.origins === undefined ? undefined : new Set(o.origins.map((origin) => normalOrigin(origin)!)),
    unguarded: o.origins === undefined ? originWarning(o.upgrade !== undefined) : undefined,
    gate: o.admission && new Gate(o.admission, (error) => settings.failed(error)),
    route: o.routeCookie,
    get retryAfter() {
      return life.retryAfter;
    },
    decide: within(settings.scope, o.upgrade, o),
    joined: (connection) => {
      members.add(connection);
      /* accepted before close() or drain() was called, established after it; `open` comes first */
      if (life.retryAfter !== undefined)
        nextTick(() => {
          if (connection.isOpen) life.joinedLate(connection);
        });
    },
    left: (connection) => members.remove(connection as Connection),
    discarded: () => discards.note(),
  };
}

/** What requests need of one server. */
export function servicesOf(o: ServerOptions, hub: Dispatcher, host: UpgradeHost): HttpServices<unknown> {
  return {
    crossing: hub.crossing,
    request: within(host.scope, o.request, o),
    files: o.files === undefined ? undefined : checkMounts(o.files),
    trust: host.trust,
    keepAliveTimeout: o.keepAliveTimeout ?? defaults.keepAliveTimeout,
    error: (error) => host.failed(error),
  };
}

/** What the dispatcher tells one server; `emptied`: its last transport has ended. */
export function targetOf(host: UpgradeHost, services: HttpServices<unknown>, emptied: () => void): Target {
  return {
    upgrade: (transport, head, flags) => new Upgrade(host, transport, head, flags),
    introduced(transport, head) {
      if (host.unguarded?.suspects(head)) host.unguarded.tell();
      const connection = new Connection(
        host.crossing,
        host,
        host.fallback!,
        transport,
        head,
        undefined as unknown,
      );
      host.joined(connection);
      return connection;
    },
    exchange: (slot, generation, flags, head, transport) =>
      serveRequest(services, slot, generation, flags, head, transport),
    listenerPaused(errno) {
      const code = getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
      const text = `Accepting is paused for 100 ms: no descriptor is left (${code})`;
      host.failed(new LwsError('ERR_LIMIT', text));
    },
    emptied,
  };
}
