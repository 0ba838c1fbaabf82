import { Buffer } from './ambient.js';
import { LwsError, type LwsErrorCode } from './errors.js';

/** What came, for messages of errors, shortened. Not for what may be a secret: {@link kindOf}. */
export function describe(value: unknown): string {
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return `the ${typeof value} ${String(value).slice(0, 60)}`;
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? `an object of ${classOf(value)}` : `a ${typeof value}`;
}

/** What came where it may be a secret: its kind, and nothing of its text. */
export function kindOf(value: unknown): string {
  if (typeof value === 'string') return `a string of ${Buffer.byteLength(value)} bytes`;
  return typeof value === 'number' || typeof value === 'bigint' ? `a ${typeof value}` : describe(value);
}

/** A stranger may have called its constructor anything, and a getter may throw. */
function classOf(value: object): string {
  try {
    const { name } = value.constructor ?? {};
    return typeof name === 'string' && /^\w{1,60}$/.test(name) ? name : 'no class';
  } catch {
    return 'no class';
  }
}

/** The one form of what is said about a wrong value: what was expected, for what, and what came instead. */
export function unexpected(
  expected: string,
  place: string,
  came: string,
  code: LwsErrorCode = 'ERR_INVALID_ARGUMENT',
  options?: { cause?: unknown },
): LwsError {
  return new LwsError(code, `Expected ${expected} for ${place} but got ${came}`, options);
}

/** Longest time of an option, in milliseconds. */
export const DAY = 24 * 60 * 60 * 1000;
export const MAX_INT = 0x7fffffff;

/* RFC 6455 4.1: a subprotocol name is a token (RFC 9110 5.6.2) */
export const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Throws ERR_INVALID_OPTION that names the option, what was expected and what came. */
export type Check = (name: string, value: unknown) => void;

/** As {@link unexpected}, of an option. */
export function wrong(name: string, expected: string, value: unknown, came = describe(value)): LwsError {
  return unexpected(expected, `the option "${name}"`, came, 'ERR_INVALID_OPTION');
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

/** What others call something: names of their options, and the sentence that leads to ours. */
export type Elsewhere = ReadonlyMap<string, string>;

/** Of what is not known, with what was probably meant. */
function unknown(
  what: string,
  name: string,
  known: readonly string[],
  code: LwsErrorCode,
  elsewhere?: Elsewhere,
): LwsError {
  const sentence = elsewhere?.get(name);
  if (sentence !== undefined) return new LwsError(code, `Unknown ${what}: ${sentence}`);
  const lower = name.toLowerCase();
  const near = known
    .map((candidate) => [distance(lower, candidate.toLowerCase()), candidate] as const)
    .sort((a, b) => a[0] - b[0])[0];
  const hint = near && near[0] <= 3 ? `; did you mean "${near[1]}"?` : '';
  return new LwsError(code, `Unknown ${what}${hint}`);
}

/** Throws unless `options` is an object; `within` names what holds them, '' at the top. */
export function checkOptionsObject(options: unknown, within: string): asserts options is object {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  throw within === ''
    ? new LwsError('ERR_INVALID_OPTION', `Expected an object of options but got ${describe(options)}`)
    : wrong(within, 'an object', options);
}

/** Throws unless `options` is an object and has none but `known` names; `within` names what holds them, '' at the top. */
export function checkNames(
  options: unknown,
  known: readonly string[],
  within: string,
  elsewhere?: Elsewhere,
): void {
  checkOptionsObject(options, within);
  const prefix = within === '' ? '' : `${within}.`;
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw unknown(`option "${prefix}${name.slice(0, 60)}"`, name, known, 'ERR_INVALID_OPTION', elsewhere);
}

/** The same for an argument; `of` is what it is called. */
export function checkMembers(of: string, value: unknown, known: readonly string[]): void {
  checkObject(of, value);
  for (const name of Object.keys(value as object))
    if (!known.includes(name))
      throw unknown(`member "${name.slice(0, 60)}" of ${of}`, name, known, 'ERR_INVALID_ARGUMENT');
}

/** Throws ERR_INVALID_ARGUMENT unless `value` is an object that may have the members meant. */
export function checkObject(place: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unexpected('an object', place, kindOf(value));
}

/** Throws ERR_INVALID_ARGUMENT unless `value` is an integer in the range. */
export function checkInteger(place: string, value: unknown, from: number, to: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < from || (value as number) > to)
    throw unexpected(`an integer from ${from} to ${to}`, place, describe(value));
}

/** Throws ERR_INVALID_ARGUMENT unless `value` is a function. */
export function checkFunction(place: string, value: unknown): void {
  if (typeof value !== 'function') throw unexpected('a function', place, describe(value));
}

/** Throws ERR_INVALID_ARGUMENT unless `value` is a string; nothing of it is told. */
export function checkText(place: string, value: unknown): void {
  if (typeof value !== 'string') throw unexpected('a string', place, kindOf(value));
}

/** Checks every option by its entry of `table`; `within` names the option that holds them, '' at the top. */
export function checkTable(
  options: unknown,
  table: Record<string, Check>,
  within: string,
  elsewhere?: Elsewhere,
): void {
  checkNames(options, Object.keys(table), within, elsewhere);
  const prefix = within === '' ? '' : `${within}.`;
  for (const [name, value] of Object.entries(options as object))
    if (value !== undefined) table[name]!(prefix + name, value);
}
