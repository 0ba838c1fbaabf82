import { parseArgs } from 'node:util';
import { type RedisClient, RedisStore } from '../redis/index.js';
import { clearTimeout, setTimeout, URL } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { describe } from '../shared/checks.js';
import { formatOverview, overviewAsJson, readOverview, type Shown } from './overview.js';

/** Where a command prints; `columns` makes it a terminal. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What is wrong with how the command was called; its message is the whole answer. */
export class UsageError extends Error {}

export const sessionsHelp = `Usage: libwebsockets sessions --redis <url> [options]

Shows the sessions in Redis, their users and nodes. It only reads.

  --redis <url>         redis://host:port/db or rediss://…; any node of a cluster
  --prefix <text>       as given to RedisStore (lws:)
  --partitions <n>      as given to RedisStore (16)
  --only <what>         sessions, users or nodes
  --limit <n>           rows per table (20)
  --max <n>             sessions to read (100000)
  --ids                 show whole session ids, which are secrets
  --json                print JSON
  --watch               again and again, until Ctrl-C
  --interval <seconds>  time between two looks (2)
  --help                this text
`;

interface Request {
  readonly url: string;
  readonly prefix: string;
  readonly partitions: number;
  readonly shown: Shown;
  readonly max: number;
  readonly json: boolean;
  /** Milliseconds between two looks; `undefined` for a single one. */
  readonly interval: number | undefined;
}

/** Runs `libwebsockets sessions`; resolves when it is done, or `signal` aborts. */
export async function runSessions(args: string[], output: Output, signal: AbortSignal): Promise<void> {
  const request = readRequest(args);
  if (request === undefined) {
    output.write(sessionsHelp);
    return;
  }
  const { client, disconnect } = await connect(request.url);
  try {
    const { prefix, partitions, max, shown, json, interval } = request;
    const store = new RedisStore({ client, prefix, partitions, timeout: 10_000 });
    for (;;) {
      const overview = await readOverview(store, max);
      const clear = interval !== undefined && output.isTTY === true ? '\x1b[H\x1b[2J' : '';
      output.write(clear + (json ? overviewAsJson(overview, shown) : formatOverview(overview, shown)));
      if (interval === undefined || !(await pause(interval, signal))) return;
    }
  } finally {
    disconnect();
  }
}

function readRequest(args: string[]): Request | undefined {
  const values = readArguments(args);
  if (values.help === true) return undefined;
  if (values.redis === undefined) throw new UsageError('--redis <url> is missing; --help tells more');
  const { only = 'all' } = values;
  if (only !== 'all' && only !== 'sessions' && only !== 'users' && only !== 'nodes') {
    throw new UsageError(`Expected sessions, users or nodes for --only but got ${describe(only)}`);
  }
  const interval = number('--interval', values.interval, 2, 0.1, 3600) * 1000;
  return {
    url: values.redis,
    prefix: values.prefix ?? 'lws:',
    partitions: number('--partitions', values.partitions, 16, 1, 1024),
    shown: { what: only, limit: number('--limit', values.limit, 20, 1, 1_000_000), ids: values.ids === true },
    max: number('--max', values.max, 100_000, 1, 100_000_000),
    json: values.json === true,
    interval: values.watch === true ? interval : undefined,
  };
}

function readArguments(args: string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    const options = {
      redis: text,
      prefix: text,
      partitions: text,
      only: text,
      limit: text,
      max: text,
      interval: text,
      ids: flag,
      json: flag,
      watch: flag,
      help: { ...flag, short: 'h' },
    };
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}; --help tells more`);
  }
}

function number(name: string, text: string | undefined, preset: number, min: number, max: number): number {
  const value = text === undefined ? preset : Number(text);
  if (value >= min && value <= max) return value;
  throw new UsageError(`Expected a number from ${min} to ${max} for ${name} but got ${describe(text)}`);
}

/** Connects once: a command that is typed has to fail at once, not to try for ever. */
async function connect(url: string): Promise<{ client: RedisClient; disconnect(): void }> {
  const redis = await import('redis').catch(() => {
    throw new UsageError("the package 'redis' is needed: npm install redis");
  });
  const socket = { reconnectStrategy: false, connectTimeout: 5000 } as const;
  const ignore = () => undefined;
  try {
    const client = redis.createClient({ url, socket });
    client.on('error', ignore);
    await client.connect();
    if (!String(await client.info('server')).includes('redis_mode:cluster')) {
      return { client, disconnect: () => client.destroy() };
    }
    client.destroy();
    const { username, password, protocol } = new URL(url);
    const login = {
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
    };
    const tls = protocol === 'rediss:' && { socket: { tls: true as const } };
    const cluster = redis.createCluster({ rootNodes: [{ url }], defaults: { ...login, ...tls } });
    cluster.on('error', ignore);
    await cluster.connect();
    return { client: cluster, disconnect: () => cluster.destroy() };
  } catch (error) {
    throw new UsageError(`no connection to Redis: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return wordsOf(error);
}

/** `false` when the signal came before the time was over. */
function pause(duration: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve(true);
    }, duration);
    signal.addEventListener('abort', stop, { once: true });
  });
}
