import { describe, expect, it } from 'vitest';
import { type Connection, LwsError, type SendOptions, type ServerOptions } from '../../lib/index.js';
import { closeBody, Opcode } from '../helpers/frames.js';
import { recorder, startServer } from '../helpers/server.js';

async function pair(options: ServerOptions = {}) {
  const record = recorder();
  const running = await startServer({ ...record.handlers, ...options });
  const client = await running.open();
  return { ...running, ...record, client, connection: await record.opened.next() };
}

type Sendable = Parameters<Connection['send']>[0];

/** Small ones go through the ring, larger ones past it. */
const sizes = [0, 1, 8, 4096, 4104, 100_000];

const filled = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + 1) & 0xff);

const padded = (size: number) => {
  const memory = new ArrayBuffer(size + 32);
  new Uint8Array(memory, 16, size).set(filled(size));
  return memory;
};

const shared = (size: number) => {
  const memory = new SharedArrayBuffer(size);
  new Uint8Array(memory).set(filled(size));
  return memory;
};

const kinds: [kind: string, make: (size: number) => Sendable][] = [
  ['a Buffer', (size) => Buffer.from(filled(size))],
  ['a Uint8Array', filled],
  ['an ArrayBuffer', (size) => filled(size).buffer],
  ['a part of a Buffer', (size) => Buffer.from(padded(size)).subarray(16, 16 + size)],
  ['a DataView inside its buffer', (size) => new DataView(padded(size), 16, size)],
  ['a Uint8ClampedArray', (size) => new Uint8ClampedArray(padded(size), 16, size)],
  ['an Int8Array', (size) => new Int8Array(padded(size), 16, size)],
  ['a SharedArrayBuffer', shared],
  ['a view of a SharedArrayBuffer', (size) => new Uint8Array(shared(size))],
  [
    'a resizable ArrayBuffer',
    (size) => {
      const Resizable = ArrayBuffer as new (size: number, options: object) => ArrayBuffer;
      const memory = new Resizable(size, { maxByteLength: 2 * size + 8 });
      new Uint8Array(memory).set(filled(size));
      return memory;
    },
  ],
];

const wide: [kind: string, make: (memory: ArrayBuffer, count: number) => ArrayBufferView, bytes: number][] = [
  ['an Int16Array', (memory, count) => new Int16Array(memory, 16, count), 2],
  ['a Uint16Array', (memory, count) => new Uint16Array(memory, 16, count), 2],
  ['an Int32Array', (memory, count) => new Int32Array(memory, 16, count), 4],
  ['a Uint32Array', (memory, count) => new Uint32Array(memory, 16, count), 4],
  ['a Float32Array', (memory, count) => new Float32Array(memory, 16, count), 4],
  ['a Float64Array', (memory, count) => new Float64Array(memory, 16, count), 8],
  ['a BigInt64Array', (memory, count) => new BigInt64Array(memory, 16, count), 8],
  ['a BigUint64Array', (memory, count) => new BigUint64Array(memory, 16, count), 8],
];

describe('bytes are sent as one binary message', () => {
  it.each(kinds)('from %s', async (_, make) => {
    const { client, connection } = await pair();
    for (const size of sizes) {
      expect(connection.send(make(size))).toBe('sent');
      const frame = await client.frame();
      expect([frame.opcode, frame.payload.equals(filled(size))]).toEqual([Opcode.BINARY, true]);
    }
  });

  it.each(wide)('from %s, as they lie in memory', async (_, make, bytes) => {
    const { client, connection } = await pair();
    for (const size of [0, 8, 4104]) {
      connection.send(make(padded(size), size / bytes));
      expect((await client.frame()).payload.equals(filled(size))).toBe(true);
    }
  });
});

const texts: [what: string, text: string, sent?: string][] = [
  ['nothing', ''],
  ['ASCII', 'Hello'],
  ['NUL', 'a\0b'],
  ['latin1', 'Grüße'],
  ['two bytes each', 'λόγος'],
  ['three bytes each', '€uro 漢字'],
  ['four bytes each', '😀🎉'],
  ['the last code point', '\u{10ffff}'],
  ['a byte order mark', '\ufeffx'],
  ['a lone high surrogate', 'a\ud83d', 'a\ufffd'],
  ['a lone low surrogate', '\ude00b', '\ufffdb'],
  ['surrogates in the wrong order', '\ude00\ud83d', '\ufffd\ufffd'],
  ['as much ASCII as the ring takes', 'x'.repeat(1365)],
  ['more', 'x'.repeat(1366)],
  ['as much of three bytes each', '€'.repeat(1365)],
  ['more', '€'.repeat(1366)],
  ['much of four bytes each', '😀'.repeat(100_000)],
  ['many lone surrogates', '\ud800'.repeat(5000), '\ufffd'.repeat(5000)],
  ['a string made of parts', Array.from({ length: 500 }, (_, i) => `${i}`).reduce((all, one) => all + one)],
];

describe('a string is sent as one text message', () => {
  it.each(texts)('of %s', async (_, text, sent = text) => {
    const { client, connection } = await pair();
    expect(connection.send(text)).toBe('sent');
    const frame = await client.frame();
    expect(frame.opcode).toBe(Opcode.TEXT);
    expect(frame.payload.equals(Buffer.from(sent))).toBe(true);
  });
});

describe('options of send', () => {
  const cases: [what: string, data: Sendable, options: SendOptions | undefined, opcode: number][] = [
    ['a string', 'x', {}, Opcode.TEXT],
    ['a string with binary: false', 'x', { binary: false }, Opcode.TEXT],
    ['a string with binary: true', 'x', { binary: true }, Opcode.BINARY],
    ['a long string with binary: true', 'x'.repeat(9000), { binary: true }, Opcode.BINARY],
    ['bytes', Buffer.from('x'), {}, Opcode.BINARY],
    ['bytes with binary: true', Buffer.from('x'), { binary: true }, Opcode.BINARY],
    ['bytes with binary: false', Buffer.from('x'), { binary: false }, Opcode.TEXT],
    ['many bytes with binary: false', Buffer.alloc(9000, 'x'), { binary: false }, Opcode.TEXT],
    ['a string with binary: undefined', 'x', { binary: undefined } as SendOptions, Opcode.TEXT],
  ];
  it.each(cases)('%s', async (_, data, options, opcode) => {
    const { client, connection } = await pair();
    connection.send(data, options);
    const frame = await client.frame();
    expect([frame.opcode, frame.payload.toString()]).toEqual([opcode, data.toString()]);
  });
});

describe('data that cannot be sent', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'the number 5'],
    [5n, 'the bigint 5'],
    [true, 'the boolean true'],
    [Symbol('x'), 'a symbol'],
    [{}, 'an object of Object'],
    [[1, 2], 'an object of Array'],
    [new Blob(['x']), 'an object of Blob'],
    [Object.create(null), 'an object of no class'],
    [() => 'x', 'a function'],
  ])('%o: said, and the connection lives', async (data, came) => {
    const { client, connection } = await pair();
    for (const method of ['send', 'ping'] as const) {
      if (method === 'ping' && data === undefined) continue;
      const call = () => connection[method](data as unknown as string);
      expect(call).toThrow(LwsError);
      expect(call).toThrow(`Expected a string, an ArrayBuffer or a view of one for the data but got ${came}`);
    }
    connection.send('fine');
    expect((await client.frame()).payload.toString()).toBe('fine');
  });
});

const transferred = <T extends ArrayBuffer | ArrayBufferView>(data: T): T => {
  const memory = data instanceof ArrayBuffer ? data : (data.buffer as ArrayBuffer);
  structuredClone(memory, { transfer: [memory] });
  return data;
};

const shrunk = <T extends ArrayBufferView>(make: (memory: ArrayBuffer) => T): T => {
  const Resizable = ArrayBuffer as new (size: number, options: object) => ArrayBuffer;
  const memory = new Resizable(64, { maxByteLength: 64 }) as ArrayBuffer & { resize(size: number): void };
  const view = make(memory);
  memory.resize(8);
  return view;
};

describe('memory that is gone is said, and nothing is sent:', () => {
  it.each<[what: string, data: Sendable]>([
    ['a transferred Buffer', transferred(Buffer.from(filled(8).buffer))],
    ['a transferred Uint8Array', transferred(filled(5000))],
    ['a transferred Int16Array', transferred(new Int16Array(4))],
    ['a transferred BigInt64Array', transferred(new BigInt64Array(4))],
    ['a transferred ArrayBuffer', transferred(new ArrayBuffer(8))],
    ['a transferred DataView', transferred(new DataView(new ArrayBuffer(8)))],
    ['a view behind the end of a shrunk ArrayBuffer', shrunk((memory) => new Uint8Array(memory, 16, 8))],
    ['a wide view behind it', shrunk((memory) => new Float64Array(memory, 16, 1))],
    ['a DataView behind it', shrunk((memory) => new DataView(memory, 16, 8))],
  ])('%s', async (_, data) => {
    const { client, connection, server } = await pair();
    connection.subscribe('news');
    const calls = [
      () => connection.send(data),
      () => connection.ping(data),
      () => server.publish('news', data),
    ];
    for (const call of calls) {
      expect(call).toThrow(LwsError);
      expect(call).toThrow('Expected bytes for the data but got memory that was transferred or has shrunk');
    }
    connection.send('fine');
    expect((await client.frame()).payload.toString()).toBe('fine');
  });
});

describe('the bytes are those of the call', () => {
  it.each([1, 8, 4096, 5000, 100_000])('of %i bytes, whatever becomes of them afterwards', async (size) => {
    const { client, connection } = await pair();
    const bytes = Buffer.alloc(size, 'a');
    connection.send(bytes);
    bytes.fill('b');
    connection.send(bytes);
    const memory = new ArrayBuffer(size);
    connection.send(memory);
    structuredClone(memory, { transfer: [memory] });
    const frames = await client.frames(3);
    expect(frames.map((frame) => [frame.payload.length, frame.payload[0], frame.payload.at(-1)])).toEqual([
      [size, 0x61, 0x61],
      [size, 0x62, 0x62],
      [size, 0, 0],
    ]);
  });

  it('also while they wait for a full socket', async () => {
    const { client, connection } = await pair({ maxBackpressure: 2 ** 30 });
    client.pause();
    const bytes = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 24; i++) {
      bytes.fill(i);
      connection.send(bytes);
      connection.send(bytes.subarray(0, 100));
    }
    bytes.fill(0xff);
    client.resume();
    const frames = await client.frames(48);
    for (const [i, { payload }] of frames.entries())
      expect([payload.length, payload[0], payload.at(-1)]).toEqual([
        i % 2 === 0 ? bytes.length : 100,
        i >> 1,
        i >> 1,
      ]);
  });
});

describe('order', () => {
  it('is that of the calls, whatever the sizes and kinds', async () => {
    const { client, connection } = await pair();
    const expected: [number, number][] = [];
    for (let i = 0; i < 300; i++) {
      const size = [0, 10, 1500, 4096, 5000, 70_000][i % 6]!;
      if (i % 7 === 0) {
        connection.ping(`${i}`);
        expected.push([Opcode.PING, `${i}`.length]);
      }
      if (i % 2 === 0) connection.send('t'.repeat(size));
      else connection.send(Buffer.alloc(size));
      expected.push([i % 2 === 0 ? Opcode.TEXT : Opcode.BINARY, size]);
    }
    const frames = await client.frames(expected.length);
    expect(frames.map((frame) => [frame.opcode, frame.payload.length])).toEqual(expected);
  });

  it('holds in one turn over many connections', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers });
    const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
    const connections = await Promise.all(clients.map(() => record.opened.next()));
    for (let i = 0; i < 200; i++) for (const connection of connections) connection.send(`${i}`);
    for (const client of clients) {
      const frames = await client.frames(200);
      expect(frames.map((frame) => Number(frame.payload))).toEqual(Array.from({ length: 200 }, (_, i) => i));
    }
  });

  it('holds beyond the size of the ring in one turn', async () => {
    const { client, connection } = await pair();
    for (let i = 0; i < 5000; i++) connection.send(`${i}`.padEnd(1000));
    const frames = await client.frames(5000);
    expect(frames.map((frame) => Number(frame.payload))).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });
});

describe('send works from anywhere:', () => {
  it.each([
    ['a timer', (send: () => void) => void setTimeout(send, 1)],
    ['an immediate', (send: () => void) => void setImmediate(send)],
    ['a microtask', (send: () => void) => queueMicrotask(send)],
    ['the next tick', (send: () => void) => process.nextTick(send)],
    ['a promise', (send: () => void) => void Promise.resolve().then(send)],
  ])('%s', async (_, call) => {
    const { client, connection } = await pair();
    call(() => void connection.send('hello'));
    expect((await client.frame()).payload.toString()).toBe('hello');
  });

  it('open, message and pong; and close, where it answers closed', async () => {
    const results: string[] = [];
    const record = recorder();
    const { open } = await startServer({
      open: (c) => void results.push(c.send('from open')),
      message: (c) => void results.push(c.send('from message')),
      pong: (c) => void results.push(c.send('from pong')),
      close: (c, info) => {
        results.push(c.send('from close'));
        record.closed.push(info);
      },
    });
    const client = await open();
    client.text('x');
    client.send({ opcode: Opcode.PONG });
    expect((await client.frames(3)).map((frame) => frame.payload.toString())).toEqual([
      'from open',
      'from message',
      'from pong',
    ]);
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(1000) });
    client.end();
    await record.closed.next();
    expect(results).toEqual(['sent', 'sent', 'sent', 'closed']);
  });
});

describe('ping', () => {
  it.each([
    ['nothing', undefined, ''],
    ['a string', 'größe', 'größe'],
    ['bytes', Buffer.from('abc'), 'abc'],
    ['a view', new Uint16Array([0x6161]), 'aa'],
    ['125 bytes', 'x'.repeat(125), 'x'.repeat(125)],
  ])('sends %s, and the pong is told', async (_, data, text) => {
    const { client, connection, pongs } = await pair();
    connection.ping(data);
    const frame = await client.frame();
    expect([frame.opcode, frame.payload.toString()]).toEqual([Opcode.PING, text]);
    client.send({ opcode: Opcode.PONG, payload: frame.payload });
    expect(await pongs.next()).toBe(text);
  });

  it.each([
    ['126 bytes', 'x'.repeat(126), 126],
    ['126 bytes of UTF-8', '€'.repeat(42), 126],
    ['a big Buffer', Buffer.alloc(100_000), 100_000],
  ])('refuses %s', async (_, data, size) => {
    const { connection } = await pair();
    expect(() => connection.ping(data)).toThrow(`Expected at most 125 bytes for a ping but got ${size}`);
    expect(connection.isOpen).toBe(true);
  });

  it('does nothing on a connection that is not open', async () => {
    const { client, connection } = await pair();
    connection.close();
    connection.ping('late');
    expect((await client.frame()).opcode).toBe(Opcode.CLOSE);
  });
});

describe('send to a peer whose reset nobody has told of yet', () => {
  it("answers 'closed' where isOpen turns false, and what had come is still delivered", async () => {
    const got: unknown[] = [];
    const answers: unknown[] = [];
    const { client, closed } = await pair({
      message(c, data) {
        got.push(data);
        if (data !== 'one') return;
        client.reset();
        answers.push(c.send(new Uint8Array(100_000)), c.isOpen, c.send('short'), c.bufferedAmount);
      },
    });
    client.socket.cork();
    for (const text of ['one', 'two', 'three']) client.text(text);
    client.socket.uncork();
    expect((await closed.next()).code).toBe(1006);
    expect(answers).toEqual(['closed', false, 'closed', 0]);
    expect(got).toEqual(['one', 'two', 'three']);
  });
});

describe('close', () => {
  it.each([
    [1000, 'x'.repeat(124), 'Expected at most 123 bytes for a close reason but got 124'],
    [1000, '€'.repeat(42), 'Expected at most 123 bytes for a close reason but got 126'],
    [1000, 5, 'Expected a string for a close reason but got the number 5'],
    ['1000', '', 'Expected 1000–1003, 1007–1014 or 3000–4999 for a close code but got the string "1000"'],
    [1000.5, '', 'Expected 1000–1003, 1007–1014 or 3000–4999 for a close code but got the number 1000.5'],
    [null, '', 'Expected 1000–1003, 1007–1014 or 3000–4999 for a close code but got null'],
  ])('%j with %j is refused', async (code, reason, message) => {
    const { connection } = await pair();
    const call = () => connection.close(code as number, reason as string);
    expect(call).toThrow(LwsError);
    expect(call).toThrow(message);
    expect(connection.isOpen).toBe(true);
  });

  it('replaces lone surrogates in a reason', async () => {
    const { client, connection } = await pair();
    connection.close(1000, 'a\ud800');
    expect((await client.frame()).payload.toString('utf8', 2)).toBe('a\ufffd');
  });
});
