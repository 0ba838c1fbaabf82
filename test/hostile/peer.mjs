// A raw peer: a socket that writes any bytes in any pieces, and reads frames as they are.
import { connect as connectPlain } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { CLOSE, compress, decompress, frame, handshake, PING, PONG, readFrame, TEXT } from './wire.mjs';

const NOTHING = Buffer.alloc(0);
const WINDOW = 32_768;

export class Peer {
  /** `where`: { port | path, tls }; `ledger` may be undefined for peers nobody judges. */
  constructor(random, where, name, ledger) {
    this.random = random;
    this.where = where;
    this.name = name;
    this.ledger = ledger;
    this.socket = undefined;
    this.status = 0; /* of the response, 0 before it */
    this.deflate = false;
    this.answersPings = true;
    this.over = new Promise((resolve) => {
      this.tellOver = resolve;
    });
    this.ended = undefined;
    this.closeCode = undefined;
    this.pending = NOTHING;
    this.needed = 1;
    this.parts = undefined;
    this.window = NOTHING;
    this.closeWritten = false;
    this.behind = undefined; /* what waits for the end of a write in pieces */
    this.destroyed = false;
  }

  /** False when it was refused. */
  connect() {
    const { port, path, tls, plainly } = this.where;
    const target = path === undefined ? { port, host: '127.0.0.1' } : { path };
    const options = { ...target, allowHalfOpen: true, noDelay: true };
    const plain = connectPlain(options);
    const socket = tls && !plainly ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
    this.plain = plain;
    this.socket = socket;
    if (socket !== plain) plain.on('error', () => {}); /* told by both */
    socket.on('data', (data) => this.input(data));
    socket.on('end', () => this.end('fin'));
    socket.on('close', () => this.end('gone'));
    return new Promise((resolve) => {
      socket.on('error', (error) => {
        this.end(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : error.code);
        resolve(false);
      });
      socket.on('close', () => resolve(false));
      /* not in the call: what is destroyed in it, Node 20's TLS goes on to use */
      socket.on(tls && !plainly ? 'secureConnect' : 'connect', () => setImmediate(resolve, true));
    });
  }

  end(how) {
    this.ended ??= how;
    this.wakeHead?.();
    this.tellOver(this.ended);
  }

  get alive() {
    return this.ended === undefined && !this.destroyed;
  }

  input(data) {
    this.pending = this.pending.length > 0 ? Buffer.concat([this.pending, data]) : data;
    if (this.status === 0) this.takeHead();
    if (this.status === 101 && this.pending.length >= this.needed) this.takeFrames();
    else if (this.status !== 101 && this.status !== 0) this.pending = NOTHING;
  }

  takeHead() {
    const end = this.pending.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.pending.toString('latin1', 0, end);
    this.pending = this.pending.subarray(end + 4);
    this.status = Number(head.slice(9, 12));
    this.deflate = /^sec-websocket-extensions: *permessage-deflate/im.test(head);
    if (this.status === 0) this.ledger?.fail(`no response: ${head.slice(0, 80)}`);
    this.wakeHead?.();
  }

  takeFrames() {
    let all = this.pending;
    let found = readFrame(all);
    while (found?.payload) {
      all = all.subarray(found.end);
      this.take(found);
      found = readFrame(all);
    }
    this.pending = all;
    this.needed = found?.end ?? all.length + 1;
  }

  take({ fin, rsv, opcode, payload }) {
    if (opcode === CLOSE) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      if (this.closeCode !== undefined) this.ledger?.fail('a second close frame');
      this.closeCode = code;
      if (this.ledger) this.ledger.closeSeen = code;
    } else if (opcode === PING) {
      if (this.answersPings && !this.closeWritten) this.later(this.frame(PONG, payload));
    } else if (opcode < CLOSE) {
      this.parts ??= { text: opcode === TEXT, compressed: (rsv & 4) !== 0, list: [] };
      this.parts.list.push(payload);
      if (fin) this.whole();
    }
  }

  whole() {
    const { text, compressed, list } = this.parts;
    this.parts = undefined;
    if (!this.ledger) return;
    const joined = Buffer.concat(list);
    const bytes = compressed ? decompress(joined, this.window) : joined;
    if (compressed) this.window = Buffer.concat([this.window, bytes]).subarray(-WINDOW);
    this.ledger.arrivedDown(text ? bytes.toString() : bytes);
  }

  frame(opcode, payload, options) {
    return frame(opcode, payload, { mask: this.random.bytes(4), ...options });
  }

  /** Frames of one message, whole or in fragments, compressed or not, perhaps with pings between them. */
  message(data) {
    const { random } = this;
    const text = typeof data === 'string';
    const plain = Buffer.from(data);
    const compressed = this.deflate && random.chance(0.7);
    const payload = compressed ? compress(plain) : plain;
    const rsv = compressed ? 4 : 0;
    const count = random.chance(0.75) ? 1 : random.between(2, 5);
    const frames = [];
    for (let i = 0, at = 0; i < count; i++) {
      const end = i === count - 1 ? payload.length : at + random.below(payload.length - at + 1);
      const part = payload.subarray(at, end);
      frames.push(this.frame(i > 0 ? 0 : text ? 1 : 2, part, { fin: i === count - 1, rsv: i > 0 ? 0 : rsv }));
      if (random.chance(0.1)) frames.push(this.frame(PING, random.bytes(random.below(126))));
      at = end;
    }
    return Buffer.concat(frames);
  }

  /** The next message of its plan, as bytes. */
  next(most) {
    return this.message(this.ledger.plan(this.random, most).data);
  }

  /** Writes without waiting. */
  put(bytes) {
    if (this.socket.writable && !this.destroyed) this.socket.write(bytes);
  }

  /** Writes now, or behind what is just written in pieces. */
  later(bytes) {
    if (this.behind) this.behind.push(bytes);
    else this.put(bytes);
  }

  /** Writes in pieces, perhaps with pauses between them. */
  async write(bytes) {
    const { random } = this;
    this.behind = [];
    const pieces = random.chance(0.5) ? 1 : random.between(2, 6);
    for (let i = 0, at = 0; i < pieces && this.alive; i++) {
      const end = i === pieces - 1 ? bytes.length : at + random.below(bytes.length - at + 1);
      this.put(bytes.subarray(at, end));
      at = end;
      if (i < pieces - 1) await (random.chance(0.8) ? turn() : sleep(random.below(8)));
    }
    const { behind } = this;
    this.behind = undefined;
    for (const each of behind) this.put(each);
  }

  /** The status of the response to a handshake; 0 when none came. `behind` is sent with it. */
  async upgrade({ offer, behind = NOTHING, protocols } = {}) {
    const answered = new Promise((resolve) => {
      this.wakeHead = resolve;
    });
    const bytes = handshake(`/${this.name}`, { offer, protocols });
    await this.write(Buffer.concat([bytes, behind]));
    if (this.alive && this.status === 0) await answered;
    return this.status;
  }

  closeFrame(code = 1000) {
    this.closeWritten = true;
    return this.frame(CLOSE, Buffer.from([code >> 8, code & 255]));
  }

  fin() {
    if (!this.destroyed) this.socket.end();
  }

  /** RST. */
  reset() {
    this.destroyed = true;
    setImmediate(() => {
      /* Node never closes what it was to reset in the middle of a shutdown, and its worker never ends */
      const ends = this.plain.writableEnded || this.socket.writableEnded;
      if (this.where.path === undefined && !ends) this.plain.resetAndDestroy();
      this.socket.destroy();
    });
    this.end('own reset');
  }

  destroy() {
    this.destroyed = true;
    setImmediate(() => this.socket?.destroy());
    this.end('own end');
  }
}
