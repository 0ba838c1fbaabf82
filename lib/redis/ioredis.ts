import type { Subscription } from '../sessions/bus.js';
import { Buffer } from '../shared/ambient.js';
import {
  type Argument,
  bufferArguments,
  keepSubscribing,
  type OwnConnection,
  onceEvent,
  type RedisLink,
} from './link.js';
import type { Reply } from './reply.js';
import { slotOf } from './slots.js';

type MessageListener = (channel: Uint8Array, message: Uint8Array) => void;

interface IoredisCommon {
  readonly status: string;
  callBuffer(command: string, args: (string | Buffer)[]): Promise<unknown>;
  once(event: string, listener: () => void): unknown;
  on(event: string, listener: MessageListener): unknown;
  removeListener(event: string, listener: MessageListener | (() => void)): unknown;
}

/** The part of an `ioredis` client that the store uses. */
export interface IoredisClient extends IoredisCommon {
  duplicate(overrides?: object): IoredisSubscriber;
}

interface IoredisSubscriber extends IoredisCommon {
  subscribe(channel: string): Promise<unknown>;
  connect(): Promise<unknown>;
  disconnect(): void;
}

/** The part of an `ioredis` cluster client that the store uses. */
export interface IoredisCluster extends IoredisCommon {
  readonly isCluster: true;
  nodes(
    role: 'master',
  ): (IoredisClient & { readonly options: { readonly host?: string; readonly port?: number } })[];
  /** By slot, the master first, as `host:port`. */
  readonly slots: readonly (readonly string[] | undefined)[];
  pipeline(): IoredisPipeline;
  ssubscribe(channel: string): Promise<unknown>;
  sunsubscribe(channel: string): Promise<unknown>;
}

type IoredisPipeline = Record<string, ((...args: (string | Buffer)[]) => unknown) | undefined> & {
  exec(): Promise<[error: Error | null, reply?: unknown][] | null>;
};

type Method = (...args: (string | Buffer)[]) => Promise<unknown>;

/** `wait` is a lazy client: the first command connects it. */
const sendable = new Set(['ready', 'wait']);

function commandSender(client: IoredisCommon): (args: readonly Argument[]) => Promise<Reply> {
  return (args) => {
    const [command, ...rest] = bufferArguments(args);
    // By its own method: with `enableAutoPipelining`, ioredis loses the name of what goes through `callBuffer`.
    const name = `${String(command).toLowerCase()}Buffer`;
    const method = (client as unknown as Record<string, Method | undefined>)[name];
    const reply =
      method === undefined ? client.callBuffer(String(command), rest) : method.apply(client, rest);
    return reply as Promise<Reply>;
  };
}

function commonLink(client: IoredisCommon): Pick<RedisLink, 'send' | 'isReady' | 'onceReady'> {
  const send = commandSender(client);
  return {
    send: (_key, args) => send(args),
    isReady: () => sendable.has(client.status),
    onceReady: (listener) => onceEvent(client, 'ready', listener),
  };
}

export function linkIoredis(client: IoredisClient): RedisLink {
  const link = commonLink(client);
  return {
    ...link,
    sendToMasters: (args) => Promise.allSettled([link.send('', args)]),
    connectOwn: () => ownConnection(client),
    publish: async (channel, message) => Number(await link.send(channel, ['PUBLISH', channel, message])),
    subscribe(channel, receive, hear) {
      // A connection of its own: one that is subscribed may do nothing else. It reconnects by itself.
      const subscriber = client.duplicate();
      subscriber.on('error', () => undefined);
      const stop = listen(subscriber, 'messageBuffer', channel, receive);
      const subscription = keepSubscribing(
        () => subscriber.subscribe(channel),
        async () => subscriber.disconnect(),
        hear,
        () => {
          stop();
          subscriber.disconnect();
        },
      );
      // Once it is subscribed, each further connection is a return.
      void subscription.ready.then(() => subscriber.on('ready', () => hear.missed()));
      return subscription;
    },
  };
}

/** Another connection to the same server, or to whom its Sentinels call the master. */
async function ownConnection(client: IoredisClient): Promise<OwnConnection> {
  const own = client.duplicate({
    lazyConnect: true,
    retryStrategy: () => null,
    reconnectOnError: null,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    readOnly: false,
  });
  own.on('error', () => undefined);
  await own.connect();
  return {
    send: commandSender(own),
    isOpen: () => own.status === 'ready',
    close: () => own.disconnect(),
  };
}

/**
 * Redirections are followed for a single command. With `enableAutoPipelining` several calls of one turn make a
 * pipeline, of which none is where only some are redirected; a pipeline of its own is.
 */
async function sendAlone(cluster: IoredisCluster, args: readonly Argument[]): Promise<Reply> {
  const [command, ...rest] = bufferArguments(args);
  const pipeline = cluster.pipeline();
  pipeline[`${String(command).toLowerCase()}Buffer`]?.(...rest);
  const [outcome] = (await pipeline.exec()) ?? [];
  if (outcome === undefined) throw new Error('the pipeline has no answer');
  if (outcome[0] !== null) throw outcome[0];
  return outcome[1] as Reply;
}

export function linkIoredisCluster(cluster: IoredisCluster): RedisLink {
  const common = commonLink(cluster);
  const link: typeof common = {
    ...common,
    send: (key, args, isRetry) => (isRetry === true ? sendAlone(cluster, args) : common.send(key, args)),
  };
  const masterOf = (key: string) => {
    const [address] = cluster.slots[slotOf(key)] ?? [];
    if (address === undefined) throw new Error('no master of the cluster is known to have the slot');
    return address;
  };
  return {
    ...link,
    masterOf,
    async connectOwn(key) {
      const address = masterOf(key);
      const isIt = ({ options: { host, port } }: { options: { host?: string; port?: number } }) =>
        `${host}:${port}` === address;
      const node = cluster.nodes('master').find(isIt);
      if (node === undefined) throw new Error('the cluster has no connection to the master of the slot');
      return ownConnection(node);
    },
    sendToMasters: (args) =>
      Promise.allSettled(cluster.nodes('master').map((node) => commonLink(node).send('', args))),
    publish: async (channel, message) => Number(await link.send(channel, ['SPUBLISH', channel, message])),
    subscribe(channel, receive, hear): Subscription {
      const stop = listen(cluster, 'smessageBuffer', channel, receive);
      return keepSubscribing(
        () => cluster.ssubscribe(channel),
        () => cluster.sunsubscribe(channel),
        hear,
        stop,
      );
    },
  };
}

/** Hands the messages of one channel on; returns what ends it. */
function listen(
  client: IoredisCommon,
  event: string,
  channel: string,
  receive: (message: Uint8Array) => void,
): () => void {
  const listener: MessageListener = (from, message) => {
    if (Buffer.from(from).toString() === channel) receive(new Uint8Array(message));
  };
  client.on(event, listener);
  return () => client.removeListener(event, listener);
}
