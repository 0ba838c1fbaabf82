/** What is accepted under `exactOptionalPropertyTypes`: every option may be undefined. Compiled by types.test.ts, never run. */
import {
  type ConnectOptions,
  connect,
  createServer,
  protocol,
  reconnect,
  type ServerOptions,
} from '../../lib/index.js';
import { MemoryStore, SessionManager } from '../../lib/sessions/index.js';

/** An option that was left out is one that is undefined: nothing is refused for it. */
type Undefined<T> = { [K in keyof T]-?: undefined };

declare const nothing: Undefined<ServerOptions>;
declare const nobody: Undefined<ConnectOptions>;
declare const maybe: ((connection: unknown) => void) | undefined;

createServer(nothing);
createServer({ open: maybe, close: maybe, port: undefined, tls: { cert: '', key: '', ca: undefined } });
createServer({ upgrade: () => ({ data: undefined, protocol: undefined, headers: undefined }) });
createServer({ upgrade: () => ({ status: 400, headers: undefined, body: undefined }) });
createServer({ perMessageDeflate: { level: undefined, threshold: undefined } });
createServer({ protocols: { chat: protocol({ open: maybe, memory: undefined, binaryType: undefined }) } });
void connect('', nobody);
void reconnect('', { ...nobody, minDelay: undefined, retry: undefined });
void createServer().close({ timeout: undefined, code: undefined });
void new SessionManager({ store: undefined });
void new MemoryStore({ maxSessions: undefined, maxBytes: undefined });
new SessionManager({ whenUnreadable: undefined, logins: undefined }).serve({
  open: maybe,
  message: undefined,
  identify: undefined,
  protocols: undefined,
});
