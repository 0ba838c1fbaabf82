import { isIP, type NetConnectOpts, Socket } from 'node:net';
import { wordsOf } from '../shared/arguments.js';
import { LwsError } from '../shared/errors.js';
import { serverNameOf } from '../tls/tls.js';
import { findAddresses } from './addresses.js';
import type { ConnectSettings } from './options.js';
import { openTunnel, parseProxy } from './proxy.js';

/** Options of {@link dial}; headers are not its matter. */
export type DialOptions = Omit<ConnectSettings<never>, 'headers'>;

/** The host of a URL without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'wss:' ? 443 : 80) : Number(url.port);
}

/** Of several addresses, what became of each (Node tells no message then). */
function failure(cause: NodeJS.ErrnoException & { errors?: readonly Error[] }): LwsError {
  const each = cause.message === '' ? cause.errors?.map((error) => error.message).join('; ') : undefined;
  return new LwsError('ERR_CONNECT', `Connecting failed: ${each ?? cause.message}`, { cause });
}

/** Connects without reading: what the peer says belongs to the native side. */
function open(options: NetConnectOpts, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = new Socket({ signal });
    const fail = (cause: NodeJS.ErrnoException) => {
      socket.destroy();
      reject(signal.aborted ? signal.reason : failure(cause));
    };
    socket.pause();
    socket.once('error', fail);
    socket.once('connect', () => resolve(socket));
    try {
      socket.connect(options);
    } catch (cause) {
      fail(cause as NodeJS.ErrnoException);
    }
  });
}

/** To the first of the addresses that answers: beside each other (RFC 8305), or in turn from an address of our own. */
async function openHost(url: URL, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  const { lookup, localAddress } = options;
  const host = hostOf(url);
  const port = portOf(url);
  const family = options.family ?? (localAddress === undefined ? 0 : isIP(localAddress));
  const found = await findAddresses(host, lookup, family, signal);
  const addresses = found.filter((each) => family === 0 || each.family === family);
  signal.throwIfAborted();
  if (addresses.length === 0)
    throw new LwsError('ERR_CONNECT', `Connecting failed: ${host} has no address of IPv${family}`);
  if (localAddress === undefined && addresses.length > 1)
    return open(
      {
        host: 'addresses.invalid' /* a name, so that they are asked for */,
        port,
        autoSelectFamily: true,
        lookup: (_host, _options, done) => done(null, addresses),
      } as NetConnectOpts,
      signal,
    );
  let last: unknown;
  for (const { address } of addresses) {
    try {
      return await open({ host: address, port, ...(localAddress !== undefined && { localAddress }) }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      last = error;
    }
  }
  throw last;
}

async function openThroughProxy(target: URL, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  const proxy = parseProxy(options.proxy!);
  const { maxHeaderSize = 16 * 1024, maxResponseBody = 64 * 1024 } = options;
  const socket = await openHost(proxy, options, signal);
  const authority = `${target.hostname}:${portOf(target)}`;
  await openTunnel(socket, authority, proxy, { maxHeaderSize, maxResponseBody }, signal);
  return socket;
}

/**
 * A connected socket that nobody has read from.
 *
 * @throws LwsError ERR_CONNECT with the system's error as cause, or the signal's reason.
 */
export async function dial(url: URL, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  try {
    if (options.proxy !== undefined) return await openThroughProxy(url, options, signal);
    if (options.socketPath !== undefined) return await open({ path: options.socketPath }, signal);
    return await openHost(url, options, signal);
  } catch (error) {
    if (error instanceof LwsError) throw error;
    throw new LwsError('ERR_CONNECT', `Connecting failed: ${wordsOf(error)}`, { cause: error });
  }
}

/**
 * The name for SNI and verification.
 *
 * @throws LwsError ERR_INVALID_ARGUMENT for a host that no certificate can be for.
 */
export function serverName(url: URL, options: DialOptions): string {
  const name = serverNameOf(options.tls?.servername ?? hostOf(url));
  if (name !== undefined) return name;
  throw new LwsError(
    'ERR_INVALID_ARGUMENT',
    `Expected a host name or an IP address for TLS but got ${url.hostname}`,
  );
}
