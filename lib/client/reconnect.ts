import type { Connection } from '../connection/connection.js';
import type { CloseInfo, Method, Unless } from '../connection/handlers.js';
import { AbortController, clearTimeout, performance, setTimeout } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { type Check, checkTable, DAY, integer, type, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import { onAbort } from '../shared/signals.js';
import { connect } from './connect.js';
import { headersOnce } from './headers.js';
import {
  type ConnectOptions,
  type ConnectSettings,
  checkTogether,
  connectChecks,
  parseUrl,
} from './options.js';
import { askedDelay, type Ending, isFinal } from './verdict.js';

/** Options of {@link reconnect}: those of {@link connect}, and when it comes back. Times are milliseconds. */
export type ReconnectOptions<D = unknown> = ReconnectSettings<D> & Unless<D, { data: NoInfer<D> }>;

/** What {@link ReconnectOptions} are made of. */
export interface ReconnectSettings<D = unknown> extends ConnectSettings<D> {
  /** Longest wait before the first retry; it doubles with each. Default 500. */
  minDelay?: number | undefined;
  /** Longest wait before any retry. Default 30 s. */
  maxDelay?: number | undefined;
  /**
   * How long a connection must have been open to count as a success, after which delays and retries start anew. One
   * that was lost sooner is a failure like any other, so that a server which dies of its clients is not run over.
   * Default 5 s, 0: every one that opened.
   */
  stableAfter?: number | undefined;
  /** Failures in a row after which it gives up. Default: none. */
  maxRetries?: number | undefined;
  /**
   * Asked after each loss, before the wait: which retry this is, how long the wait, why, and whether by the table of
   * close codes and statuses it would be over. `true` tries again, `false` ends it; anything else leaves it to the
   * table. It may be async. Not asked once `maxRetries` are used up; one that fails ends it with ERR_HANDLER.
   */
  retry?: Method<[info: RetryInfo], unknown> | undefined;
}

/** What {@link ReconnectOptions.retry} is told. */
export interface RetryInfo {
  /** Which retry in a row, from 1. */
  readonly attempt: number;
  /** Milliseconds until then, if there is one. */
  readonly delay: number;
  /** How the connection was closed, or why it did not open. */
  readonly cause: CloseInfo | LwsError;
  /** By the table it is over, unless `true` is returned. */
  readonly final: boolean;
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

const checks: Record<string, Check> = {
  ...connectChecks,
  minDelay: integer(1, DAY),
  maxDelay: integer(1, DAY),
  stableAfter: integer(0, DAY),
  maxRetries: integer(0, Number.MAX_SAFE_INTEGER),
  retry: type('function'),
};

function check(url: unknown, options: ReconnectOptions<never>): void {
  checkTable(options, checks, '');
  checkTogether(options);
  if (typeof url !== 'function') parseUrl(url as string | URL);
  const { minDelay, maxDelay } = options;
  if (minDelay !== undefined && maxDelay !== undefined && minDelay > maxDelay)
    throw wrong('minDelay', 'no more than "maxDelay"', minDelay);
}

/** What `give` gives, unless the signal is aborted before. */
function unlessAborted<T>(signal: AbortSignal, give: () => T | PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = () =>
      reject(new LwsError('ERR_ABORTED', 'The signal was aborted', { cause: signal.reason }));
    if (signal.aborted) return over();
    signal.addEventListener('abort', over, { once: true });
    Promise.resolve()
      .then(give)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', over));
  });
}

function wait(delay: number, signal: AbortSignal): Promise<void> {
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

/**
 * Keeps a connection open: connects, and again when it is lost for a passing reason, waiting a random part of a delay
 * that doubles (full jitter), or as long as the server asks, up to `maxDelay`.
 *
 * @param url Or a function that is asked before each try, as for a fresh token; when it fails, so does the try.
 * @throws LwsError ERR_INVALID_OPTION or ERR_INVALID_ARGUMENT at once for bad options, or a bad URL.
 */
export function reconnect<D = undefined>(
  url: string | URL | (() => string | URL | Promise<string | URL>),
  options: ReconnectOptions<D> = {} as ReconnectOptions<D>,
): Reconnecting<D> {
  check(url, options as ReconnectOptions<never>);
  const { minDelay = 500, maxDelay = 30_000, stableAfter = 5_000, maxRetries, retry, ...rest } = options;
  const given = { ...rest, headers: headersOnce(rest.headers) };
  const outer = rest.signal;
  const stop = new AbortController();
  const { signal } = stop;
  const forget = onAbort(outer, () => stop.abort(outer?.reason));
  let connection: Connection<D> | undefined;
  let closed = false;
  let openedAt = 0;

  async function once(): Promise<Ending> {
    try {
      const target = typeof url === 'function' ? await unlessAborted(signal, url) : url;
      connection = await connect<D>(target, { ...given, signal } as ConnectOptions<D>);
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

  function delayOf(attempt: number, ending: Ending): number {
    const own = Math.random() * Math.min(minDelay * 2 ** Math.min(attempt - 1, 30), maxDelay);
    const asked = askedDelay(ending);
    if (asked === undefined) return Math.round(own);
    /* whoever is sent away again and again waits for its own delay too */
    return Math.round(Math.min(attempt === 1 ? asked : Math.max(asked, own), maxDelay));
  }

  /** Whether there is another try; an error where nobody can say. */
  async function isOver(info: RetryInfo): Promise<boolean | LwsError> {
    try {
      const answer = retry === undefined ? undefined : await unlessAborted(signal, () => retry(info));
      return typeof answer === 'boolean' ? !answer : info.final;
    } catch (cause) {
      if (signal.aborted) return true;
      return new LwsError('ERR_HANDLER', `The retry function failed: ${wordsOf(cause)}`, { cause });
    }
  }

  async function run(): Promise<Ending> {
    for (let attempt = 0; ; ) {
      const cause = await once();
      if (closed || signal.aborted) return cause;
      const lasted = !(cause instanceof LwsError) && performance.now() - openedAt >= stableAfter;
      if (lasted) attempt = 0;
      if (attempt >= (maxRetries ?? Number.POSITIVE_INFINITY)) return cause;
      attempt++;
      const delay = delayOf(attempt, cause);
      const over = await isOver({ attempt, delay, cause, final: isFinal(cause) });
      if (over instanceof LwsError) return over;
      if (over) return cause;
      await wait(delay, signal);
      if (closed || signal.aborted) return cause;
    }
  }

  const finished = run().finally(forget);
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
  return shown(handle, 'Reconnecting', () => ({ connection, isOver: closed }));
}
