import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { decode } from '../../lib/sessions/decode.js';
import { encode } from '../../lib/sessions/encode.js';

const sparse: unknown[] = [1, 2, 3];
delete sparse[1];
const bare = Object.assign(Object.create(null), { a: 1 });

const values: readonly [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['booleans', [true, false]],
  [
    'integers of every size',
    [0, 1, -1, 63, 64, -64, -65, 127, 128, 2 ** 31, -(2 ** 31), 2 ** 52 - 1, 2 ** 53 - 1],
  ],
  ['negative safe integers', [-(2 ** 52), -(2 ** 53) + 1]],
  ['doubles', [0.1, -1.5, 1e308, 5e-324, 2 ** 60]],
  ['special numbers', [Number.NaN, -0, Infinity, -Infinity]],
  ['bigints', [0n, 1n, -1n, 255n, 256n, 2n ** 64n, -(2n ** 200n)]],
  ['strings', ['', 'a', 'é', '日本', '😀', 'x'.repeat(5000), '\0']],
  ['lone surrogates', ['\ud800', 'a\udc00b']],
  ['dates', [new Date(0), new Date('2026-11-21T10:00:00.123Z'), new Date(-1), new Date(Number.NaN)]],
  ['Buffer', Buffer.from([0, 255, 10, 13])],
  ['Uint8Array', Uint8Array.of(1, 2, 3)],
  ['a view into a larger buffer', new Uint8Array([1, 2, 3, 4]).subarray(1, 3)],
  ['ArrayBuffer', Uint8Array.of(9, 8).buffer],
  [
    'typed arrays',
    [Int8Array.of(-1), Uint16Array.of(65_535), Float32Array.of(0.5), Float64Array.of(Math.PI)],
  ],
  ['64-bit typed arrays', [BigInt64Array.of(-5n), BigUint64Array.of(2n ** 63n), Uint8ClampedArray.of(300)]],
  ['arrays', [[], [[]], [undefined, null]]],
  ['objects', { a: 1, b: { c: undefined, '': 'empty key', ключ: [] } }],
  [
    'Map with keys of any type',
    new Map<unknown, unknown>([
      [1, 'n'],
      ['1', 's'],
      [{ o: 1 }, new Map()],
    ]),
  ],
  ['Set', new Set([1, 'a', undefined, Number.NaN])],
];

describe('stored values', () => {
  test.each(values)('[G11] [D-G12] %s come back equal and of the same type', (_, value) => {
    expect(decode(encode(value))).toStrictEqual(value);
  });

  test('holes of sparse arrays stay holes', () => {
    const read = decode(encode(sparse)) as unknown[];
    expect([read.length, 1 in read, read[2]]).toEqual([3, false, 3]);
    expect((decode(encode(new Array(5))) as unknown[]).length).toBe(5);
  });

  test('an object without prototype stays one', () => {
    expect(Object.getPrototypeOf(decode(encode(bare)))).toBeNull();
  });

  test('a DataView keeps its bytes', () => {
    const view = decode(encode(new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 2)));
    expect(view).toBeInstanceOf(DataView);
    expect((view as DataView).getUint16(0)).toBe(0x0203);
  });

  test('a key "__proto__" is stored as an ordinary key and changes no prototype', () => {
    const read = decode(encode(JSON.parse('{"__proto__":{"admin":true}}'))) as object;
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(Object.keys(read)).toEqual(['__proto__']);
    expect('admin' in read).toBe(false);
  });

  test('what a getter changes on the way is stored as it was, and can be read', () => {
    const list: unknown[] = [];
    list.push({
      get grow() {
        list.push(2, 3);
        return 1;
      },
    });
    expect(decode(encode(list))).toStrictEqual([{ grow: 1 }]);
  });

  test('values of another realm are stored like our own', () => {
    const foreign = runInNewContext('({ m: new Map([[1, [2]]]), s: new Set([1]), d: new Date(0) })');
    expect(decode(encode(foreign))).toStrictEqual({
      m: new Map([[1, [2]]]),
      s: new Set([1]),
      d: new Date(0),
    });
  });

  test('the bytes are the result alone, no part of a pool, and decoding copies', () => {
    const bytes = encode(Buffer.from('abc'));
    expect(bytes.buffer.byteLength).toBe(bytes.length);
    const read = decode(bytes) as Buffer;
    bytes.fill(0);
    expect(read.toString()).toBe('abc');
  });

  test('a buffer that was transferred away is stored as empty', () => {
    const view = Uint8Array.of(1, 2, 3);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    expect(decode(encode(view))).toStrictEqual(new Uint8Array());
    expect(decode(encode(view.buffer))).toStrictEqual(new ArrayBuffer(0));
  });
});

class Cart {}
const cycle: Record<string, unknown> = {};
cycle.self = cycle;
const deepCycle: Record<string, unknown> = {};
deepCycle.self = deepCycle;

function argumentsOf(..._: unknown[]): unknown {
  // biome-ignore lint/complexity/noArguments: it is what is to be refused
  return arguments;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

describe('values that cannot be stored', () => {
  test.each([
    ['a function', { a: { f: () => 1 } }, 'for data.a.f but got a function'],
    ['a symbol', [Symbol('s')], 'for data[0] but got a symbol'],
    ['a class instance', { carts: [new Cart()] }, 'for data.carts[0] but got an object of Cart'],
    ['an error', new Map([['e', new Error('x')]]), 'for data<value 0> but got an object of Error'],
    ['a promise', new Set([Promise.resolve()]), 'for data<item 0> but got an object of Promise'],
    ['symbol keys', { [Symbol('k')]: 1 }, 'for data but got an object with symbol keys'],
    [
      'a subclass of a typed array',
      new (class Bytes extends Uint8Array {})(1),
      'for data but got an object of Bytes',
    ],
    ['a cycle', cycle, 'no cycle for data.self but got data, which it is part of'],
    ['a cycle further down', { a: [deepCycle] }, 'no cycle for data.a[0].self but got data.a[0]'],
    ['a subclass of Map', { m: new (class Cart2 extends Map {})() }, 'for data.m but got an object of Cart2'],
    [
      'a subclass of Array',
      { a: new (class List extends Array {})() },
      'for data.a but got an object of List',
    ],
    ['a subclass of Date', new (class Day extends Date {})(0), 'for data but got an object of Day'],
    [
      'what match() answers',
      'ab'.match(/b/),
      'for data but got an object of Array with properties of its own',
    ],
    [
      'a Set with a name',
      Object.assign(new Set(), { n: 1 }),
      'for data but got an object of Set with properties of its own',
    ],
    [
      'a hidden key',
      Object.defineProperty({}, 'a', { value: 1 }),
      'for data but got an object with hidden keys',
    ],
    ['arguments', { a: argumentsOf(1) }, 'for data.a but got an object with symbol keys'],
    ['a number in an object', [new Number(1)], 'for data[0] but got an object of Number'],
    ['a regular expression', [/a/], 'for data[0] but got an object of RegExp'],
    ['shared memory', [new SharedArrayBuffer(1)], 'for data[0] but got an object of SharedArrayBuffer'],
    [
      'a getter that throws',
      {
        a: {
          get b() {
            throw new Error('mine');
          },
        },
      },
      'data.a.b cannot be read: mine',
    ],
    ['a revoked Proxy', { a: revoked() }, 'data.a cannot be read'],
    ['65 levels', nested(65), 'at most 64 levels for data but got more'],
  ])('%s is refused with its place', (_, value, message) => {
    expect(() => encode(value, 'data')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(() => encode(value, 'data')).toThrow(message);
  });

  test.each([
    ['a string', 'x'.repeat(1000)],
    ['a string that grows in UTF-8', '€'.repeat(40)],
    ['bytes', new Uint8Array(100)],
    ['a huge sparse array', new Array(2 ** 32 - 1)],
    ['many small values', Array.from({ length: 100 }, () => 1)],
  ])('%s over the bound is refused with ERR_LIMIT', (_, value) => {
    expect(() => encode(value, 'data', 100)).toThrow(expect.objectContaining({ code: 'ERR_LIMIT' }));
  });

  test('a value of exactly the bound is stored', () => {
    expect(encode('x'.repeat(97), 'data', 100).length).toBe(100);
    expect(() => encode('x'.repeat(98), 'data', 100)).toThrow('at most 100 bytes for data but got more');
  });
});

describe('hostile bytes', () => {
  const refused = expect.objectContaining({ code: 'ERR_STORE' });

  test.each([
    ['nothing', []],
    ['another format version', [2, 1]],
    ['a version and nothing else', [1]],
    ['an unknown tag', [1, 99]],
    ['something after the end', [1, 1, 1]],
    ['a string longer than the bytes', [1, 7, 200, 1, 65]],
    ['a string that is not UTF-8', [1, 7, 1, 255]],
    ['an array of 2^50 elements', [1, 13, 255, 255, 255, 255, 255, 255, 255, 1]],
    ['an object that claims more keys than bytes', [1, 15, 2, 7, 1, 65, 1]],
    ['a key that is a number', [1, 15, 1, 4, 2, 1]],
    ['a key twice', [1, 15, 2, 7, 1, 65, 1, 7, 1, 65, 1]],
    ['a varint without end', [1, 4, ...new Array(40).fill(255)]],
    ['half a double', [1, 5, 0, 0]],
    ['an unknown kind of view', [1, 12, 77, 0]],
    ['odd bytes for 16-bit elements', [1, 12, 3, 1, 0]],
    ['a hole outside an array', [1, 14]],
  ])('%s is an ERR_STORE error', (_, bytes) => {
    expect(() => decode(Uint8Array.from(bytes))).toThrow(refused);
  });

  test('nesting to the limit is read, one more level is refused, ten thousand do not overflow the stack', () => {
    const nested = (levels: number) => Uint8Array.from([1, ...new Array(levels).fill([13, 1]).flat(), 1]);
    expect(Array.isArray(decode(nested(64)))).toBe(true);
    expect(() => decode(nested(65))).toThrow('deeper than 64 levels');
    expect(() => decode(nested(10_000))).toThrow(refused);
  });

  test('every truncation and every flipped byte of a real value is read or refused, never anything else', () => {
    const whole = encode(
      Object.fromEntries(values.map(([name, value], index) => [`${index}${name}`, value])),
    );
    const outcomes = { read: 0, refused: 0 };
    const attempt = (bytes: Uint8Array) => {
      try {
        decode(bytes);
        outcomes.read++;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_STORE' });
        outcomes.refused++;
      }
    };
    for (let length = 0; length < whole.length; length += 7) attempt(whole.subarray(0, length));
    for (let offset = 0; offset < whole.length; offset += 3) {
      const damaged = Uint8Array.from(whole);
      damaged[offset] = ((damaged[offset] ?? 0) + 1 + offset * 37) % 256;
      attempt(damaged);
    }
    expect(outcomes.read).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(whole.length / 7 - 1);
  });
});
