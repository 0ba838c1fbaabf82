/**
 * The stored form of attributes: one byte of format version, then one value, each value a tag byte and its body.
 * Lengths and counts are LEB128 varints; numbers little-endian. An own format and not `node:v8`'s, because that one
 * changes with the Node version (a record must survive a rolling upgrade in both directions) and its reader is not
 * made for bytes from an untrusted place.
 */
export const formatVersion = 1;

export const tag = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** A safe integer other than -0: zigzag varint. */
  integer: 4,
  double: 5,
  /** Sign byte, byte length, magnitude big-endian. */
  bigint: 6,
  utf8: 7,
  /** A string with lone surrogates, which UTF-8 cannot carry. */
  utf16: 8,
  date: 9,
  buffer: 10,
  arrayBuffer: 11,
  /** Index into {@link viewKinds}, byte length, bytes. */
  view: 12,
  array: 13,
  /** A missing element of a sparse array. */
  hole: 14,
  object: 15,
  /** An object without prototype. */
  bareObject: 16,
  map: 17,
  set: 18,
} as const;

/** Typed arrays and DataView by their index in the format; never reordered. */
export const viewKinds = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
] as const;

/** Values inside values inside values …: deeper than this is refused on both ways. */
export const maxDepth = 64;

/** Default bound of one encoded value: 64 KiB. */
export const defaultMaxBytes = 65_536;
