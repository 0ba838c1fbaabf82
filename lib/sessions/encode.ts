import { types } from 'node:util';
import { Buffer } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { describe, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { defaultMaxBytes, formatVersion, maxDepth, tag, viewKinds } from './format.js';
import { isWellFormed } from './ids.js';

/**
 * Writes a value into bytes that {@link decode} turns into an equal one: `undefined`, `null`, booleans, numbers
 * (also NaN, -0 and infinities), bigints, strings, `Date`, `Buffer`, typed arrays, `ArrayBuffer`, arrays, plain
 * objects, `Map` and `Set`. What appears twice is written twice. Whatever would not come back equal is refused: class
 * instances and subclasses, properties that an array, `Map`, `Set` or `Date` has besides, symbol and hidden keys.
 *
 * @param value - anything made of the above, at most 64 levels deep
 * @param name - how error messages call the value
 * @param maxBytes - bound of the result, default 64 KiB
 * @throws `ERR_INVALID_ARGUMENT` naming the place of a value that cannot be stored (functions, symbols, class
 *   instances, cycles, getters that throw); `ERR_LIMIT` when the result would exceed `maxBytes`
 */
export function encode(value: unknown, name = 'value', maxBytes = defaultMaxBytes): Uint8Array {
  const writer = new Writer(name, maxBytes);
  try {
    writer.byte(formatVersion);
    writer.value(value);
  } catch (thrown) {
    if (thrown instanceof LwsError) throw thrown;
    throw writer.unreadable(thrown);
  }
  return writer.finish();
}

const storable = 'a plain object, an array, a Map, a Set, a Date, bytes or a primitive value';

/** What only the prototype of a built-in class has of its own, in whichever realm. */
const marks = { Map: Symbol.toStringTag, Set: Symbol.toStringTag, Date: 'getTime', Array: 'push' } as const;

class Writer {
  private bytes = Buffer.allocUnsafe(256);
  private length = 0;
  private readonly path: string[];
  /** The objects on the way to where we are: `ancestors[n]` lies at the first `n + 1` steps of the path. */
  private readonly ancestors: object[] = [];
  private readonly maxBytes: number;

  constructor(name: string, maxBytes: number) {
    this.path = [name];
    this.maxBytes = maxBytes;
  }

  finish(): Uint8Array {
    // A copy of exactly its size: the scratch buffer is larger and may be part of Node's pool.
    return new Uint8Array(this.bytes.subarray(0, this.length));
  }

  byte(byte: number): void {
    this.room(1);
    this.bytes[this.length++] = byte;
  }

  value(value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        this.byte(tag.undefined);
        break;
      case 'boolean':
        this.byte(value ? tag.true : tag.false);
        break;
      case 'number':
        this.number(value);
        break;
      case 'string':
        this.string(value);
        break;
      case 'bigint':
        this.bigint(value);
        break;
      case 'object':
        if (value === null) this.byte(tag.null);
        else this.object(value);
        break;
      default:
        throw this.refuse(value);
    }
  }

  private room(more: number): void {
    const needed = this.length + more;
    if (needed > this.maxBytes) {
      throw unexpected(
        `at most ${this.maxBytes} bytes`,
        this.path[0]!,
        'more when it is stored',
        'ERR_LIMIT',
      );
    }
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.min(Math.max(needed, this.bytes.length * 2), this.maxBytes));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  private varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  private raw(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  private double(value: number): void {
    this.room(8);
    this.bytes.writeDoubleLE(value, this.length);
    this.length += 8;
  }

  private number(value: number): void {
    // Zigzag doubles the magnitude: above 2^52 it would leave the safe integers.
    if (Number.isInteger(value) && Math.abs(value) < 2 ** 52 && !Object.is(value, -0)) {
      this.byte(tag.integer);
      this.varint(value < 0 ? -2 * value - 1 : 2 * value);
    } else {
      this.byte(tag.double);
      this.double(value);
    }
  }

  private bigint(value: bigint): void {
    const hex = (value < 0n ? -value : value).toString(16);
    this.byte(tag.bigint);
    this.byte(value < 0n ? 1 : 0);
    this.raw(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
  }

  private string(value: string): void {
    if (value.length > this.maxBytes) this.room(value.length);
    const utf8 = isWellFormed(value);
    this.byte(utf8 ? tag.utf8 : tag.utf16);
    this.raw(Buffer.from(value, utf8 ? 'utf8' : 'utf16le'));
  }

  /** A getter, or a trap of a Proxy, threw at the place where we are. */
  unreadable(thrown: unknown): LwsError {
    const message = `${this.path.join('')} cannot be read: ${wordsOf(thrown)}`;
    return new LwsError('ERR_INVALID_ARGUMENT', message, { cause: thrown });
  }

  private object(value: object): void {
    const { ancestors, path } = this;
    const above = ancestors.indexOf(value);
    if (above !== -1) {
      const whole = path.slice(0, above + 1).join('');
      throw unexpected('no cycle', path.join(''), `${whole}, which it is part of`);
    }
    if (path.length > maxDepth) {
      throw unexpected(`at most ${maxDepth} levels`, path[0]!, 'more');
    }
    ancestors.push(value);
    if (Array.isArray(value)) this.array(value);
    else if (types.isDate(value)) this.date(value);
    else if (types.isMap(value)) this.map(value);
    else if (types.isSet(value)) this.set(value);
    else if (ArrayBuffer.isView(value)) this.view(value);
    else if (types.isArrayBuffer(value)) this.arrayBuffer(value);
    else this.record(value);
    ancestors.pop();
  }

  /** Refuses what is a subclass, or has properties of its own beside the `expected` many. */
  private exactly(
    kind: keyof typeof marks,
    value: object,
    expected: number,
    { length } = Object.getOwnPropertyNames(value),
  ): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    const isBuiltIn = prototype !== null && Object.hasOwn(prototype as object, marks[kind]);
    if (!isBuiltIn) throw this.refuse(value);
    if (length !== expected || Object.getOwnPropertySymbols(value).length > 0)
      throw this.refuse(value, `${describe(value)} with properties of its own`);
  }

  private date(value: Date): void {
    this.exactly('Date', value, 0);
    this.byte(tag.date);
    this.double(Date.prototype.getTime.call(value));
  }

  private arrayBuffer(value: ArrayBuffer): void {
    this.byte(tag.arrayBuffer);
    this.raw(bytesOf(value, 0, value.byteLength));
  }

  private array(value: readonly unknown[]): void {
    const { length } = value;
    const names = Object.getOwnPropertyNames(value);
    this.byte(tag.array);
    this.varint(length);
    let present = 0;
    for (let index = 0; index < length; index++) {
      if (index in value) {
        present++;
        this.path.push(`[${index}]`);
        this.value(value[index]);
        this.path.pop();
      } else this.byte(tag.hole);
    }
    this.exactly('Array', value, present + 1, names);
  }

  private map(value: ReadonlyMap<unknown, unknown>): void {
    this.exactly('Map', value, 0);
    // Read before anything in it is: a getter may change it.
    const entries = [...value];
    this.byte(tag.map);
    this.varint(entries.length);
    for (const [index, [key, item]] of entries.entries()) {
      this.child(`<key ${index}>`, key);
      this.child(`<value ${index}>`, item);
    }
  }

  private set(value: ReadonlySet<unknown>): void {
    this.exactly('Set', value, 0);
    const items = [...value];
    this.byte(tag.set);
    this.varint(items.length);
    for (const [index, item] of items.entries()) this.child(`<item ${index}>`, item);
  }

  private view(value: ArrayBufferView): void {
    const bytes = bytesOf(value.buffer, value.byteOffset, value.byteLength);
    if (Buffer.isBuffer(value)) {
      this.byte(tag.buffer);
    } else {
      const kind = viewKind(value);
      if (kind === -1) throw this.refuse(value);
      this.byte(tag.view);
      this.byte(kind);
    }
    this.raw(bytes);
  }

  private record(value: object): void {
    const prototype: object | null = Object.getPrototypeOf(value);
    if (prototype !== null && !Object.hasOwn(prototype, 'isPrototypeOf')) throw this.refuse(value);
    if (Object.getOwnPropertySymbols(value).length > 0)
      throw this.refuse(value, 'an object with symbol keys');
    const keys = Object.keys(value);
    if (Object.getOwnPropertyNames(value).length > keys.length)
      throw this.refuse(value, 'an object with hidden keys');
    this.byte(prototype === null ? tag.bareObject : tag.object);
    this.varint(keys.length);
    for (const key of keys) {
      this.string(key);
      this.path.push(`.${key}`);
      this.value((value as Record<string, unknown>)[key]);
      this.path.pop();
    }
  }

  private child(step: string, value: unknown): void {
    this.path.push(step);
    this.value(value);
    this.path.pop();
  }

  private refuse(value: unknown, what = describe(value)): LwsError {
    return unexpected(storable, this.path.join(''), what);
  }
}

/** A detached buffer has no bytes, but refuses a view on them. */
function bytesOf(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  return length === 0 ? new Uint8Array() : new Uint8Array(buffer, offset, length);
}

/** Its index in {@link viewKinds}, whichever realm made it; -1 for a subclass. */
function viewKind(value: ArrayBufferView): number {
  const mark = types.isDataView(value) ? 'getInt8' : 'BYTES_PER_ELEMENT';
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || !Object.hasOwn(prototype as object, mark)) return -1;
  const name = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return viewKinds.findIndex((kind) => kind.name === name);
}
