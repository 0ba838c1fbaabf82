import { isUtf8 } from 'node:buffer';
import { Buffer } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { formatVersion, maxDepth, tag, viewKinds } from './format.js';

/**
 * Reads what {@link encode} wrote. The result shares no memory with `bytes`. Whatever the bytes are, the work and
 * the memory are bounded by their number.
 *
 * @throws `ERR_STORE` saying what is wrong at which offset
 */
export function decode(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const version = reader.byte();
  if (version !== formatVersion)
    throw reader.broken(`has format version ${version}, expected ${formatVersion}`);
  const value = reader.value(0);
  reader.end();
  return value;
}

const ordinary = { writable: true, enumerable: true, configurable: true };

class Reader {
  private readonly bytes: Buffer;
  private offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  broken(what: string): LwsError {
    return new LwsError(
      'ERR_STORE',
      `a stored value ${what} (at byte ${this.offset} of ${this.bytes.length})`,
    );
  }

  end(): void {
    if (this.offset !== this.bytes.length) throw this.broken('goes on after its end');
  }

  byte(): number {
    const byte = this.bytes[this.offset];
    if (byte === undefined) throw this.broken('ends too early');
    this.offset++;
    return byte;
  }

  value(depth: number): unknown {
    const kind = this.byte();
    switch (kind) {
      case tag.undefined:
        return undefined;
      case tag.null:
        return null;
      case tag.false:
        return false;
      case tag.true:
        return true;
      case tag.integer:
        return this.integer();
      case tag.double:
        return this.double();
      case tag.bigint:
        return this.bigint();
      case tag.utf8:
        return this.utf8();
      case tag.utf16:
        return this.raw().toString('utf16le');
      case tag.date:
        return new Date(this.double());
      case tag.buffer:
        return Buffer.from(this.raw());
      case tag.arrayBuffer:
        return new Uint8Array(this.raw()).buffer;
      case tag.view:
        return this.view();
      case tag.hole:
        throw this.broken('has a hole outside an array');
    }
    if (depth >= maxDepth) throw this.broken(`is nested deeper than ${maxDepth} levels`);
    switch (kind) {
      case tag.array:
        return this.array(depth + 1);
      case tag.object:
        return this.record({}, depth + 1);
      case tag.bareObject:
        return this.record(Object.create(null) as object, depth + 1);
      case tag.map:
        return this.map(depth + 1);
      case tag.set:
        return this.set(depth + 1);
      default:
        throw this.broken(`has the unknown tag ${kind}`);
    }
  }

  private varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw this.broken('has a number out of range');
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  /** A count of elements that take at least `size` bytes each, so that no count can claim more than there is. */
  private count(size: number): number {
    const count = this.varint();
    if (count * size > this.bytes.length - this.offset) throw this.broken('claims more content than it has');
    return count;
  }

  private raw(): Buffer {
    const length = this.count(1);
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  private integer(): number {
    const zigzag = this.varint();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  private double(): number {
    if (this.offset + 8 > this.bytes.length) throw this.broken('ends too early');
    this.offset += 8;
    return this.bytes.readDoubleLE(this.offset - 8);
  }

  private bigint(): bigint {
    const negative = this.byte() === 1;
    const hex = this.raw().toString('hex');
    const magnitude = hex === '' ? 0n : BigInt(`0x${hex}`);
    return negative ? -magnitude : magnitude;
  }

  private utf8(): string {
    const raw = this.raw();
    if (!isUtf8(raw)) throw this.broken('has a string that is not UTF-8');
    return raw.toString('utf8');
  }

  private view(): ArrayBufferView {
    const index = this.byte();
    const kind = viewKinds[index];
    if (kind === undefined) throw this.broken(`has the unknown view kind ${index}`);
    const raw = this.raw();
    const size = 'BYTES_PER_ELEMENT' in kind ? kind.BYTES_PER_ELEMENT : 1;
    if (raw.length % size !== 0) throw this.broken(`has ${raw.length} bytes for elements of ${size}`);
    return new (kind as new (buffer: ArrayBuffer) => ArrayBufferView)(new Uint8Array(raw).buffer);
  }

  private array(depth: number): unknown[] {
    const count = this.count(1);
    const array: unknown[] = [];
    for (let index = 0; index < count; index++) {
      if (this.bytes[this.offset] === tag.hole) {
        this.offset++;
        array.length = index + 1;
      } else array[index] = this.value(depth);
    }
    return array;
  }

  private record(target: object, depth: number): object {
    const count = this.count(3);
    for (let index = 0; index < count; index++) {
      const kind = this.byte();
      if (kind !== tag.utf8 && kind !== tag.utf16) throw this.broken('has a key that is not a string');
      const key = kind === tag.utf8 ? this.utf8() : this.raw().toString('utf16le');
      const value = this.value(depth);
      // Defined, not assigned: a stored "__proto__" stays an ordinary key.
      if (key === '__proto__') Object.defineProperty(target, key, { ...ordinary, value });
      else (target as Record<string, unknown>)[key] = value;
    }
    if (Object.keys(target).length !== count) throw this.broken('has a key twice');
    return target;
  }

  private map(depth: number): Map<unknown, unknown> {
    const count = this.count(2);
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < count; index++) map.set(this.value(depth), this.value(depth));
    return map;
  }

  private set(depth: number): Set<unknown> {
    const count = this.count(1);
    const set = new Set<unknown>();
    for (let index = 0; index < count; index++) set.add(this.value(depth));
    return set;
  }
}
