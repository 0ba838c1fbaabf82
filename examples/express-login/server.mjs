// One login for Express and its WebSockets, on one port. README.md says what to expect.
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import express from 'express';
import expressSession from 'express-session';
import { createServer } from 'libwebsockets';
import { HttpLogins, httpSessionStore, MemoryStore, SessionManager } from 'libwebsockets/sessions';
import { onMessage, onOpen } from './live.mjs';
import { openStores } from './stores.mjs';

const host = process.env.HOST || '127.0.0.1';
const port = Number(process.env.PORT || 8080);
const secret = process.env.SESSION_SECRET || randomBytes(32).toString('hex');
const hour = 3_600_000;

const stores = process.env.REDIS_URL ? await openStores(process.env.REDIS_URL) : memoryStores();
const httpStore = httpSessionStore({ Store: expressSession.Store, store: stores.http });
const logins = new HttpLogins({ store: httpStore, secret });
const sessions = new SessionManager({ store: stores.live, logins, keepDetached: 300_000, maxPerUser: 20 });
sessions.on('error', (error) => console.error(error.message));

const app = express();
const cookie = { maxAge: hour, httpOnly: true, sameSite: 'strict' };
app.use(expressSession({ store: httpStore, secret, cookie, resave: false, saveUninitialized: false }));
app.use(express.urlencoded({ extended: false, limit: '1kb' }));
app.use(express.static(fileURLToPath(new URL('./public', import.meta.url))));

app.post('/login', (request, response, next) => {
  const user = String(request.body?.user ?? '').trim();
  if (!/^[\p{L}\p{N} ]{1,20}$/u.test(user))
    return response.status(400).send('A name has 1 to 20 letters or digits.');
  // A new id at login: one that somebody may have planted before gives no access.
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.user = user;
    // Stored before the answer begins: a browser follows the redirect at its first byte.
    request.session.save((failed) => (failed ? next(failed) : response.redirect(303, '/')));
  });
});

app.post('/logout', (request, response, next) => {
  // Closes the WebSockets of this login as well, in every tab, before the answer.
  request.session.destroy((error) => (error ? next(error) : response.redirect(303, '/')));
});

const live = createServer(
  sessions.serve({
    async upgrade(request) {
      if (!isOwnPage(request.headers.get('origin'), request.headers.get('host'))) return { status: 403 };
      const login = await logins.read(request);
      if (login?.session.user === undefined) return { status: 401, body: 'log in first\n' };
      const sessionId = request.query.get('session') ?? undefined;
      return { data: { loginId: login.loginId, userId: login.session.user, sessionId } };
    },
    identify: ({ data }) => ({ ...data, attributes: { clicks: 0 } }),
    open: onOpen,
    message: (connection, text, session) => onMessage(sessions, connection, text, session),
    error: (error) => console.error(error.cause ?? error),
    maxPayload: 1024,
  }),
);

const web = app.listen(port, host, (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  const shown = host.includes(':') ? `[${host}]` : host;
  console.log(`Log in at http://${shown}:${web.address().port}/ (Ctrl-C ends it)`);
});
live.attach(web, { path: '/live' });

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);

async function end() {
  web.close();
  await live.close({ timeout: 2000 });
  await sessions.stop();
  httpStore.close();
  stores.close();
  web.closeAllConnections();
}

function memoryStores() {
  return { http: new MemoryStore(), live: new MemoryStore(), close() {} };
}

function isOwnPage(origin, ownHost) {
  if (origin === null) return true; // not a browser
  return URL.canParse(origin) && new URL(origin).host === ownHost;
}
