import { Buffer } from '../shared/ambient.js';
import { isThenable } from '../shared/arguments.js';
import { kindOf, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { decode } from './decode.js';
import { encode } from './encode.js';

/** A function that changes values: it alters the draft it gets, or returns new ones. Never async. */
export type Updater<T> = (draft: T) => T | void;

/** What stands in the place of values that cannot be read; throws where nothing does. */
export type Replace = (error: LwsError) => object;

/** Reads stored values, frozen: a change that is not stored would be lost without a word. */
export function readValues(bytes: Uint8Array, replace: Replace): object {
  return freeze(decodeValues(bytes, replace)) as object;
}

function decodeValues(bytes: Uint8Array, replace: Replace): object {
  try {
    const values = decode(bytes);
    if (isPlain(values)) return values;
    throw new LwsError('ERR_STORE', 'stored values are no plain object');
  } catch (error) {
    return replace(error as LwsError);
  }
}

/** A draft of what cannot be read: who only returns new values never looks at it, everybody else gets the error. */
function draftOf(error: unknown): object {
  const refuse = () => {
    throw error;
  };
  const traps = ['get', 'set', 'has', 'ownKeys', 'getPrototypeOf', 'defineProperty', 'deleteProperty'];
  return new Proxy({}, Object.fromEntries(traps.map((trap) => [trap, refuse])));
}

function draftFrom(bytes: Uint8Array, replace: Replace): object {
  try {
    return decodeValues(bytes, replace);
  } catch (error) {
    return draftOf(error);
  }
}

/** Runs the updater on a draft of its own and returns the result as bytes. */
export function updateValues(
  bytes: Uint8Array,
  update: Updater<object>,
  name: string,
  maxBytes: number,
  replace: Replace,
): Uint8Array {
  if (typeof update !== 'function') throw unexpected('a function', 'update()', kindOf(update));
  const draft = draftFrom(bytes, replace);
  const returned: unknown = update(draft);
  const result = returned === undefined ? draft : returned;
  if (result !== draft && isThenable(result)) {
    // What it will fail with is nobody's any more.
    result.then(undefined, () => undefined);
    throw unexpected(
      'a synchronous function, since it may run again after a conflict,',
      'update()',
      'a promise of it',
    );
  }
  if (typeof result !== 'object' || result === null) {
    throw unexpected('an object or nothing', 'what the function of update() returns', kindOf(result));
  }
  return encodeValues(result, name, maxBytes);
}

/** What comes back as it was: not an instance of something, as a `Map` or a `Date`. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.hasOwn(prototype as object, 'isPrototypeOf');
}

/** @throws `ERR_INVALID_ARGUMENT` unless `value` is a plain object of storable values; `ERR_LIMIT` for its size */
export function encodeValues(value: unknown, name: string, maxBytes: number): Uint8Array {
  if (!isPlain(value)) {
    throw unexpected('a plain object, as {},', name, kindOf(value));
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
