import { wordsOf } from '../arguments.js';
import { type Check, checkTable, integer, type } from '../checks.js';
import type { Connection } from '../connection.js';
import { LwsError } from '../errors.js';
import type { CloseInfo } from '../handlers.js';
import { DAY } from '../options.js';
import { connect } from './connect.js';
import type { ConnectOptions } from './options.js';

/** Options of {@link reconnect} beside those of `connect`. Times are milliseconds. */
export interface ReconnectOptions<D = unknown> extends ConnectOptions<D> {
  /** Longest wait before the first retry; it doubles with each. Default 500. */
  minDelay?: number;
  /** Longest wait before any retry. Default 30 s. */
  maxDelay?: number;
  /**
   * How long a connection must have been open to count as a success, after which delays and retries start anew. One
   * that was lost sooner is a failure like any other, so that a server which dies of its clients is not run over.
   * Default 5 s, 0: every one that opened.
   */
  stableAfter?: number;
  /** Failures in a row after which it gives up. Default: none. */
  maxRetries?: number;
  /** Told before each wait: which retry, how long, and why. */
  retry?(info: { attempt: number; delay: number; cause: CloseInfo | LwsError }): void;
}

/** A connection that comes back. */
export interface Reconnecting<D = unknown> extends AsyncDisposable {
  /** The open connection, undefined between two of them. */
  readonly connection: Connection<D> | undefined;
  /** Resolves when it is over: by `close()`, a final close code, or the last retry. Never rejects. */
  readonly finished: Promise<CloseInfo | LwsError>;
  /** Stops for good; an open connection closes with 1000. */
  close(): void;
}

/**
 * The contract of close codes: 1001, 1006, 1012, 1013 and 4408 say "come back";
 * every other is final (1000, 1008, 4401, 4409, 4429 ...).
 */
const COME_BACK = new Set([1001, 1006, 1012, 1013, 4408]);

/** A refusal that will not change by asking again: 4xx, but for "later" ones. */
function isFinal(error: LwsError): boolean {
  if (error.code !== 'ERR_HANDSHAKE')
    return error.code === 'ERR_INVALID_OPTION' || error.code === 'ERR_INVALID_ARGUMENT';
  const status = error.cause instanceof Response ? error.cause.status : 0;
  return status >= 400 && status < 500 && ![408, 425, 429].includes(status);
}

/** `retry=1500;spread=8000` in a reason: wait so long, plus up to so much at random. */
function hint(info: CloseInfo | LwsError, most: number): number | undefined {
  const match =
    'reason' in info ? /(?:^|;)retry=(\d{1,8})(?:;spread=(\d{1,8}))?(?:;|$)/.exec(info.reason) : null;
  if (match === null) return undefined;
  return Math.min(Number(match[1]) + Math.random() * Number(match[2] ?? 0), most);
}

const checks: Record<string, Check> = {
  minDelay: integer(1, DAY),
  maxDelay: integer(1, DAY),
  stableAfter: integer(0, DAY),
  maxRetries: integer(0, Number.MAX_SAFE_INTEGER),
  retry: type('function'),
};

/**
 * Keeps a connection open: connects, and again when it is lost for a passing
 * reason, waiting a random part of a delay that doubles (full jitter).
 *
 * @param url Or a function that is asked before each try, as for a fresh token; when it fails, so does the try.
 * @throws LwsError ERR_INVALID_OPTION at once for bad options.
 */
export function reconnect<D = undefined>(
  url: string | URL | (() => string | URL | Promise<string | URL>),
  options: ReconnectOptions<D> = {},
): Reconnecting<D> {
  const { minDelay, maxDelay, stableAfter = 5_000, maxRetries, retry, ...rest } = options;
  checkTable({ minDelay, maxDelay, stableAfter, maxRetries, retry }, checks, '');
  const most = maxDelay ?? 30_000;
  const stop = new AbortController();
  const signal = rest.signal ? AbortSignal.any([rest.signal, stop.signal]) : stop.signal;
  let connection: Connection<D> | undefined;
  let closed = false;
  let openedAt = 0;

  /** Where to go this time; nobody waits for it once it is over. */
  function target(): string | URL | Promise<string | URL> {
    if (typeof url !== 'function') return url;
    return new Promise((resolve, reject) => {
      const over = () =>
        reject(new LwsError('ERR_ABORTED', 'The signal was aborted', { cause: signal.reason }));
      if (signal.aborted) over();
      signal.addEventListener('abort', over, { once: true });
      Promise.resolve()
        .then(url)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', over));
    });
  }

  async function once(): Promise<CloseInfo | LwsError> {
    try {
      connection = await connect<D>(await target(), { ...rest, signal } as ConnectOptions<D>);
      openedAt = performance.now();
      if (closed) connection.close();
      return await connection.closed;
    } catch (error) {
      return error instanceof LwsError
        ? error
        : new LwsError('ERR_CONNECT', wordsOf(error), { cause: error });
    } finally {
      connection = undefined;
    }
  }

  function wait(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, delay);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  async function run(): Promise<CloseInfo | LwsError> {
    for (let attempt = 0; ; ) {
      const outcome = await once();
      if (closed || signal.aborted) return outcome;
      if (outcome instanceof LwsError) {
        if (isFinal(outcome)) return outcome;
      } else {
        if (!COME_BACK.has(outcome.code)) return outcome;
        if (performance.now() - openedAt >= stableAfter) attempt = 0;
      }
      if (attempt >= (maxRetries ?? Number.POSITIVE_INFINITY)) return outcome;
      attempt++;
      const longest = Math.min((minDelay ?? 500) * 2 ** Math.min(attempt - 1, 30), most);
      const delay = Math.round(hint(outcome, most) ?? Math.random() * longest);
      retry?.({ attempt, delay, cause: outcome });
      await wait(delay);
      if (closed || signal.aborted) return outcome;
    }
  }

  const finished = run();
  const handle: Reconnecting<D> = {
    get connection() {
      return connection;
    },
    finished,
    close() {
      if (closed) return;
      closed = true;
      connection?.close();
      stop.abort();
    },
    async [Symbol.asyncDispose]() {
      handle.close();
      await finished;
    },
  };
  return handle;
}
