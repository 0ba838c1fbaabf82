import type { RedisClient } from '../redis/index.js';
import { URL } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { UsageError } from './usage.js';

/** A client that a command connected, and has to close. */
export interface Connected {
  readonly client: RedisClient;
  disconnect(): void;
}

/** Connects once: a command that is typed has to fail at once, not to try for ever. */
export async function connect(url: string): Promise<Connected> {
  const redis = await import('redis').catch(() => {
    throw new UsageError("the package 'redis' is needed: npm install redis");
  });
  const socket = { reconnectStrategy: false, connectTimeout: 5000 } as const;
  const ignore = () => undefined;
  try {
    const client = redis.createClient({ url, socket });
    client.on('error', ignore);
    await client.connect();
    if (!String(await client.info('server')).includes('redis_mode:cluster')) {
      return { client, disconnect: () => client.destroy() };
    }
    client.destroy();
    const { username, password, protocol } = new URL(url);
    const login = {
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
    };
    const tls = protocol === 'rediss:' && { socket: { tls: true as const } };
    const cluster = redis.createCluster({ rootNodes: [{ url }], defaults: { ...login, ...tls } });
    cluster.on('error', ignore);
    await cluster.connect();
    return { client: cluster, disconnect: () => cluster.destroy() };
  } catch (error) {
    throw new UsageError(`no connection to Redis: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return wordsOf(error);
}
