import type { Subscription } from '../sessions/bus.js';
import { type Argument, bufferArguments, type Hearing, keepSubscribing, type RedisLink } from './link.js';
import {
  commandOptions,
  type Listener,
  type NodeRedisClient,
  ownConnection,
  subscribeDuplicate,
} from './node-redis.js';
import type { Reply } from './reply.js';

/** The part of a pool of `redis` (createClientPool) that the store uses. */
export interface NodeRedisPool {
  readonly isOpen: boolean;
  sendCommand(args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  execute<T>(run: (client: NodeRedisClient) => T): Promise<Awaited<T>>;
}

/** The part of a Sentinel client of `redis` (createSentinel) that the store uses. */
export interface NodeRedisSentinel {
  readonly isOpen: boolean;
  getSentinelNode(): unknown;
  /** The only way to its client of the master. */
  _execute<T>(isReadonly: boolean, run: (client: NodeRedisClient) => Promise<T>): Promise<T>;
  sendCommand(isReadonly: boolean, args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  subscribe(channel: string, listener: Listener, bufferMode: true): Promise<unknown>;
  unsubscribe(channel: string, listener: Listener, bufferMode: true): Promise<unknown>;
  on(event: 'topology-change', listener: (change: { type?: unknown }) => void): unknown;
  removeListener(event: 'topology-change', listener: (change: { type?: unknown }) => void): unknown;
}

/** Both tell nothing of whether a command could be sent now: what comes late is taken back. */
const alwaysReady: Pick<RedisLink, 'isReady' | 'onceReady'> = {
  isReady: () => true,
  onceReady: () => () => undefined,
};

export function linkNodeRedisPool(pool: NodeRedisPool): RedisLink {
  const sendCommand = (args: readonly Argument[]) =>
    pool.sendCommand(bufferArguments(args), commandOptions) as Promise<Reply>;
  return {
    ...alwaysReady,
    send: (_key, args) => sendCommand(args),
    sendToMasters: (args) => Promise.allSettled([sendCommand(args)]),
    connectOwn: () => pool.execute((client) => ownConnection(client)),
    publish: async (channel, message) => Number(await sendCommand(['PUBLISH', channel, message])),
    // None of the pool's own: one that is subscribed may do nothing else.
    subscribe: (channel, receive, hear) =>
      subscribeDuplicate(() => pool.execute((client) => client.duplicate()), channel, receive, hear),
  };
}

export function linkNodeRedisSentinel(sentinel: NodeRedisSentinel): RedisLink {
  const sendCommand = (args: readonly Argument[]) =>
    sentinel.sendCommand(false, bufferArguments(args), commandOptions) as Promise<Reply>;
  return {
    ...alwaysReady,
    send: (_key, args) => sendCommand(args),
    sendToMasters: (args) => Promise.allSettled([sendCommand(args)]),
    connectOwn: () => sentinel._execute(false, (client) => ownConnection(client)),
    publish: async (channel, message) => Number(await sendCommand(['PUBLISH', channel, message])),
    subscribe: (channel, receive, hear) => subscribeSentinel(sentinel, channel, receive, hear),
  };
}

/** It has a connection of its own for that, which follows the master. */
function subscribeSentinel(
  sentinel: NodeRedisSentinel,
  channel: string,
  receive: (message: Uint8Array) => void,
  hear: Hearing,
): Subscription {
  let open = true;
  const listener: Listener = (message) => open && receive(message);
  const follow = ({ type }: { type?: unknown }) => {
    if (open && type === 'MASTER_CHANGE') hear.missed();
  };
  sentinel.on('topology-change', follow);
  return keepSubscribing(
    () => sentinel.subscribe(channel, listener, true),
    () => sentinel.unsubscribe(channel, listener, true),
    hear,
    () => {
      open = false;
      sentinel.removeListener('topology-change', follow);
    },
  );
}
