import { types } from 'node:util';
import { clearImmediate, setImmediate } from '../shared/ambient.js';
import { describe } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { type Answer, isBodyless } from './answer.js';
import { describing } from './decoded.js';
import type { ResponseLike } from './response-like.js';

type Reader = ReadableStreamDefaultReader<Uint8Array>;

function has(value: unknown, method: PropertyKey): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function';
}

function refuse(got: string): LwsError {
  return new LwsError(
    'ERR_HANDLER',
    `Expected a WHATWG Response or nothing from the request handler but got ${got}`,
  );
}

/** Checks what a request handler gave; `undefined` stands for nothing. */
export function checkResponse(value: unknown): ResponseLike | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) throw refuse(describe(value));
  const { status, headers, body } = value as Partial<ResponseLike>;
  if (typeof status !== 'number' || !has(headers, 'getSetCookie') || !has(headers, Symbol.iterator))
    throw refuse(describe(value));
  if (status < 200 || status > 599 || !Number.isInteger(status))
    throw refuse(`one with the status ${status}`);
  if (body !== null && !has(body, 'getReader')) throw refuse('one whose body is no ReadableStream');
  if (body?.locked || (value as Partial<Response>).bodyUsed)
    throw refuse('one whose body was read already; make a new Response for each request');
  return value as ResponseLike;
}

/** Lets go of a response that nobody will read. */
export function dropResponse(value: unknown): void {
  const body =
    typeof value === 'object' && value !== null ? (value as Partial<ResponseLike>).body : undefined;
  if (has(body, 'cancel') && !body!.locked) body!.cancel().catch(ignore);
}

const ignore = (): void => {};

/** Fields as pairs, each Set-Cookie by itself (RFC 6265 3). */
function fields(response: ResponseLike): [string, string][] {
  const pairs: [string, string][] = [];
  for (const [name, value] of describing(response))
    if (name.toLowerCase() !== 'set-cookie') pairs.push([name, value]);
  for (const value of response.headers.getSetCookie()) pairs.push(['set-cookie', value]);
  return pairs;
}

function declaredLength(fields: readonly [name: string, value: string][]): number | undefined {
  const text = fields.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
  if (text === undefined) return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw refuse(`one whose Content-Length is ${JSON.stringify(text)}`);
}

/** Whether a promise settles before the loop turns. */
function settlesNow(promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const turn = setImmediate(resolve, false);
    const now = (): void => {
      clearImmediate(turn);
      resolve(true);
    };
    promise.then(now, now);
  });
}

/** The next piece that has bytes; undefined at the end. */
async function next(reader: Reader): Promise<Uint8Array | undefined> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return undefined;
    if (!types.isUint8Array(value))
      throw new LwsError(
        'ERR_HANDLER',
        `Expected Uint8Arrays from the body stream of a Response but got ${describe(value)}`,
      );
    if (value.length > 0) return value;
  }
}

function mismatch(declared: number, size: number): LwsError {
  return new LwsError(
    'ERR_HANDLER',
    `Expected ${declared} bytes of body by the Content-Length of a Response but got ${size}; fetch decodes bodies, whose Content-Length and Content-Encoding then do not hold`,
  );
}

/**
 * Sends a body that is read from a stream. A body that is there as one piece gets
 * its length into the head; the head of one that is slow does not wait for it.
 */
async function stream(answer: Answer, response: ResponseLike, reader: Reader): Promise<void> {
  const headers = fields(response);
  const declared = declaredLength(headers);
  let first: Uint8Array | undefined;
  let ended = false;
  let piece = next(reader);
  /* with a length and a coding the first piece may show that they are of another body */
  const doubtful = declared !== undefined && response.headers.get('content-encoding') !== null;
  if (doubtful || (await settlesNow(piece))) {
    first = await piece;
    if (first !== undefined) piece = next(reader);
    ended = (await settlesNow(piece)) && (await piece) === undefined;
  }
  if (!answer.open) return;
  const size = first?.length ?? 0;
  /* a body that was decoded is often larger than its head says: known before the head leaves */
  if (declared !== undefined && (ended ? declared !== size : size > declared)) throw mismatch(declared, size);
  const length = ended ? size : declared;
  answer.begin({ status: response.status, headers, length, reason: response.statusText });
  if (first !== undefined) await answer.write(first);
  else if (!ended) answer.flushHead();
  for (let more = await piece; more !== undefined; more = await next(reader)) {
    await answer.write(more);
    if (!answer.open) return;
  }
  answer.end();
}

/** A head and nothing behind it: no body, or none that belongs to this request or status. */
function sendHead(answer: Answer, response: ResponseLike): void {
  const { status, statusText: reason, body } = response;
  const headers = fields(response);
  const declared = declaredLength(headers);
  dropResponse(response);
  if (declared && !answer.isHead && !isBodyless(status)) throw mismatch(declared, 0);
  const length = declared ?? (body === null ? 0 : undefined);
  answer.begin({ status, headers, length, reason });
  answer.end();
}

/**
 * Answers with a response, as fast as the peer takes it. Throws what its body
 * stream throws, and ERR_HANDLER or ERR_INVALID_ARGUMENT for what cannot be sent.
 */
export async function sendResponse(answer: Answer, response: ResponseLike): Promise<void> {
  if (response.body === null || answer.isHead || isBodyless(response.status)) {
    sendHead(answer, response);
    return;
  }
  const reader = response.body.getReader();
  const cancel = (): void => {
    reader.cancel().catch(ignore);
  };
  answer.onGone = cancel;
  try {
    await stream(answer, response, reader);
  } catch (error) {
    cancel();
    throw error;
  }
}
