import type { Subscription } from '../sessions/bus.js';
import { Buffer } from '../shared/ambient.js';
import {
  type Argument,
  bufferArguments,
  type Hearing,
  keepSubscribing,
  type OwnConnection,
  onceEvent,
  type RedisLink,
} from './link.js';
import type { Reply } from './reply.js';
import { slotOf } from './slots.js';

/** RESP type bytes of bulk strings ('$'), which are to come as bytes. */
const asBytes = { 36: Buffer } as const;

/** `timeout` off: the store has its own, and node-redis' costs a timer per command. */
export const commandOptions = { typeMapping: asBytes, timeout: undefined };

export type Listener = (message: Buffer) => void;

/** The part of a `redis` client (createClient) that the store uses. */
export interface NodeRedisClient {
  readonly isReady: boolean;
  sendCommand(args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  readonly options?: { readonly socket?: object } | undefined;
  duplicate(overrides?: object): NodeRedisSubscriber;
  once(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

export interface NodeRedisSubscriber {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: 'error' | 'ready', listener: () => void): unknown;
  subscribe(channel: string, listener: Listener, bufferMode: true): Promise<void>;
}

/** The part of a `redis` cluster client (createCluster) that the store uses. */
export interface NodeRedisCluster {
  /** `redis` 5 does not tell. */
  readonly isReady?: boolean;
  readonly isOpen: boolean;
  readonly masters: readonly object[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean,
    args: readonly (string | Buffer)[],
    options?: object,
  ): Promise<unknown>;
  /** By slot. */
  readonly slots: readonly ({ readonly master: { readonly address: string } } | undefined)[];
  nodeClient(node: object): Promise<NodeRedisClient>;
  sSubscribe(channel: string, listener: Listener, bufferMode: true): Promise<void>;
  sUnsubscribe(channel: string, listener: Listener, bufferMode: true): Promise<void>;
  once(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

export function linkNodeRedis(client: NodeRedisClient): RedisLink {
  const sendCommand = (args: readonly Argument[]) =>
    client.sendCommand(bufferArguments(args), commandOptions) as Promise<Reply>;
  return {
    send: (_key, args) => sendCommand(args),
    sendToMasters: (args) => Promise.allSettled([sendCommand(args)]),
    connectOwn: () => ownConnection(client),
    isReady: () => client.isReady,
    onceReady: (listener) => onceEvent(client, 'ready', listener),
    publish: async (channel, message) => Number(await sendCommand(['PUBLISH', channel, message])),
    subscribe: (channel, receive, hear) =>
      subscribeDuplicate(() => client.duplicate(), channel, receive, hear),
  };
}

/** Another connection to the same server. */
export async function ownConnection(client: NodeRedisClient): Promise<OwnConnection> {
  const socket = { ...client.options?.socket, reconnectStrategy: false };
  const own = client.duplicate({ socket, disableOfflineQueue: true });
  own.on('error', () => undefined);
  await own.connect();
  return {
    send: (args) => own.sendCommand(bufferArguments(args), commandOptions) as Promise<Reply>,
    isOpen: () => own.isReady,
    close() {
      if (own.isOpen) own.destroy();
    },
  };
}

/** A connection of its own: one that is subscribed may do nothing else under RESP2. */
export function subscribeDuplicate(
  duplicate: () => NodeRedisSubscriber | Promise<NodeRedisSubscriber>,
  channel: string,
  receive: (message: Uint8Array) => void,
  hear: Hearing,
): Subscription {
  let subscriber: NodeRedisSubscriber | undefined;
  let open = true;
  let isConnected = false;
  const listener: Listener = (message) => open && receive(message);
  return keepSubscribing(
    async () => {
      if (subscriber === undefined) {
        subscriber = await duplicate();
        // An outage shows in every operation of the store; here it only must not be unhandled. It reconnects by itself.
        subscriber.on('error', () => undefined);
      }
      if (!open) return;
      // Resolves once connected; until then the client tries for as long as its own strategy says.
      if (!subscriber.isOpen) await subscriber.connect();
      // Once it is connected, each further time is a return.
      if (!isConnected) subscriber.on('ready', () => open && hear.missed());
      isConnected = true;
      await subscriber.subscribe(channel, listener, true);
    },
    async () => undefined,
    hear,
    () => {
      open = false;
      if (subscriber?.isOpen === true) subscriber.destroy();
    },
  );
}

export function linkNodeRedisCluster(cluster: NodeRedisCluster): RedisLink {
  const masterOf = (key: string) => {
    const master = cluster.slots[slotOf(key)]?.master;
    if (master === undefined) throw new Error('no master of the cluster is known to have the slot');
    return master;
  };
  const sendCommand = (key: string, args: readonly Argument[]) =>
    cluster.sendCommand(key, false, bufferArguments(args), commandOptions) as Promise<Reply>;
  return {
    send: sendCommand,
    sendToMasters: (args) =>
      Promise.allSettled(
        cluster.masters.map(async (master) => {
          const client = await cluster.nodeClient(master);
          return client.sendCommand(bufferArguments(args), commandOptions) as Promise<Reply>;
        }),
      ),
    masterOf: (key) => masterOf(key).address,
    connectOwn: async (key) => ownConnection(await cluster.nodeClient(masterOf(key))),
    isReady: () => cluster.isReady ?? cluster.isOpen,
    onceReady: (listener) => onceEvent(cluster, 'connect', listener),
    publish: async (channel, message) => Number(await sendCommand(channel, ['SPUBLISH', channel, message])),
    subscribe(channel, receive, hear) {
      let open = true;
      const listener: Listener = (message) => open && receive(message);
      return keepSubscribing(
        () => cluster.sSubscribe(channel, listener, true),
        () => cluster.sUnsubscribe(channel, listener, true),
        hear,
        () => {
          open = false;
        },
      );
    },
  };
}
