import { wordsOf } from '../shared/arguments.js';
import { type Output, runSessions, UsageError } from './sessions.js';

const help = `Usage: libwebsockets <command> [options]

  sessions   show the sessions in Redis

libwebsockets <command> --help tells the options of a command.
`;

/** Runs the command line; resolves to the exit code. */
export async function run(
  args: string[],
  output: Output,
  errors: Output,
  signal: AbortSignal,
): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === 'sessions') {
      await runSessions(rest, output, signal);
      return 0;
    }
    if (command === undefined || command === '--help' || command === '-h') {
      output.write(help);
      return command === undefined ? 2 : 0;
    }
    throw new UsageError(`there is no command ${JSON.stringify(command)}; --help tells which there are`);
  } catch (error) {
    errors.write(`libwebsockets: ${wordsOf(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}
