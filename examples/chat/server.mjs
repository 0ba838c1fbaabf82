// The chat: static files, two subprotocols, sessions and a graceful end. README.md says what to expect.
import { fileURLToPath } from 'node:url';
import { createServer } from 'libwebsockets';
import { chatProtocol, newUser } from './chat.mjs';
import { maxPayload } from './protocol.mjs';
import { identify, openSessions } from './sessions.mjs';
import { statsProtocol } from './stats.mjs';

const host = process.env.HOST || '127.0.0.1';
const port = readPort(process.env.PORT);
const ttl = readMinutes(process.env.SESSION_MINUTES) * 60_000;
const sessions = await openSessions({ ttl, redisUrl: process.env.REDIS_URL });
const stats = statsProtocol(() => server.stats());

const { protocols, ...options } = sessions.serve({
  host,
  port,
  files: { '/': fileURLToPath(new URL('./public', import.meta.url)) },
  upgrade(request) {
    // WebSockets know no same-origin policy: without this, any page in the visitor's browser could connect.
    if (!isOwnPage(request.headers.get('origin'), request.headers.get('host')))
      return { status: 403, body: 'Only pages of this server may connect.\n' };
    return { data: newUser() };
  },
  identify,
  protocols: { chat: chatProtocol() },
  error(error) {
    console.error(error.cause ?? error);
  },
  maxPayload,
  maxBackpressure: 1024 * 1024,
  maxConnections: 1000,
});
// Who only watches the figures needs no session.
const server = createServer({ ...options, protocols: { ...protocols, stats: stats.protocol } });

try {
  const address = await server.listen();
  const shown = host.includes(':') ? `[${host}]` : host;
  console.log(`The chat is at http://${shown}:${address.port}/ (Ctrl-C ends it)`);
} catch (error) {
  fail(error.cause?.code === 'EADDRINUSE' ? `${error.message}; PORT=0 takes any free port` : error.message);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);

async function end() {
  // Whoever asks twice does not want to wait.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  stats.stop();
  const { closed } = await server.close({ timeout: 2000 });
  await sessions.close();
  console.log(`The chat has ended; connections closed: ${closed}`);
}

function isOwnPage(origin, ownHost) {
  if (origin === null) return true; // not a browser
  try {
    return new URL(origin).host === new URL(`http://${ownHost}`).host;
  } catch {
    return false;
  }
}

function readPort(text = '8080') {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text);
  return fail(`Expected a port from 0 to 65535 in PORT but got "${text}"`);
}

function readMinutes(text = '60') {
  const minutes = Number(text);
  if (minutes >= 0.005 && minutes <= 1_000_000) return minutes;
  return fail(`Expected from 0.005 to 1000000 minutes in SESSION_MINUTES but got "${text}"`);
}

/** @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}
