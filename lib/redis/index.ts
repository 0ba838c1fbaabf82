/**
 * Sessions in Redis.
 *
 * @module libwebsockets/redis
 */

export type { CommandClient } from './command-client.js';
export type { RedisClient } from './connect.js';
export { RedisStore, type RedisStoreOptions } from './redis-store.js';
