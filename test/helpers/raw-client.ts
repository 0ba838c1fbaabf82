import { createConnection, type Socket } from 'node:net';
import { encodeFrame, type Frame, type FrameFields, Opcode } from './frames.js';

/** The key and its accept value of RFC 6455 1.3. */
export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ==';
export const sampleAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

export interface RequestFields {
  method?: string;
  target?: string;
  version?: string;
  /** Added to those of a valid handshake; `undefined` leaves one out, an array repeats it. */
  headers?: Record<string, string | readonly string[] | undefined>;
}

/** The text of a handshake, valid unless the fields say otherwise. */
export function handshakeText(fields: RequestFields = {}): string {
  const headers: NonNullable<RequestFields['headers']> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': sampleKey,
    'Sec-WebSocket-Version': '13',
    ...fields.headers,
  };
  const { method = 'GET', target = '/', version = 'HTTP/1.1' } = fields;
  const lines = [`${method} ${target} ${version}`];
  for (const [name, value] of Object.entries(headers))
    for (const one of value === undefined ? [] : [value].flat()) lines.push(`${name}: ${one}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export interface RawResponse {
  status: number;
  /** Names in lower case; repeated ones as they came. */
  fields: [name: string, value: string][];
  /** The first of a name. */
  header(name: string): string | undefined;
  /** By Content-Length; empty without. */
  body: string;
}

/** A TCP client that speaks WebSocket byte by byte, as wrongly as a test wants. */
export interface RawClient {
  readonly socket: Socket;
  write(data: string | Uint8Array): void;
  send(fields: FrameFields): void;
  text(payload: string): void;
  /** Reads one HTTP response; that of a HEAD request has no body, whatever its length. */
  response(head?: boolean): Promise<RawResponse>;
  /** Sends a handshake and expects 101. */
  handshake(fields?: RequestFields): Promise<RawResponse>;
  /** The next frame; rejects when the input ends before. */
  frame(): Promise<Frame>;
  frames(count: number): Promise<Frame[]>;
  /** Every frame up to the end of the input. */
  framesToEnd(): Promise<Frame[]>;
  /** Every frame up to a close frame, which is answered; then both sides end. */
  framesToEndOfClose(): Promise<Frame[]>;
  /** All bytes up to the end of the input. */
  bytesToEnd(): Promise<Buffer>;
  /** How the input ended: FIN, or RST. */
  readonly ended: Promise<'fin' | 'reset'>;
  readonly isEnded: boolean;
  /** Stops or goes on reading, so that the peer's output gets stuck. */
  pause(): void;
  resume(): void;
  /** Sends FIN. */
  end(): void;
  /** Sends RST. */
  reset(): void;
  destroy(): void;
}

function parseHead(text: string): Omit<RawResponse, 'body'> {
  const [start, ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(start!)?.[1]);
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status, fields, header: (name) => fields.find(([one]) => one === name)?.[1] };
}

/** Wraps a connected socket that allows half-open use. */
export function rawClient(socket: Socket): RawClient {
  let chunks: Buffer[] = [];
  let size = 0;
  let isEnded = false;
  let wake: (() => void) | undefined;
  let tellEnd!: (how: 'fin' | 'reset') => void;
  const ended = new Promise<'fin' | 'reset'>((resolve) => {
    tellEnd = resolve;
  });

  function changed(): void {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  }
  function finish(how: 'fin' | 'reset'): void {
    isEnded = true;
    tellEnd(how);
    changed();
  }
  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    changed();
  });
  socket.on('end', () => finish('fin'));
  socket.on('error', () => finish('reset'));
  socket.on('close', () => finish('reset'));

  function more(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve;
    });
  }
  function all(): Buffer {
    const joined = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    chunks = [joined];
    return joined;
  }
  function take(count: number): Buffer {
    const joined = all();
    chunks = [joined.subarray(count)];
    size -= count;
    return joined.subarray(0, count);
  }
  /** False: the input ended with fewer bytes. */
  async function has(count: number): Promise<boolean> {
    while (size < count) {
      if (isEnded) return false;
      await more();
    }
    return true;
  }
  async function need(count: number, what: string): Promise<void> {
    if (!(await has(count))) throw new Error(`The input ended with ${size} bytes where ${what} was expected`);
  }

  async function response(isHead = false): Promise<RawResponse> {
    let end = -1;
    for (let seen = 0; end < 0; seen = size) {
      await need(seen + 1, 'an HTTP response');
      end = all().indexOf('\r\n\r\n');
    }
    const head = parseHead(take(end + 4).toString('latin1', 0, end));
    const length = isHead ? 0 : Number(head.header('content-length') ?? 0);
    await need(length, 'the body of a response');
    return { ...head, body: take(length).toString() };
  }

  async function frame(): Promise<Frame> {
    await need(2, 'a frame');
    const second = all()[1]!;
    const masked = (second & 0x80) !== 0;
    const short = second & 0x7f;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headerSize = 2 + extra + (masked ? 4 : 0);
    await need(headerSize, 'the header of a frame');
    const header = take(headerSize);
    const length =
      extra === 2 ? header.readUInt16BE(2) : extra === 8 ? Number(header.readBigUInt64BE(2)) : short;
    await need(length, 'the payload of a frame');
    const payload = take(length);
    if (masked) for (let i = 0; i < length; i++) payload[i]! ^= header[headerSize - 4 + (i & 3)]!;
    const first = header[0]!;
    return { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 0xf, masked, payload };
  }

  const client: RawClient = {
    socket,
    write: (data) => void socket.write(data),
    send: (fields) => void socket.write(encodeFrame(fields)),
    text: (payload) => client.send({ opcode: Opcode.TEXT, payload }),
    response,
    async handshake(fields) {
      socket.write(handshakeText(fields));
      const answer = await response();
      if (answer.status !== 101) throw new Error(`Expected 101 but got ${answer.status}: ${answer.body}`);
      return answer;
    },
    frame,
    async frames(count) {
      const found: Frame[] = [];
      while (found.length < count) found.push(await frame());
      return found;
    },
    async framesToEnd() {
      const found: Frame[] = [];
      while (await has(1)) found.push(await frame());
      return found;
    },
    async framesToEndOfClose() {
      const found: Frame[] = [];
      do found.push(await frame());
      while (found.at(-1)!.opcode !== Opcode.CLOSE);
      socket.end(encodeFrame({ opcode: Opcode.CLOSE, payload: found.at(-1)!.payload.subarray(0, 2) }));
      await ended;
      return found;
    },
    async bytesToEnd() {
      await has(Number.POSITIVE_INFINITY);
      return take(size);
    },
    ended,
    get isEnded() {
      return isEnded;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    destroy: () => void socket.destroy(),
  };
  return client;
}

/** Where to connect: a port of 127.0.0.1, or what `net.createConnection` takes. */
export type Where = number | { port: number; host: string } | { path: string };

export function connectRaw(where: Where): Promise<RawClient> {
  const target = typeof where === 'number' ? { port: where, host: '127.0.0.1' } : where;
  return new Promise((resolve, reject) => {
    const socket = createConnection({ ...target, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(rawClient(socket));
    });
  });
}
