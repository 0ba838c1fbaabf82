import type { Socket } from 'node:net';
import { descriptorOf } from '../adopt/descriptor.js';
import type { Connection } from '../connection.js';
import { type DeflateSettings, deflateSettings } from '../deflate.js';
import { type Dispatcher, dispatcher } from '../dispatch.js';
import { LwsError } from '../errors.js';
import type { Host } from '../handlers.js';
import { behaviorOf, hostSettings } from '../host.js';
import { nativeOptions, type ServerOptions } from '../options.js';
import { type Scope, scopeOfCaller } from '../scope.js';
import { clientTls } from '../tls.js';
import { Transport } from '../transport.js';
import { dial, serverName } from './dial.js';
import { Handshake, makeRequest, type Outcome, type RequestOptions } from './handshake.js';
import { headersFor } from './headers.js';
import { type ConnectOptions, checkConnectOptions, parseUrl } from './options.js';

type Options = RequestOptions;

/** Gives the socket to the native side; ours is closed, the descriptor lives on there. */
function adopt(hub: Dispatcher, server: number, socket: Socket, host: string | null): [number, number] {
  try {
    const handle = hub.crossing.native.adoptClient(server, descriptorOf(socket), host);
    if (typeof handle !== 'string') return handle;
    throw new LwsError('ERR_CONNECT', `The socket could not be taken over (${handle})`);
  } finally {
    socket.destroy();
  }
}

interface Attempt {
  readonly url: URL;
  readonly options: Options;
  readonly deflate: DeflateSettings | undefined;
  readonly signal: AbortSignal;
  readonly mayRedirect: boolean;
  readonly scope: Scope;
}

/** One try at one URL. */
async function attempt({ url, options, deflate, signal, mayRedirect, scope }: Attempt): Promise<Outcome> {
  const request = makeRequest(url, options, deflate);
  const secure = url.protocol === 'wss:';
  const context = secure ? clientTls(options.tls) : undefined;
  const socket = await dial(url, options, signal);
  const hub = dispatcher();
  const { native } = hub.crossing;
  /* each connection has counters and limits of its own, and they die with it */
  const server = native.createServer(nativeOptions(options as ServerOptions, deflate));
  if (context !== undefined) native.setTls(server, context);
  const release = () => native.releaseServer(server);
  const host: Host = { ...hostSettings(options as ServerOptions, scope), left: () => setImmediate(release) };
  const { remoteAddress = '', remotePort = 0 } = socket;
  let handle: [number, number];
  try {
    handle = adopt(hub, server, socket, secure ? serverName(url, options) : null);
  } catch (error) {
    release();
    throw error;
  }
  const transport = new Transport(...handle, remoteAddress, remotePort);
  return new Promise((resolve) => {
    const abort = () => handshake.stop(signal.reason as LwsError);
    const settle = (outcome: Outcome) => {
      signal.removeEventListener('abort', abort);
      if (!('isOpen' in outcome)) {
        hub.forget(handle[0], handle[1]);
        release();
      }
      resolve(outcome);
    };
    signal.addEventListener('abort', abort, { once: true });
    const behavior = behaviorOf('', options);
    const handshake = new Handshake(
      hub.crossing,
      host,
      transport,
      options,
      behavior,
      deflate,
      request,
      mayRedirect,
      secure,
      settle,
    );
    hub.watch(handle[0], transport, handshake);
  });
}

function redirectTarget(from: URL, location: string): URL {
  const base = from.href.replace(/^ws/, 'http');
  let to: URL;
  try {
    to = parseUrl(URL.canParse(location, base) ? new URL(location, base) : location);
  } catch (cause) {
    throw new LwsError('ERR_HANDSHAKE', 'The server redirects to what is no WebSocket URL', { cause });
  }
  if (from.protocol === 'wss:' && to.protocol === 'ws:')
    throw new LwsError('ERR_HANDSHAKE', 'The server redirects from wss: to ws:, which is not followed');
  return to;
}

/* `Host` names the old origin, and would mislead the new one */
const OF_ORIGIN = new Set(['authorization', 'cookie', 'proxy-authorization', 'host']);

/** RFC 9110 15.4: what was meant for one origin is not told to another. */
function withoutSecrets(options: Options): Options {
  const kept = options.headers.filter(([name]) => !OF_ORIGIN.has(name.toLowerCase()));
  return { ...options, headers: kept };
}

async function follow(
  first: URL,
  given: ConnectOptions<never>,
  signal: AbortSignal,
  scope: Scope,
): Promise<Connection> {
  let url = first;
  let options: Options = { ...given, headers: await headersFor(given.headers, signal) };
  const deflate = deflateSettings(options.perMessageDeflate);
  for (let left = options.followRedirects ?? 0; ; left--) {
    signal.throwIfAborted();
    const outcome = await attempt({ url, options, deflate, signal, mayRedirect: left > 0, scope });
    if (outcome instanceof LwsError) throw outcome;
    if (!('redirect' in outcome)) return outcome;
    const next = redirectTarget(url, outcome.redirect);
    if (next.host !== url.host || next.protocol !== url.protocol) {
      options = withoutSecrets(options);
      next.username = '';
      next.password = '';
    }
    url = next;
  }
}

/**
 * Opens a WebSocket. Resolves when it is open; `options` may hold the handlers of
 * a connection, or it is read by `for await`.
 *
 * @throws LwsError ERR_INVALID_ARGUMENT or ERR_INVALID_OPTION for bad input; ERR_CONNECT when nobody answers
 *   (`cause`: the system's error); ERR_TLS when certificates do not fit; ERR_HANDSHAKE when the server refuses
 *   (`cause`: its `Response`) or answers wrongly; ERR_TIMEOUT after `handshakeTimeout`; ERR_ABORTED by `signal`.
 */
export async function connect<D = undefined>(
  url: string | URL,
  options: ConnectOptions<D> = {},
): Promise<Connection<D>> {
  checkConnectOptions(options);
  const target = parseUrl(url);
  const { signal, handshakeTimeout = 10_000 } = options;
  const scope = scopeOfCaller();
  const stop = new AbortController();
  const aborted = () =>
    stop.abort(new LwsError('ERR_ABORTED', 'The signal was aborted', { cause: signal?.reason }));
  if (signal?.aborted) aborted();
  signal?.addEventListener('abort', aborted, { once: true });
  const timer = setTimeout(() => {
    stop.abort(
      new LwsError('ERR_TIMEOUT', `Connecting took longer than handshakeTimeout (${handshakeTimeout} ms)`),
    );
  }, handshakeTimeout);
  try {
    const opened = await follow(target, options as ConnectOptions<never>, stop.signal, scope);
    return opened as unknown as Connection<D>;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', aborted);
  }
}
