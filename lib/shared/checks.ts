import { describe } from './arguments.js';
import { LwsError } from './errors.js';

/** Longest time of an option, in milliseconds. */
export const DAY = 24 * 60 * 60 * 1000;
export const MAX_INT = 0x7fffffff;

/* RFC 6455 4.1: a subprotocol name is a token (RFC 9110 5.6.2) */
export const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Throws ERR_INVALID_OPTION that names the option, what was expected and what came. */
export type Check = (name: string, value: unknown) => void;

export function wrong(name: string, expected: string, value: unknown): LwsError {
  return new LwsError(
    'ERR_INVALID_OPTION',
    `Expected ${expected} for the option "${name}" but got ${describe(value)}`,
  );
}

export function integer(from: number, to: number): Check {
  return (name, value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < from || value > to)
      throw wrong(name, `an integer from ${from} to ${to}`, value);
  };
}

export function number(from: number, to: number): Check {
  return (name, value) => {
    if (typeof value !== 'number' || !(value >= from && value <= to))
      throw wrong(name, `a number from ${from} to ${to}`, value);
  };
}

export function type(expected: 'boolean' | 'function' | 'string'): Check {
  return (name, value) => {
    if (typeof value !== expected) throw wrong(name, `a ${expected}`, value);
  };
}

export function oneOf(...choices: string[]): Check {
  return (name, value) => {
    if (!choices.includes(value as string))
      throw wrong(name, choices.map((choice) => `'${choice}'`).join(' or '), value);
  };
}

export const text: Check = (name, value) => {
  if (typeof value !== 'string' || value === '' || value.includes('\0'))
    throw wrong(name, 'a non-empty string without NUL', value);
};

export function record(each: Check): Check {
  return (name, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw wrong(name, 'an object', value);
    for (const [key, entry] of Object.entries(value)) each(`${name}.${key}`, entry);
  };
}

/** Edit distance, small: it only finds the name that was meant. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function unknownOption(name: string, known: string[], within: string): LwsError {
  const lower = name.toLowerCase();
  const near = known
    .map((candidate) => [distance(lower, candidate.toLowerCase()), candidate] as const)
    .sort((a, b) => a[0] - b[0])[0];
  const hint = near && near[0] <= 3 ? `; did you mean "${near[1]}"?` : '';
  return new LwsError('ERR_INVALID_OPTION', `Unknown option "${within}${name}"${hint}`);
}

/** Checks every option by its entry of `table`; `within` names the option that holds them, '' at the top. */
export function checkTable(options: unknown, table: Record<string, Check>, within: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw within === ''
      ? new LwsError('ERR_INVALID_OPTION', `Expected an object of options but got ${describe(options)}`)
      : wrong(within, 'an object', options);
  const prefix = within === '' ? '' : `${within}.`;
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(table, name) ? table[name] : undefined;
    if (check === undefined) throw unknownOption(name, Object.keys(table), prefix);
    if (value !== undefined) check(prefix + name, value);
  }
}
