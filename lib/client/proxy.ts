import type { Socket } from 'node:net';
import { Buffer, clearTimeout, setTimeout, URL } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { kindOf, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { basicCredentials } from './credentials.js';
import { ended } from './network-error.js';
import { BODY_TIME, Refusal } from './refusal.js';
import { isInterim, parseResponseHead, type ResponseHead } from './response-head.js';

/** @throws LwsError ERR_INVALID_OPTION for what is no URL of a proxy that is spoken to in the clear. */
export function parseProxy(proxy: string | URL): URL {
  const url = URL.canParse(String(proxy)) ? new URL(proxy) : undefined;
  const bare = url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '';
  if (url?.protocol === 'http:' && bare) {
    basicCredentials(url, 'ERR_INVALID_OPTION', 'of the option "proxy"');
    return url;
  }
  const shown =
    url === undefined ? kindOf(proxy) : `one with ${url.protocol === 'http:' ? 'a path' : url.protocol}`;
  throw wrong('proxy', 'http://[user:password@]host:port', proxy, shown);
}

function connectRequest(authority: string, proxy: URL): string {
  const credentials = basicCredentials(proxy, 'ERR_INVALID_OPTION', 'of the option "proxy"');
  const line = credentials === undefined ? '' : `Proxy-Authorization: ${credentials}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${line}\r\n`;
}

/** How much of a proxy's answer is taken. */
export interface ProxyLimits {
  readonly maxHeaderSize: number;
  readonly maxResponseBody: number;
}

/** Takes an answer apart as it comes, in linear time. */
class ProxyAnswer {
  readonly #limits: ProxyLimits;
  #head = Buffer.alloc(1024);
  #size = 0;
  refusal: Refusal | undefined;

  constructor(limits: ProxyLimits) {
    this.#limits = limits;
  }

  /** Whether the tunnel is there; undefined while more is to be read, as the body of a refusal. */
  read(bytes: Buffer): true | undefined {
    if (this.refusal !== undefined) {
      this.refusal.add(bytes);
      return undefined;
    }
    const before = this.#size;
    this.#keep(bytes);
    const head = this.#head.subarray(0, this.#size);
    const begin = head.toString('latin1', 0, 7);
    if (!'HTTP/1.'.startsWith(begin)) parseResponseHead(begin, 'proxy');
    const end = head.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if ((end < 0 ? this.#size : end + 4) > this.#limits.maxHeaderSize)
      throw new LwsError('ERR_CONNECT', 'The proxy sent a head that is too large: above maxHeaderSize');
    if (end < 0) return undefined;
    const rest = Buffer.from(head.subarray(end + 4));
    this.#size = 0;
    return this.#take(parseResponseHead(head.toString('latin1', 0, end + 4), 'proxy'), rest);
  }

  #keep(bytes: Buffer): void {
    const size = this.#size + bytes.length;
    if (size > this.#head.length) this.#head = Buffer.concat([this.#head], 2 * size);
    bytes.copy(this.#head, this.#size);
    this.#size = size;
  }

  #take(head: ResponseHead, rest: Buffer): true | undefined {
    if (isInterim(head)) return rest.length > 0 ? this.read(rest) : undefined;
    if (head.status >= 200 && head.status < 300) {
      /* RFC 9110 9.3.6: it has no body, whatever its fields say, and the server does not speak first */
      if (rest.length === 0) return true;
      throw new LwsError('ERR_CONNECT', 'The proxy sent bytes of its own into the tunnel');
    }
    if (head.status < 200) throw new LwsError('ERR_CONNECT', 'The proxy answered CONNECT with 101');
    this.refusal = new Refusal(head, this.#limits.maxResponseBody, 'proxy');
    this.refusal.add(rest);
    return undefined;
  }
}

function readAnswer(socket: Socket, limits: ProxyLimits, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const answer = new ProxyAnswer(limits);
    let timer: NodeJS.Timeout | undefined;
    const done = (error?: unknown) => {
      clearTimeout(timer);
      socket.off('readable', onReadable).off('end', onEnd).off('error', onError);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const failed = (why: string, cause: Error) =>
      done(answer.refusal?.toError() ?? new LwsError('ERR_CONNECT', why, { cause }));
    const onEnd = () => failed('The proxy ended the connection before it answered', ended());
    const onError = (cause: Error) => failed(`The connection to the proxy failed: ${cause.message}`, cause);
    /* out of time, a status that was read is told */
    const onAbort = () => {
      const { code } = signal.reason as LwsError;
      done(code === 'ERR_TIMEOUT' ? (answer.refusal?.toError() ?? signal.reason) : signal.reason);
    };
    const onReadable = () => {
      try {
        for (let bytes = socket.read(); bytes !== null; bytes = socket.read())
          if (answer.read(bytes as Buffer)) return done();
        const { refusal } = answer;
        if (refusal?.complete) done(refusal.toError());
        else if (refusal !== undefined) timer ??= setTimeout(() => done(refusal.toError()), BODY_TIME);
      } catch (error) {
        done(error);
      }
    };
    socket.on('readable', onReadable).on('end', onEnd).on('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    onReadable();
  });
}

/**
 * Asks for a tunnel on a socket to the proxy, which nobody has read from.
 *
 * @throws LwsError ERR_CONNECT when there is none: `cause` is the proxy's `Response` where it refused.
 */
export async function openTunnel(
  socket: Socket,
  authority: string,
  proxy: URL,
  limits: ProxyLimits,
  signal: AbortSignal,
): Promise<void> {
  try {
    socket.write(connectRequest(authority, proxy));
    await readAnswer(socket, limits, signal);
  } catch (error) {
    socket.destroy();
    if (error instanceof LwsError) throw error;
    throw new LwsError('ERR_CONNECT', `The proxy failed: ${wordsOf(error)}`, { cause: error });
  }
}
