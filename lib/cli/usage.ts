import { type ParseArgsConfig, parseArgs } from 'node:util';
import { describe } from '../shared/checks.js';

/** Where a command prints; `columns` makes it a terminal. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What is wrong with how the command was called; its message is the whole answer. */
export class UsageError extends Error {}

/** The options of a command. Throws a {@link UsageError} for others. */
export function readArguments<T extends NonNullable<ParseArgsConfig['options']>>(args: string[], options: T) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}; --help tells more`);
  }
}

export function number(
  name: string,
  text: string | undefined,
  preset: number,
  min: number,
  max: number,
): number {
  const value = text === undefined ? preset : Number(text);
  if (value >= min && value <= max) return value;
  throw new UsageError(`Expected a number from ${min} to ${max} for ${name} but got ${describe(text)}`);
}
