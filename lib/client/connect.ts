import type { Socket } from 'node:net';
import { Connection } from '../connection/connection.js';
import { type Dispatcher, dispatcher } from '../connection/dispatch.js';
import type { ProtocolOptions } from '../connection/handlers.js';
import { behaviorOf, type HostOptions, hostSettings } from '../connection/host.js';
import type { Host } from '../connection/owner.js';
import { Transport } from '../connection/transport.js';
import { descriptorOf } from '../crossing/descriptor.js';
import { nativeOptions } from '../handshake/core-options.js';
import { type DeflateSettings, deflateSettings } from '../handshake/deflate.js';
import { AbortController, setImmediate } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { defaults } from '../shared/defaults.js';
import { LwsError, type LwsErrorCode } from '../shared/errors.js';
import { Grace } from '../shared/grace.js';
import { type Scope, scopeOfCaller } from '../shared/scope.js';
import { onAbort } from '../shared/signals.js';
import { clientTls } from '../tls/tls.js';
import { dial, serverName } from './dial.js';
import { Handshake, makeRequest, type Outcome } from './handshake.js';
import { headersFor } from './headers.js';
import { type ConnectOptions, type ConnectSettings, checkConnectOptions, parseUrl } from './options.js';
import { redirected, type Step } from './redirect.js';

/** Of the native side: the time runs from the call, and the signal says when it is over. */
const NO_TIMEOUT = 0;

/** Gives the socket to the native side; ours is closed, the descriptor lives on there. */
function adopt(hub: Dispatcher, server: number, socket: Socket, host: string | null): [number, number] {
  try {
    const handle = hub.crossing.native.adoptClient(server, descriptorOf(socket), host);
    if (typeof handle !== 'string') return handle;
    const cause = Object.assign(new Error(`dup ${handle}`), { code: handle });
    throw new LwsError('ERR_CONNECT', `The socket could not be taken over (${handle})`, { cause });
  } finally {
    socket.destroy();
  }
}

interface Attempt extends Step {
  readonly deflate: DeflateSettings | undefined;
  readonly signal: AbortSignal;
  readonly mayRedirect: boolean;
  readonly scope: Scope;
}

/** One try at one URL. */
async function attempt({ url, options, deflate, signal, mayRedirect, scope }: Attempt): Promise<Outcome> {
  const request = makeRequest(url, options, deflate);
  const secure = url.protocol === 'wss:';
  const name = secure ? serverName(url, options) : null;
  const context = secure ? clientTls(options.tls) : undefined;
  const socket = await dial(url, options, signal);
  const hub = dispatcher();
  const { native } = hub.crossing;
  /* each connection has counters and limits of its own, and they die with it */
  const limits = { ...options, handshakeTimeout: NO_TIMEOUT };
  const server = native.createServer(nativeOptions(limits, deflate));
  if (context !== undefined) native.setTls(server, context);
  const release = () => native.releaseServer(server);
  const host: Host = { ...hostSettings(options as HostOptions, scope), left: () => setImmediate(release) };
  const { remoteAddress = '', remotePort = 0 } = socket;
  let handle: [number, number];
  try {
    handle = adopt(hub, server, socket, name);
  } catch (error) {
    release();
    throw error;
  }
  const transport = new Transport(...handle, remoteAddress, remotePort);
  return new Promise((resolve) => {
    const abort = () => handshake.stop(signal.reason as LwsError);
    const settle = (outcome: Outcome) => {
      signal.removeEventListener('abort', abort);
      if (!(outcome instanceof Connection)) {
        hub.forget(handle[0], handle[1]);
        release();
      }
      resolve(outcome);
    };
    signal.addEventListener('abort', abort, { once: true });
    const behavior = behaviorOf('', options as ProtocolOptions);
    const { crossing } = hub;
    const parts = {
      crossing,
      host,
      transport,
      options,
      behavior,
      deflate,
      request,
      mayRedirect,
      secure,
      settle,
    };
    const handshake = new Handshake(parts);
    hub.watch(handle[0], transport, handshake);
  });
}

async function follow(
  url: URL,
  given: ConnectSettings<never>,
  signal: AbortSignal,
  scope: Scope,
): Promise<Connection> {
  const deflate = deflateSettings(given.perMessageDeflate);
  let step: Step = { url, options: { ...given, headers: await headersFor(given.headers, signal) } };
  for (let left = given.followRedirects ?? 0; ; left--) {
    signal.throwIfAborted();
    const outcome = await attempt({ ...step, deflate, signal, mayRedirect: left > 0, scope });
    if (outcome instanceof Connection) return outcome;
    /* whatever else went wrong is no answer */
    if (!('redirect' in outcome)) throw outcome;
    step = redirected(step, outcome.redirect);
  }
}

function failed(code: LwsErrorCode, what: string, cause: unknown): LwsError {
  return new LwsError(code, `${what}: ${wordsOf(cause)}`, { cause });
}

/** Also options whose getters throw, and a URL that cannot be shown. */
function checked(url: string | URL, options: ConnectSettings<never>): URL {
  try {
    checkConnectOptions(options);
    return parseUrl(url);
  } catch (error) {
    throw error instanceof LwsError
      ? error
      : failed('ERR_INVALID_ARGUMENT', 'The arguments cannot be read', error);
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
  options: ConnectOptions<D> = {} as ConnectOptions<D>,
): Promise<Connection<D>> {
  const target = checked(url, options as ConnectSettings<never>);
  const { signal, handshakeTimeout = defaults.handshakeTimeout } = options;
  const scope = scopeOfCaller();
  const stop = new AbortController();
  const aborted = () =>
    stop.abort(new LwsError('ERR_ABORTED', 'The signal was aborted', { cause: signal?.reason }));
  const forget = onAbort(signal, aborted);
  const late = () =>
    stop.abort(
      new LwsError('ERR_TIMEOUT', `Connecting took longer than handshakeTimeout (${handshakeTimeout} ms)`),
    );
  const grace = new Grace(handshakeTimeout, late);
  try {
    const opened = await follow(target, options as ConnectSettings<never>, stop.signal, scope);
    return opened as unknown as Connection<D>;
  } catch (error) {
    throw error instanceof LwsError ? error : failed('ERR_CONNECT', 'Connecting failed', error);
  } finally {
    grace.cancel();
    forget();
  }
}
