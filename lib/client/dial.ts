import { type NetConnectOpts, Socket } from 'node:net';
import { describe } from '../arguments.js';
import { LwsError } from '../errors.js';
import { parseHead, type RequestHead } from '../head.js';
import type { ConnectOptions } from './options.js';

/** The host of a URL without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'wss:' ? 443 : 80) : Number(url.port);
}

/** Connects without reading: what the peer says belongs to the native side. */
function open(options: NetConnectOpts, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = new Socket({ signal });
    socket.pause();
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        signal.aborted
          ? signal.reason
          : new LwsError('ERR_CONNECT', `Connecting failed: ${cause.message}`, { cause }),
      );
    });
    socket.once('connect', () => resolve(socket));
    socket.connect({ ...options, autoSelectFamily: true } as NetConnectOpts);
  });
}

function parseProxy(proxy: string | URL): URL {
  const url = URL.canParse(String(proxy)) ? new URL(proxy) : undefined;
  if (url?.protocol === 'http:') return url;
  throw new LwsError(
    'ERR_INVALID_OPTION',
    `Expected http://[user:password@]host:port for the option "proxy" but got ${describe(String(proxy))}`,
  );
}

function connectRequest(target: URL, proxy: URL): string {
  const authority = `${target.hostname}:${portOf(target)}`;
  let text = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`;
  if (proxy.username !== '' || proxy.password !== '') {
    const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    text += `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`;
  }
  return `${text}\r\n`;
}

const PROXY_HEAD_MAX = 16 * 1024;

/** Reads the proxy's answer byte for byte, so that nothing after it is taken from the tunnel. */
function readAnswer(socket: Socket): Promise<RequestHead> {
  return new Promise((resolve, reject) => {
    let text = '';
    const failed = (why: string) => done(new LwsError('ERR_CONNECT', `The proxy ${why}`));
    const onEnd = () => failed('closed the connection');
    const onReadable = () => {
      for (let byte = socket.read(1); byte !== null; byte = socket.read(1)) {
        text += byte.toString('latin1');
        if (text.endsWith('\r\n\r\n')) return done(undefined);
        if (text.length > PROXY_HEAD_MAX) return failed('sent a head that is too large');
      }
    };
    const onError = (cause: Error) => done(new LwsError('ERR_CONNECT', 'The proxy failed', { cause }));
    const done = (error: LwsError | undefined) => {
      socket.off('readable', onReadable).off('end', onEnd).off('error', onError);
      if (error) reject(error);
      else resolve(parseHead(text));
    };
    socket.on('readable', onReadable).on('end', onEnd).on('error', onError);
  });
}

async function openThroughProxy(target: URL, proxy: URL, signal: AbortSignal): Promise<Socket> {
  const port = proxy.port === '' ? 80 : Number(proxy.port);
  const socket = await open({ host: hostOf(proxy), port }, signal);
  try {
    socket.write(connectRequest(target, proxy));
    const { url: status } = await readAnswer(socket);
    if (!/^2\d\d$/.test(status))
      throw new LwsError('ERR_CONNECT', `The proxy refused with ${status.slice(0, 40)}`);
    if (socket.readableLength > 0)
      throw new LwsError('ERR_CONNECT', 'The proxy sent bytes of its own into the tunnel');
    return socket;
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
}

/**
 * A connected socket that nobody has read from.
 *
 * @throws LwsError ERR_CONNECT with the system's error as cause, or the signal's reason.
 */
export async function dial(url: URL, options: ConnectOptions<never>, signal: AbortSignal): Promise<Socket> {
  if (options.proxy !== undefined) return openThroughProxy(url, parseProxy(options.proxy), signal);
  if (options.socketPath !== undefined) return open({ path: options.socketPath }, signal);
  const { lookup, localAddress } = options;
  const target = { host: hostOf(url), port: portOf(url) };
  return open(
    { ...target, ...(lookup && { lookup }), ...(localAddress !== undefined && { localAddress }) },
    signal,
  );
}

/** The name for SNI and verification. */
export function serverName(url: URL, options: ConnectOptions<never>): string {
  return options.tls?.servername ?? hostOf(url);
}
