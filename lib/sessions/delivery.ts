import { Buffer } from '../shared/ambient.js';
import { closePayload, toBytes } from '../shared/arguments.js';
import { describe, kindOf, unexpected } from '../shared/checks.js';
import { checkMembers, checkName } from './check.js';
import { type Core, storesOf } from './core.js';
import { connectionOfKey } from './ids.js';
import type { Attachment } from './session.js';
import type { MessageData, SendResult } from './socket.js';
import type { SessionRecord } from './store.js';

/** Whom to reach. A connection by its own id, if it is one of this node, or by the id in a session's presence. */
export type Target =
  | {
      /** The session whose connection is meant. */
      readonly session: string;
    }
  | {
      /** The connection itself; it needs no session yet if it is of this node. */
      readonly connection: string;
    }
  | {
      /** The user whose sessions are all meant. */
      readonly user: string;
    }
  | {
      /** The login whose sessions are all meant. */
      readonly login: string;
    };

/**
 * What became of a message or close for one session:
 * `sent`, `buffered`, `dropped`, `closed` as `Connection.send` says, for connections of this node, and `closing`;
 * `forwarded`: handed to the node that has the connection, at most once; `gone`: that node does not listen;
 * `detached`: the session has no connection; `failed`: the connection threw, or the message is longer than the 1 MiB
 * that go to another node; an `error` event says why.
 */
export type DeliveryResult = SendResult | 'closing' | 'forwarded' | 'gone' | 'detached' | 'failed';

/** One per session that was meant; an empty list: there is none. */
export interface Delivery {
  /** `undefined` for a connection that has no session yet. */
  readonly sessionId: string | undefined;
  /** The connection's own id. */
  readonly connection: string | undefined;
  /** The node that has the connection; `undefined` for `detached`. */
  readonly nodeId: string | undefined;
  /** What became of it there, as {@link DeliveryResult} explains. */
  readonly result: DeliveryResult;
}

/** Who of a user's sessions is connected where. */
export interface Presence {
  /** At least one has a connection. */
  readonly online: boolean;
  /** All live sessions of the user, also those without a connection. */
  readonly sessions: readonly {
    /** Secret: who presents it may continue the session. */
    readonly sessionId: string;
    /** `active` with a connection, on whichever node; `detached` without. */
    readonly status: 'active' | 'detached';
    /** The node that has the connection. */
    readonly nodeId: string | undefined;
    /** Reaches the connection from any node. */
    readonly connection: string | undefined;
    /** Last activity, epoch milliseconds of the store's clock; up to about a quarter of `ttl` behind. */
    readonly lastActive: number;
  }[];
}

/** What to do with a connection here, and what to ask of the node that has it. */
interface Act {
  here(attachment: Attachment): DeliveryResult;
  there(record: SessionRecord & { owner: object }): Promise<boolean>;
}

export async function sendTo(core: Core, target: Target, data: MessageData): Promise<Delivery[]> {
  if (typeof data !== 'string') toBytes(data);
  return act(core, target, {
    here: ({ connection }) => connection.send(data),
    there: ({ owner, id }) => core.control.send(owner, id, data),
  });
}

export async function closeAt(core: Core, target: Target, code: number, reason: string): Promise<Delivery[]> {
  closePayload(code, reason);
  return act(core, target, {
    here: ({ connection }) => {
      connection.close(code, reason);
      return 'closing';
    },
    there: ({ owner, id }) => core.control.close('close', owner, id, { code, reason }),
  });
}

/** To every connection of this node that has a session; the text is encoded once. */
export function broadcast(core: Core, data: MessageData, except: ReadonlySet<string>): Delivery[] {
  const isText = typeof data === 'string';
  const bytes = isText ? Buffer.from(data) : toBytes(data);
  const deliveries: Delivery[] = [];
  for (const attachment of core.registry.all()) {
    const { session, connection } = attachment;
    if (session === undefined || except.has(connection.id)) continue;
    deliveries.push(deliver(core, attachment, () => connection.send(bytes, { binary: !isText })));
  }
  return deliveries;
}

/** Whom a broadcast leaves out. */
export function exceptionsOf(options: { except?: Iterable<string> }): ReadonlySet<string> {
  checkMembers('the options of broadcast', options, ['except']);
  const { except = [] } = options;
  const isIterable = typeof except === 'object' && except !== null && Symbol.iterator in except;
  const ids = isIterable ? [...except] : [undefined];
  if (ids.every((id) => typeof id === 'string')) return new Set(ids);
  throw unexpected('ids of connections, as in a list,', 'except', describe(except));
}

export async function presenceOf(core: Core, userId: string): Promise<Presence> {
  const records = (await Promise.all(storesOf(core).map((store) => store.byUser(userId)))).flat();
  return {
    online: records.some(({ status }) => status === 'active'),
    sessions: records.map(({ id, status, owner, lastActive }) => {
      return { sessionId: id, status, nodeId: owner?.nodeId, connection: owner?.connectionId, lastActive };
    }),
  };
}

async function act(core: Core, target: Target, { here, there }: Act): Promise<Delivery[]> {
  checkTarget(target);
  if ('connection' in target) {
    const attachment = core.registry.find(target.connection);
    if (attachment !== undefined) return [deliver(core, attachment, () => here(attachment))];
  }
  const records = await find(core, target);
  return Promise.all(
    records.map(async (record): Promise<Delivery> => {
      const attachment = core.registry.bySession(record.id);
      if (attachment !== undefined) return deliver(core, attachment, () => here(attachment));
      const { owner, id } = record;
      if (owner === undefined)
        return { sessionId: id, connection: undefined, nodeId: undefined, result: 'detached' };
      const place = { sessionId: id, connection: connectionOfKey(owner.connectionId), nodeId: owner.nodeId };
      // The store still names this node, but the connection has gone just now.
      if (owner.nodeId === core.settings.nodeId) return { ...place, result: 'gone' };
      try {
        return { ...place, result: (await there({ ...record, owner })) ? 'forwarded' : 'gone' };
      } catch (error) {
        core.teller.fail(error, 'delivering');
        return { ...place, result: 'failed' };
      }
    }),
  );
}

async function find(core: Core, target: Target): Promise<SessionRecord[]> {
  const lists = storesOf(core).map(async (store): Promise<(SessionRecord | undefined)[]> => {
    if ('session' in target) return [await store.get(target.session)];
    if ('user' in target) return store.byUser(target.user);
    if ('login' in target) return store.byLogin(target.login);
    return [await store.byConnection(target.connection)];
  });
  return (await Promise.all(lists)).flat().filter((record) => record !== undefined);
}

/** One connection that throws is one result, not the end of the others. */
function deliver(core: Core, { connection, session }: Attachment, run: () => DeliveryResult): Delivery {
  const place = { sessionId: session?.id, connection: connection.id, nodeId: core.settings.nodeId };
  try {
    return { ...place, result: run() };
  } catch (error) {
    core.teller.fail(error, 'delivering');
    return { ...place, result: 'failed' };
  }
}

function checkTarget(target: Target): void {
  const names = ['session', 'connection', 'user', 'login'];
  const entries = typeof target === 'object' && target !== null ? Object.entries(target) : [];
  const [[name, value] = []] = entries;
  if (entries.length === 1 && names.includes(name ?? '') && typeof value === 'string') {
    if (name === 'user' || name === 'login') checkName(`the ${name} of a target`, value);
    return;
  }
  const came = entries.length === 1 ? `{ ${name}: ${kindOf(value)} }` : kindOf(target);
  throw unexpected('{ session }, { connection }, { user } or { login } with an id', 'a target', came);
}
