// A server that shows live what it does. README.md says what to expect.
import { fileURLToPath } from 'node:url';
import { createServer, protocol } from 'libwebsockets';
import { SessionManager } from 'libwebsockets/sessions';
import { createLatency } from './latency.mjs';
import { createSampler } from './sampler.mjs';

const sessions = new SessionManager({ ttl: 60_000, keepDetached: 10_000 });
const latency = createLatency();
const sampler = createSampler(() => ({
  ...server.stats(),
  sessions: sessions.stats().attached,
  latency: latency.take(),
}));

/** What is watched: an echo, with a session for each client. Put your own handlers here. */
const watched = sessions.serve({
  identify: ({ request }) => ({ sessionId: request.query.get('session') ?? undefined }),
  message: (connection, data) => void connection.send(data),
  pong: latency.answered,
});

/** Who watches: pages that are sent a sample each second. */
const dashboard = protocol({
  open: sampler.join,
  close: sampler.leave,
  pong: latency.answered,
  message: (connection) => connection.close(1008, 'nothing is expected here'),
});

const server = createServer({
  ...watched,
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8080),
  files: { '/': fileURLToPath(new URL('./public', import.meta.url)) },
  upgrade({ headers }) {
    if (!isOwnPage(headers.get('origin'), headers.get('host'))) return { status: 403 };
    return { data: { askedAt: 0 } };
  },
  protocols: { dashboard },
  error: (error) => console.error(error.cause ?? error),
  maxPayload: 64 * 1024,
  maxConnections: 10_000,
});

function isOwnPage(origin, host) {
  if (origin === null) return true; // not a browser
  return URL.canParse(origin) && new URL(origin).host === host;
}

const { address, port } = await server.listen();
console.log(`The dashboard is at http://${address}:${port}/ (Ctrl-C ends it)`);

const timer = setInterval(() => {
  sampler.take();
  latency.ask(server.connections);
}, 1000);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    clearInterval(timer);
    await server.close({ timeout: 2000 });
    await sessions.stop();
  });
}
