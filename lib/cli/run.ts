import { wordsOf } from '../shared/arguments.js';
import { runSessions } from './sessions.js';
import { type Output, UsageError } from './usage.js';

const help = `Usage: libwebsockets <command> [options]

  sessions        show the sessions in Redis
  sessions move   move them to another store

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
      return await runSessions(rest, output, signal);
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
