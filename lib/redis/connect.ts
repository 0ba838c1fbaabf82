import { wrong } from '../shared/checks.js';
import { type CommandClient, linkCommandClient } from './command-client.js';

import { type IoredisClient, type IoredisCluster, linkIoredis, linkIoredisCluster } from './ioredis.js';
import type { RedisLink } from './link.js';
import {
  linkNodeRedis,
  linkNodeRedisCluster,
  type NodeRedisClient,
  type NodeRedisCluster,
} from './node-redis.js';
import {
  linkNodeRedisPool,
  linkNodeRedisSentinel,
  type NodeRedisPool,
  type NodeRedisSentinel,
} from './node-redis-pools.js';

/**
 * A client of `redis` 5 or 6 (`createClient`, `createCluster`, `createSentinel`, `createClientPool`), of `ioredis` 5 or 6
 * (`Redis`, `Cluster`), or
 * {@link CommandClient | anything that sends commands}, connected by its owner. The store uses it and never closes it.
 */
export type RedisClient =
  | NodeRedisClient
  | NodeRedisCluster
  | NodeRedisSentinel
  | NodeRedisPool
  | IoredisClient
  | IoredisCluster
  | CommandClient;

const anyClient =
  "a client, cluster, sentinel or pool of 'redis' 5 or 6, a client or cluster of 'ioredis', or a { sendCommand },";

/** Finds out by its methods which client it is. Throws `ERR_INVALID_OPTION` for anything else. */
export function linkTo(client: unknown): RedisLink {
  if (has(client, 'callBuffer', 'status')) {
    if (!('isCluster' in client && client.isCluster === true))
      return linkIoredis(client as unknown as IoredisClient);
    requireShardedSubscribers(client);
    return linkIoredisCluster(client as unknown as IoredisCluster);
  }
  if (isOldNodeRedis(client)) {
    throw wrong('client', anyClient, client, "one of 'redis' 3 or 4");
  }
  if (has(client, 'sendCommand', 'masters', 'sSubscribe')) {
    return linkNodeRedisCluster(client as unknown as NodeRedisCluster);
  }
  if (has(client, 'sendCommand', 'getSentinelNode', 'subscribe', 'withTypeMapping')) {
    return linkNodeRedisSentinel(client as unknown as NodeRedisSentinel);
  }
  if (has(client, 'sendCommand', 'duplicate', 'subscribe')) {
    return linkNodeRedis(client as unknown as NodeRedisClient);
  }
  if (has(client, 'sendCommand', 'execute', 'totalClients', 'withTypeMapping')) {
    return linkNodeRedisPool(client as unknown as NodeRedisPool);
  }
  // Every client of `redis` can map types, and other arguments than ours to `sendCommand`.
  if (has(client, 'sendCommand') && !('withTypeMapping' in client) && isFunction(client.sendCommand)) {
    return linkCommandClient(client as unknown as CommandClient);
  }
  throw wrong('client', anyClient, client);
}

function has<K extends string>(value: unknown, ...names: K[]): value is Record<K, unknown> {
  return typeof value === 'object' && value !== null && names.every((name) => name in value);
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

/** Since 5 its clients say how replies are to come; 3 has `send_command` beside. */
function isOldNodeRedis(client: unknown): boolean {
  if (has(client, 'send_command') && !has(client, 'callBuffer')) return true;
  return has(client, 'sendCommand', 'duplicate') && !has(client, 'withTypeMapping');
}

/** Without, ioredis sends SSUBSCRIBE to whichever node, and messages between nodes would be lost. */
function requireShardedSubscribers(client: object): void {
  const options: unknown = 'options' in client ? client.options : undefined;
  if (has(options, 'shardedSubscribers') && options.shardedSubscribers === true) return;
  throw wrong('client', "a Cluster of 'ioredis' made with shardedSubscribers: true", client, 'one without');
}
