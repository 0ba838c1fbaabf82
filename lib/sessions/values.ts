import { isThenable } from '../arguments.js';
import { LwsError } from '../errors.js';
import { decode } from './decode.js';
import { encode } from './encode.js';
import { describe } from './ids.js';

/** A function that changes values: it alters the draft it gets, or returns new ones. Never async. */
export type Updater<T> = (draft: T) => T | void;

/** Reads stored values, frozen: a change that is not stored would be lost without a word. */
export function readValues(bytes: Uint8Array): object {
  return freeze(decode(bytes)) as object;
}

/** Runs the updater on a draft of its own and returns the result as bytes. */
export function updateValues(
  bytes: Uint8Array,
  update: Updater<object>,
  name: string,
  maxBytes: number,
): Uint8Array {
  if (typeof update !== 'function')
    throw new LwsError('ERR_INVALID_ARGUMENT', `update() takes a function, but got ${describe(update)}`);
  const draft = decode(bytes) as object;
  const result: unknown = update(draft) ?? draft;
  if (isThenable(result)) {
    // What it will fail with is nobody's any more.
    result.then(undefined, () => undefined);
    const message = 'the function given to update() has to be synchronous: it may run again after a conflict';
    throw new LwsError('ERR_INVALID_ARGUMENT', message);
  }
  if (typeof result !== 'object') {
    const message = `the function given to update() alters its draft, or returns an object, but returned ${describe(result)}`;
    throw new LwsError('ERR_INVALID_ARGUMENT', message);
  }
  return encodeValues(result, name, maxBytes);
}

/** @throws `ERR_INVALID_ARGUMENT` unless `value` is a plain object of storable values; `ERR_LIMIT` for its size */
export function encodeValues(value: unknown, name: string, maxBytes: number): Uint8Array {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LwsError('ERR_INVALID_ARGUMENT', `${name} have to be an object`);
  }
  return encode(value, name, maxBytes);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Views, Map, Set and Date cannot be frozen; objects and arrays are, at every depth. */
function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
