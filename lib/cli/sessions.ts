import { RedisStore } from '../redis/index.js';
import { clearTimeout, setTimeout } from '../shared/ambient.js';
import { describe } from '../shared/checks.js';
import { moveSessions } from './move.js';
import { formatOverview, overviewAsJson, readOverview, type Shown } from './overview.js';
import { connect } from './redis.js';
import { number, type Output, readArguments, UsageError } from './usage.js';

export const sessionsHelp = `Usage: libwebsockets sessions --redis <url> [options]

Shows the sessions in Redis, their users and nodes. It only reads.
libwebsockets sessions move moves them to another store: --help tells more.

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

/** Runs `libwebsockets sessions`; resolves to the exit code when it is done, or `signal` aborts. */
export async function runSessions(args: string[], output: Output, signal: AbortSignal): Promise<number> {
  const [first, ...rest] = args;
  if (first === 'move') return moveSessions(rest, output, signal);
  const request = readRequest(args);
  if (request === undefined) {
    output.write(sessionsHelp);
    return 0;
  }
  const { client, disconnect } = await connect(request.url);
  try {
    const { prefix, partitions, max, shown, json, interval } = request;
    const store = new RedisStore({ client, prefix, partitions, timeout: 10_000 });
    for (;;) {
      const overview = await readOverview(store, max);
      const clear = interval !== undefined && output.isTTY === true ? '\x1b[H\x1b[2J' : '';
      output.write(clear + (json ? overviewAsJson(overview, shown) : formatOverview(overview, shown)));
      if (interval === undefined || !(await pause(interval, signal))) return 0;
    }
  } finally {
    disconnect();
  }
}

function readRequest(args: string[]): Request | undefined {
  const values = readArguments(args, options);
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
} as const;

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
