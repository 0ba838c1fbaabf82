import { RedisStore } from '../redis/index.js';
import { type MigrationReport, type MoveResult, migrateSessions } from '../sessions/index.js';
import { connect } from './redis.js';
import { formatDuration } from './table.js';
import { number, type Output, readArguments, UsageError } from './usage.js';

export const moveHelp = `Usage: libwebsockets sessions move --from <url> [--to <url>] [options]

Moves all sessions of one store in Redis to another: another server, prefix or number of partitions. May be stopped with
Ctrl-C or killed at any moment and run again: what was under way is taken up. While servers run, they need a MovingStore.

  --from <url>            redis://host:port/db or rediss://…; any node of a cluster
  --to <url>              (the same)
  --from-prefix <text>    as given to RedisStore (lws:)
  --to-prefix <text>      (lws:)
  --from-partitions <n>   as given to RedisStore (16)
  --to-partitions <n>     (16)
  --concurrency <n>       sessions under way at a time (256)
  --dry-run               only count what there is to move
  --json                  print JSON
  --help                  this text

The exit code is 0 when every session has arrived, 1 when some failed or it was stopped.
`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options = {
  from: text,
  to: text,
  'from-prefix': text,
  'to-prefix': text,
  'from-partitions': text,
  'to-partitions': text,
  concurrency: text,
  'dry-run': flag,
  json: flag,
  help: { ...flag, short: 'h' },
} as const;

/** Milliseconds between two lines of progress. */
const pace = 1000;

/** Runs `libwebsockets sessions move`; resolves to the exit code. */
export async function moveSessions(args: string[], output: Output, signal: AbortSignal): Promise<number> {
  const values = readArguments(args, options);
  if (values.help === true) {
    output.write(moveHelp);
    return 0;
  }
  const { from: source } = values;
  if (source === undefined) throw new UsageError('--from <url> is missing; --help tells more');
  const target = values.to ?? source;
  const [fromPrefix, toPrefix] = [values['from-prefix'] ?? 'lws:', values['to-prefix'] ?? 'lws:'];
  const fromPartitions = number('--from-partitions', values['from-partitions'], 16, 1, 1024);
  const toPartitions = number('--to-partitions', values['to-partitions'], 16, 1, 1024);
  const concurrency = number('--concurrency', values.concurrency, 256, 1, 4096);
  if (source === target && fromPrefix === toPrefix && fromPartitions === toPartitions)
    throw new UsageError('both stores are the same: another --to, --to-prefix or --to-partitions is needed');
  const fromRedis = await connect(source);
  try {
    const toRedis = await connect(target);
    try {
      const open = (client: typeof fromRedis.client, prefix: string, partitions: number) =>
        new RedisStore({ client, prefix, partitions, timeout: 10_000 });
      const from = open(fromRedis.client, fromPrefix, fromPartitions);
      const to = open(toRedis.client, toPrefix, toPartitions);
      if (values['dry-run'] === true) {
        const [count, underWay] = [await from.count(), (await from.transfer.underWay(10_000)).length];
        output.write(
          values.json === true
            ? `${JSON.stringify({ sessions: count, underWay })}\n`
            : `${count} sessions to move, ${underWay} under way\n`,
        );
        return 0;
      }
      const report = await run(from, to, { concurrency, signal, output, isJson: values.json === true });
      return report.isComplete ? 0 : 1;
    } finally {
      toRedis.disconnect();
    }
  } finally {
    fromRedis.disconnect();
  }
}

interface Running {
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly output: Output;
  readonly isJson: boolean;
}

async function run(from: RedisStore, to: RedisStore, how: Running): Promise<MigrationReport> {
  const { concurrency, signal, output, isJson } = how;
  let told = Date.now();
  const report = await migrateSessions(from, to, {
    concurrency,
    signal,
    onProgress({ moved, failed, total }) {
      if (isJson || Date.now() - told < pace) return;
      told = Date.now();
      output.write(`${moved} of ${total} moved${failed > 0 ? `, ${failed} failed` : ''}\n`);
    },
  });
  output.write(isJson ? `${JSON.stringify(asJson(report))}\n` : format(report));
  return report;
}

function format(report: MigrationReport): string {
  const { moved, resumed, gone, ended, failed, failures, isComplete, duration } = report;
  const parts = [`${moved} sessions moved in ${formatDuration(duration)}`];
  if (resumed > 0) parts.push(`${resumed} of them were under way`);
  if (gone > 0) parts.push(`${gone} gone before their turn`);
  if (ended > 0) parts.push(`${ended} ended with their login`);
  if (failed > 0) parts.push(`${failed} failed`);
  const why = [...reasons(failures)].map(([reason, count]) => `  ${count} × ${reason}\n`);
  const rest = failed === 0 && !isComplete ? 'stopped: run it again for the rest\n' : '';
  return `${parts.join(', ')}\n${why.join('')}${rest}`;
}

/** What failed, by where it is and why: ids are secrets. */
function reasons(failures: readonly MoveResult[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { where, error } of failures) {
    const reason = `${where === 'source' ? 'still in the source' : `${where}`}: ${error?.message ?? ''}`;
    found.set(reason, (found.get(reason) ?? 0) + 1);
  }
  return found;
}

function asJson({ failures, ...counts }: MigrationReport) {
  return { ...counts, failures: Object.fromEntries(reasons(failures)) };
}
