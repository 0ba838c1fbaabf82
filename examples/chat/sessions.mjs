// The session of a tab: what a reload brings back. README.md says what to expect.
import { randomUUID } from 'node:crypto';
import { SessionManager } from 'libwebsockets/sessions';

/**
 * What a session keeps.
 *
 * @typedef {{ person: string, name?: string, room?: string }} Kept
 * @typedef {import('libwebsockets/sessions').Session<Kept>} ChatSession
 */

/**
 * @param {object} options
 * @param {number} options.ttl how long a session lives without a word of its tab, milliseconds
 * @param {string} [options.redisUrl] where sessions live; left out: in this process
 */
export async function openSessions({ ttl, redisUrl }) {
  const redis = redisUrl ? await openRedis(redisUrl) : undefined;
  /** @type {SessionManager<Kept>} */
  const sessions = new SessionManager({ ...(redis && { store: redis.store }), ttl, pongsAreActivity: false });
  sessions.on('error', (error) => console.error(error.message));
  return {
    serve: sessions.serve.bind(sessions),
    async close() {
      await sessions.stop();
      redis?.client.destroy();
    },
  };
}

/** Loaded only where it is wanted: the chat runs without the package `redis`. */
async function openRedis(url) {
  const [{ createClient }, { RedisStore }] = await Promise.all([
    import('redis'),
    import('libwebsockets/redis'),
  ]);
  const client = createClient({ url });
  client.on('error', (error) => console.error(`Redis: ${error.message || error.code}`));
  await client.connect();
  return { client, store: new RedisStore({ client, prefix: 'chat:' }) };
}

/**
 * Which session a connection is to get: the one that its tab presents, or a new one. The id is a secret, so it
 * comes as a subprotocol and not in the address, which proxies write into their logs.
 *
 * @param {import('./rooms.mjs').ChatConnection} connection
 */
export function identify({ request }) {
  const offered = request.headers.get('sec-websocket-protocol') ?? '';
  const sessionId = /(?:^|,)\s*session\.([\w.-]+)/.exec(offered)?.[1];
  return { sessionId, attributes: { person: randomUUID() } };
}

/**
 * Nobody waits for it: a store that fails costs a later reload, not the conversation of now. What a tab changes
 * after it lost its session to another one is nobody's any more.
 *
 * @param {ChatSession} session
 * @param {Partial<Kept>} changes
 */
export function keep(session, changes) {
  session
    .update((kept) => ({ ...kept, ...changes }))
    .catch((error) => {
      if (error.code === 'ERR_STORE') console.error(`A session was not kept: ${error.message}`);
    });
}
