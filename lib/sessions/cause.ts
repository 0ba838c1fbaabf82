import { wordsOf } from '../shared/arguments.js';

/** Redis names the arguments of a command that it does not know; nobody needs them to understand the failure. */
const argumentList = /, with args beginning with.*$/s;
/** The names behind a partition's hash tag: ids of sessions, users, logins, connections. */
const keyNames = /(\{\d+\/\d+\}:\w+:)[^'"\s]*/g;
/** Shorter texts are words of ours, as the name of an operation, and no secret of anybody's. */
const shortestSecret = 8;

/**
 * What a client or a foreign store failed with, as an error of our own: name, message, code and where it came from.
 * Theirs carry the command with all its arguments, as ids of sessions and what users stored, into every log.
 *
 * @param secrets - what it was asked; texts among it are taken out of the message
 */
export function causeOf(thrown: unknown, secrets: readonly unknown[] = []): Error {
  const cause = new Error(redacted(wordsOf(thrown), secrets)) as Error & { code?: string | number };
  const { name, code, stack } = describable(thrown);
  if (typeof name === 'string' && name.length <= 60) cause.name = name;
  if (typeof code === 'string' || typeof code === 'number') cause.code = code;
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : [];
  cause.stack = [`${cause.name}: ${cause.message}`, ...frames].join('\n');
  return cause;
}

function redacted(message: string, secrets: readonly unknown[]): string {
  const texts = secrets.filter((secret) => typeof secret === 'string' && secret.length >= shortestSecret);
  return (texts as string[]).reduce(
    (text, secret) => text.replaceAll(secret, '…'),
    message.replace(argumentList, '').replace(keyNames, '$1…'),
  );
}

/** The members of an error that are looked at; one that throws there has none. */
function describable(thrown: unknown): { name?: unknown; code?: unknown; stack?: unknown } {
  if (typeof thrown !== 'object' || thrown === null) return {};
  try {
    const { name, code, stack } = thrown as { name?: unknown; code?: unknown; stack?: unknown };
    return { name, code, stack };
  } catch {
    return {};
  }
}
