// Sessions that survive this process, shared with others like it. README.md says what to expect.
import { createServer } from 'libwebsockets';
import { RedisStore } from 'libwebsockets/redis';
import { SessionManager } from 'libwebsockets/sessions';
import { createClient } from 'redis';

const url = process.env.REDIS_URL || 'redis://127.0.0.1:6379';
const client = createClient({ url, socket: { reconnectStrategy: (tries) => Math.min(100 * tries, 2000) } });
client.on('error', (error) => console.error(`Redis: ${error.message}`));
await client.connect();

const store = new RedisStore({ client, prefix: 'example:' });
const sessions = new SessionManager({ store, ttl: 10 * 60_000 });
sessions.on('error', (error) => console.error(error.message));
sessions.on('expire', (session) =>
  console.log(`a session ended after ${session.attributes.notes.length} notes`),
);

const server = createServer(
  sessions.serve({
    host: process.env.HOST || '127.0.0.1',
    port: Number(process.env.PORT || 8080),
    upgrade: (request) => ({ data: request.query.get('session') ?? undefined }),
    identify: ({ data: sessionId }) => ({ sessionId, attributes: { notes: [] } }),
    open(connection, { id, resumed, attributes }) {
      connection.send(JSON.stringify({ session: id, resumed, notes: attributes.notes }));
    },
    async message(connection, note, session) {
      // Compare and set: whatever else happens to the session meanwhile, no note is lost.
      const { notes } = await session.update((attributes) => {
        attributes.notes = [...attributes.notes, String(note)].slice(-20);
      });
      connection.send(JSON.stringify({ notes }));
    },
    error: (error) => console.error(error.cause ?? error),
    maxPayload: 200,
  }),
);

const { address, port } = await server.listen();
console.log(`Sessions are at ws://${address}:${port}/ (Ctrl-C ends it)`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await server.close({ timeout: 2000 });
    await sessions.stop();
    client.destroy();
  });
}
