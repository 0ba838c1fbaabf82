import { createClient } from 'redis';
import { RedisStore } from '../../../lib/redis/index.js';
import {
  MemoryStore,
  SessionManager,
  type SessionManagerOptions,
  type SessionStore,
} from '../../../lib/sessions/index.js';
import { type RedisServer, startRedis } from './redis-server.js';

/** A kind of store that a suite runs with: each node gets one, on the same sessions. */
export interface Backend {
  readonly name: string;
  start(): Promise<void>;
  /** Makes the store of a further node; the sessions of one name are the same for all. */
  store(sessions: string): Promise<SessionStore>;
  stop(): Promise<void>;
}

export function memoryBackend(): Backend {
  const stores = new Map<string, MemoryStore>();
  return {
    name: 'MemoryStore',
    start: async () => undefined,
    async store(sessions) {
      const store = stores.get(sessions) ?? new MemoryStore();
      stores.set(sessions, store);
      return store;
    },
    stop: async () => undefined,
  };
}

export function redisBackend(): Backend {
  let server: RedisServer;
  const clients: { destroy(): void }[] = [];
  return {
    name: 'RedisStore',
    async start() {
      server = await startRedis();
    },
    async store(sessions) {
      const client = createClient({ url: server.url });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return new RedisStore({ client, prefix: `${sessions}:` });
    },
    async stop() {
      for (const client of clients) client.destroy();
      await server.stop();
    },
  };
}

/** Starts a further node of the system. */
export type StartNode = (options?: SessionManagerOptions) => Promise<SessionManager>;

let systems = 0;

/** Runs with a system of its own: nodes that share one store which is empty at first. Stops them all at the end. */
export async function inSystem(backend: Backend, run: (start: StartNode) => Promise<void>): Promise<void> {
  const sessions = `system${++systems}`;
  const managers: SessionManager[] = [];
  try {
    await run(async (options = {}) => {
      const manager = new SessionManager({ store: await backend.store(sessions), ...options });
      managers.push(manager);
      await manager.ready;
      return manager;
    });
  } finally {
    await Promise.all(managers.map((manager) => manager.stop()));
  }
}

/** Waits until `check` answers true; fails with what it was about. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  { timeout = 5000, pause = 5 } = {},
): Promise<void> {
  const end = performance.now() + timeout;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

export function sleep(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
