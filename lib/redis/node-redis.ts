import type { Subscription } from '../sessions/bus.js';
import { type Argument, bufferArguments, keepSubscribing, onceEvent, type RedisLink } from './link.js';
import type { Reply } from './reply.js';

/** RESP type bytes of bulk strings ('$'), which are to come as bytes. */
const asBytes = { 36: Buffer } as const;

/** `timeout` off: the store has its own, and node-redis' costs a timer per command. */
const commandOptions = { typeMapping: asBytes, timeout: undefined };

type Listener = (message: Buffer) => void;

/** The part of a `redis` client (createClient) that the store uses. */
export interface NodeRedisClient {
  readonly isReady: boolean;
  sendCommand(args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  duplicate(): NodeRedisSubscriber;
  once(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

interface NodeRedisSubscriber {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: 'error' | 'ready', listener: () => void): unknown;
  subscribe(channel: string, listener: Listener, bufferMode: true): Promise<void>;
}

/** The part of a `redis` cluster client (createCluster) that the store uses. */
export interface NodeRedisCluster {
  readonly isReady: boolean;
  readonly masters: readonly object[];
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean,
    args: readonly (string | Buffer)[],
    options?: object,
  ): Promise<unknown>;
  nodeClient(node: object): Promise<Pick<NodeRedisClient, 'sendCommand'>>;
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
    isReady: () => client.isReady,
    onceReady: (listener) => onceEvent(client, 'ready', listener),
    publish: async (channel, message) => Number(await sendCommand(['PUBLISH', channel, message])),
    subscribe: (channel, receive, missed) => subscribeDuplicate(client, channel, receive, missed),
  };
}

/** A connection of its own: one that is subscribed may do nothing else under RESP2. */
function subscribeDuplicate(
  client: NodeRedisClient,
  channel: string,
  receive: (message: Uint8Array) => void,
  missed: () => void,
): Subscription {
  const subscriber = client.duplicate();
  let open = true;
  // An outage shows in every operation of the store; here it only must not be unhandled. It reconnects by itself.
  subscriber.on('error', () => undefined);
  const connecting = subscriber.connect();
  // Once it is connected, each further time is a return.
  void connecting.then(() => subscriber.on('ready', () => open && missed())).catch(() => undefined);
  // Resolves once connected; until then the client tries for ever.
  const ready = connecting.then(() =>
    subscriber.subscribe(channel, (message) => open && receive(message), true),
  );
  return {
    ready: new Promise((resolve) => void ready.then(resolve, () => undefined)),
    async close() {
      open = false;
      if (subscriber.isOpen) subscriber.destroy();
    },
  };
}

export function linkNodeRedisCluster(cluster: NodeRedisCluster): RedisLink {
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
    isReady: () => cluster.isReady,
    onceReady: (listener) => onceEvent(cluster, 'connect', listener),
    publish: async (channel, message) => Number(await sendCommand(channel, ['SPUBLISH', channel, message])),
    subscribe(channel, receive) {
      let open = true;
      const listener: Listener = (message) => open && receive(message);
      const subscription = keepSubscribing(
        () => cluster.sSubscribe(channel, listener, true),
        () => cluster.sUnsubscribe(channel, listener, true),
      );
      return {
        ready: subscription.ready,
        close() {
          open = false;
          return subscription.close();
        },
      };
    },
  };
}
