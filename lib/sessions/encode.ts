import { LwsError } from '../errors.js';
import { defaultMaxBytes, formatVersion, maxDepth, tag, viewKinds } from './format.js';
import { describe, isWellFormed } from './ids.js';

/**
 * Writes a value into bytes that {@link decode} turns into an equal one: `undefined`, `null`, booleans, numbers
 * (also NaN, -0 and infinities), bigints, strings, `Date`, `Buffer`, typed arrays, `ArrayBuffer`, arrays, plain
 * objects, `Map` and `Set`. What appears twice is written twice.
 *
 * @param value - anything made of the above, at most 64 levels deep
 * @param name - how error messages call the value
 * @param maxBytes - bound of the result, default 64 KiB
 * @throws `ERR_INVALID_ARGUMENT` naming the place of a value that cannot be stored (functions, symbols, class
 *   instances, cycles); `ERR_LIMIT` when the result would exceed `maxBytes`
 */
export function encode(value: unknown, name = 'value', maxBytes = defaultMaxBytes): Uint8Array {
  const writer = new Writer(name, maxBytes);
  writer.byte(formatVersion);
  writer.value(value);
  return writer.finish();
}

class Writer {
  private bytes = Buffer.allocUnsafe(256);
  private length = 0;
  private readonly path: string[];
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
      throw new LwsError('ERR_LIMIT', `${this.path[0]} takes more than ${this.maxBytes} bytes when stored`);
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

  private object(value: object): void {
    if (this.path.length > maxDepth) {
      throw new LwsError(
        'ERR_INVALID_ARGUMENT',
        `${this.path[0]} is nested deeper than ${maxDepth} levels, or refers to itself`,
      );
    }
    if (Array.isArray(value)) this.array(value);
    else if (value instanceof Date) this.date(value);
    else if (value instanceof Map) this.map(value);
    else if (value instanceof Set) this.set(value);
    else if (ArrayBuffer.isView(value)) this.view(value);
    else if (value instanceof ArrayBuffer) this.arrayBuffer(value);
    else this.record(value);
  }

  private date(value: Date): void {
    this.byte(tag.date);
    this.double(value.getTime());
  }

  private arrayBuffer(value: ArrayBuffer): void {
    this.byte(tag.arrayBuffer);
    this.raw(bytesOf(value, 0, value.byteLength));
  }

  private array(value: readonly unknown[]): void {
    this.byte(tag.array);
    this.varint(value.length);
    for (let index = 0; index < value.length; index++) {
      if (index in value) this.child(`[${index}]`, value[index]);
      else this.byte(tag.hole);
    }
  }

  private map(value: ReadonlyMap<unknown, unknown>): void {
    this.byte(tag.map);
    this.varint(value.size);
    let index = 0;
    for (const [key, item] of value) {
      this.child(`<key ${index}>`, key);
      this.child(`<value ${index++}>`, item);
    }
  }

  private set(value: ReadonlySet<unknown>): void {
    this.byte(tag.set);
    this.varint(value.size);
    let index = 0;
    for (const item of value) this.child(`<item ${index++}>`, item);
  }

  private view(value: ArrayBufferView): void {
    const bytes = bytesOf(value.buffer, value.byteOffset, value.byteLength);
    if (Buffer.isBuffer(value)) {
      this.byte(tag.buffer);
    } else {
      const kind = viewKinds.indexOf(value.constructor as (typeof viewKinds)[number]);
      if (kind === -1) throw this.refuse(value);
      this.byte(tag.view);
      this.byte(kind);
    }
    this.raw(bytes);
  }

  private record(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) throw this.refuse(value);
    if (Object.getOwnPropertySymbols(value).length > 0)
      throw this.refuse(value, 'an object with symbol keys');
    const keys = Object.keys(value);
    this.byte(prototype === null ? tag.bareObject : tag.object);
    this.varint(keys.length);
    for (const key of keys) {
      this.string(key);
      this.child(`.${key}`, (value as Record<string, unknown>)[key]);
    }
  }

  private child(step: string, value: unknown): void {
    this.path.push(step);
    this.value(value);
    this.path.pop();
  }

  private refuse(value: unknown, what = describe(value)): LwsError {
    return new LwsError(
      'ERR_INVALID_ARGUMENT',
      `${this.path.join('')} is ${what}, which cannot be stored; plain objects, arrays, Map, Set, Date, bytes ` +
        'and primitive values can',
    );
  }
}

/** A detached buffer has no bytes, but refuses a view on them. */
function bytesOf(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  return length === 0 ? new Uint8Array() : new Uint8Array(buffer, offset, length);
}
