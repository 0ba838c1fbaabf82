import { STATUS_CODES } from 'node:http';
import { kindOf, unexpected } from '../shared/checks.js';
import type { LwsError } from '../shared/errors.js';

/** Any collection of header fields that a handler may give. */
export type HeaderSource =
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | readonly string[]>>;

export interface ResponseHeadOptions {
  /** Whether the transport takes another request after this response. */
  keepAlive: boolean;
  /** Milliseconds for which it waits for that, which is told with `keepAlive`. */
  keepAliveTimeout?: number;
  /** Content-Length in bytes. */
  length?: number | undefined;
  /** Transfer-Encoding: chunked; excludes `length`. */
  chunked?: boolean;
  /** Reason phrase, by default the registered one. */
  reason?: string;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; /* RFC 9110 5.6.2 */
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/; /* RFC 9110 5.5 */

/** They say where a message ends and what the transport does next, which only the sender knows (RFC 9112 6, 9.6). */
const OURS = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** What is in headers may be a secret, as a token or a cookie. */
function refuse(expected: string, what: string, got: unknown): LwsError {
  return unexpected(expected, what, kindOf(got));
}

function line(name: unknown, value: unknown): string {
  if (typeof name !== 'string' || !TOKEN.test(name))
    throw refuse('a token (RFC 9110 5.6.2)', 'a header name', name);
  if (typeof value !== 'string') throw refuse('a string', `the header ${name}`, value);
  if (NOT_IN_VALUE.test(value))
    throw refuse('visible characters up to U+00FF, spaces and tabs', `the header ${name}`, value);
  return `${name}: ${value}\r\n`;
}

function isIterable(value: object): value is Iterable<unknown> {
  return typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function';
}

/** Name and value pairs of whatever holds them, an array of values field by field. */
export function* pairs(headers: unknown): Generator<[name: unknown, value: unknown]> {
  if (headers === undefined) return;
  if (typeof headers !== 'object' || headers === null)
    throw refuse('Headers, pairs of a name and a value, or an object', 'headers', headers);
  if (!isIterable(headers)) {
    for (const [name, value] of Object.entries(headers)) {
      if (Array.isArray(value)) for (const one of value) yield [name, one];
      else yield [name, value];
    }
    return;
  }
  for (const pair of headers) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw refuse('pairs of a name and a value', 'headers', pair);
    yield [pair[0], pair[1]];
  }
}

/**
 * Header fields as checked lines, `"Name: value\r\n"` each, to be sent as latin1.
 * Connection, Content-Length, Keep-Alive, Transfer-Encoding and Upgrade are left
 * out: they belong to whoever frames the message.
 *
 * @throws LwsError ERR_INVALID_ARGUMENT for a name that is no token, and a value
 * with a control character (CR, LF, NUL, …) or one above U+00FF.
 */
export function headerLines(headers: HeaderSource | undefined): string {
  let lines = '';
  for (const [name, value] of pairs(headers)) {
    const checked = line(name, value);
    if (!OURS.has((name as string).toLowerCase())) lines += checked;
  }
  return lines;
}

let dateSecond = -1;
let dateLine = '';

/** The Date field, made once a second. */
function date(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateLine;
}

function connectionLine(upgrade: boolean, options: ResponseHeadOptions): string {
  const tokens: string[] = [];
  if (upgrade) tokens.push('Upgrade');
  tokens.push(options.keepAlive ? 'keep-alive' : 'close');
  const { keepAlive, keepAliveTimeout } = options;
  /* whole seconds, rounded down, as Node's http tells: a client that trusts it is not late */
  const keep =
    keepAlive && keepAliveTimeout !== undefined
      ? `Keep-Alive: timeout=${Math.floor(keepAliveTimeout / 1000)}\r\n`
      : '';
  return `Connection: ${tokens.join(', ')}\r\n${keep}`;
}

/**
 * The head of a response as latin1 text, up to its empty line. A Date is added
 * unless one is given. Fields that are ours to set are checked like all others
 * and then dropped: Content-Length and Transfer-Encoding (`length`, `chunked`),
 * Connection and Keep-Alive (`keepAlive`), and Upgrade, which passes with status
 * 426 alone, where RFC 9110 15.5.22 asks for it.
 *
 * @param status 200 to 599.
 * @throws LwsError ERR_INVALID_ARGUMENT for another status, for a bad reason, and
 * as {@link headerLines}.
 */
export function responseHead(
  status: number,
  headers: HeaderSource | undefined,
  options: ResponseHeadOptions,
): string {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw refuse('an integer from 200 to 599', 'the status of a response', status);
  const reason = options.reason || (STATUS_CODES[status] ?? '');
  if (NOT_IN_VALUE.test(reason))
    throw refuse('visible characters up to U+00FF, spaces and tabs', 'a reason phrase', reason);
  let head = `HTTP/1.1 ${status} ${reason}\r\n`;
  let dated = false;
  let upgrade = false;
  for (const [name, value] of pairs(headers)) {
    const checked = line(name, value);
    const lower = (name as string).toLowerCase();
    if (lower === 'upgrade' && status === 426) upgrade = true;
    else if (OURS.has(lower)) continue;
    dated ||= lower === 'date';
    head += checked;
  }
  if (!dated) head += date();
  if (options.length !== undefined) head += `Content-Length: ${options.length}\r\n`;
  else if (options.chunked) head += 'Transfer-Encoding: chunked\r\n';
  return `${head}${connectionLine(upgrade, options)}\r\n`;
}
