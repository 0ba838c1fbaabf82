import {
  type Native,
  native,
  OUT_COPY_MAX,
  OUT_HEADER,
  OUT_SHORT_MAX,
  OUT_START,
  Out,
  OutWord,
} from './native.js';

/** Buffer with the fast decoders and encoders that its public types leave out. */
export interface FastBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, offset: number, length: number): number;
  latin1Write(text: string, offset: number, length: number): number;
}

type BufferView = new (memory: ArrayBuffer, offset: number, length: number) => Buffer;

/**
 * The class behind every Buffer: its constructor makes a view in half the time
 * of `Buffer.from`. Node offers it as the species of Buffer.
 */
export const BufferView: BufferView = (Buffer as unknown as { [Symbol.species]: BufferView })[Symbol.species];

/* called by name: V8 looks a method up slowly where it is two prototypes away */
const { set } = Uint8Array.prototype;

/* constants of this module: an import may be a getter, whose call may throw where head() must not */
const { WRITE_OFFSET, FLUSHES, SORTED } = OutWord;
const HEADER = OUT_HEADER;
const LAST_OPCODE = 0xf;

/** Stands for a slab that is not there any more. */
const NO_MEMORY = new ArrayBuffer(0);
const EMPTY = new BufferView(NO_MEMORY, 0, 0) as FastBuffer;

/**
 * The JS side of the crossing: shared memory, the out-ring's writer, and the
 * table of slabs. One per environment. It knows bytes and handles, no protocol.
 */
export interface Crossing {
  readonly native: Native;
  readonly records: Uint32Array;
  readonly queued: Float64Array;
  /** By slot: payload bytes that publications handed over since the last flush. */
  readonly published: Float64Array;
  /** A view of bytes that lie in a slab; as for the next two, they are recovered when it was given away meanwhile. */
  view(id: number, offset: number, length: number): Buffer;
  /** The same bytes as ASCII or Latin-1 text. */
  latin1(id: number, offset: number, length: number): string;
  /** The same bytes as UTF-8 text. */
  utf8(id: number, offset: number, length: number): string;
  /** The batch is over: its slabs are nobody's but their readers'. */
  settle(): void;
  /** Bytes of the ring that are taken: more than any one connection has there. */
  used(): number;
  /** Flushes so far; bytes counted in an earlier one have left the ring. */
  flushes(): number;
  /** Appends a record without payload. */
  put(kind: number, slot: number, generation: number): void;
  /** Appends a record with a copy of `bytes` (at most OUT_COPY_MAX). */
  putBytes(kind: number, slot: number, generation: number, bytes: Uint8Array): void;
  /** Appends a message of at most OUT_COPY_MAX bytes; `detail`: the opcode, perhaps with PLAIN. */
  putMessage(detail: number, slot: number, generation: number, bytes: Uint8Array): void;
  /** The same for a text of at most OUT_COPY_MAX / 3 characters as UTF-8; returns its bytes. */
  putText(detail: number, slot: number, generation: number, text: string): number;
  /** As {@link Native.publish}. */
  publish: Native['publish'];
  /** Consumes the ring now. */
  flush(): void;
}

/** Starts the crossing; `onBatch` gets the number of records in `records`. */
export function startCrossing(onBatch: (count: number) => void): Crossing {
  const n = native();
  const slabs: (ArrayBuffer | undefined)[] = [];
  const shared = n.start(onBatch, slabs, false);
  const out = Buffer.from(shared.out) as FastBuffer;
  const words = new Uint32Array(shared.out);
  const size = out.length;
  const slots = shared.queued.byteLength / 16;
  let exiting = false;
  /* the slab of the last payload */
  let memory = NO_MEMORY;
  let shown = EMPTY;
  /* the record of short messages that was written last: its begin, whom it is for, where its next frame goes, its end */
  let shortAt = 0;
  let shortSlot = 0;
  let shortGeneration = 0;
  let shortNext = 0;
  let shortEnd = 0;

  /* process.exit() runs no cleanup hook of the main thread, and no further turn of the loop */
  process.on('exit', () => {
    exiting = true;
    n.flush();
  });

  /** The slab, or nothing where it was given away. */
  function show(id: number): FastBuffer {
    const wanted = slabs[id] ?? NO_MEMORY;
    if (wanted !== memory) {
      const { byteLength } = wanted;
      shown = byteLength === 0 ? EMPTY : (new BufferView(wanted, 0, byteLength) as FastBuffer);
      memory = wanted;
    }
    return shown;
  }

  function room(bytes: number): number {
    const at = words[WRITE_OFFSET]!;
    if (at + HEADER + bytes + 8 <= size) return at;
    n.flush();
    return OUT_START;
  }

  /*
   * A call may throw where it begins, for want of stack or time. So whatever the reader takes for written is written
   * without one.
   */
  function head(at: number, kind: number, slot: number, generation: number, length: number): void {
    const w = at >>> 2;
    words[w] = kind;
    words[w + 1] = slot;
    words[w + 2] = generation;
    words[w + 3] = length;
    shortEnd = 0;
    words[WRITE_OFFSET] = (at + HEADER + length + 7) & ~7;
    if (exiting) n.flush();
  }

  /** Whether a frame of `most` bytes may go behind the last one: a short message to the same connection. */
  function follows(slot: number, generation: number, most: number): boolean {
    return (
      words[WRITE_OFFSET] === shortEnd &&
      slot === shortSlot &&
      generation === shortGeneration &&
      words[SORTED]! <= shortAt &&
      shortNext + most + 8 <= size
    );
  }

  /** Begins a record of short messages; it is nothing before frame(). Returns where its first frame goes. */
  function begin(slot: number, generation: number, most: number): number {
    shortAt = room(most);
    shortEnd = 0;
    shortSlot = slot;
    shortGeneration = generation;
    const w = shortAt >>> 2;
    words[w] = Out.SHORT;
    words[w + 1] = slot;
    words[w + 2] = generation;
    words[w + 4] = 0;
    return shortAt + HEADER;
  }

  /** The payload lies behind the two bytes at `at`. */
  function frame(at: number, opcode: number, length: number): void {
    out[at] = 0x80 | opcode; /* RFC 6455 5.2 */
    out[at + 1] = length;
    const w = shortAt >>> 2;
    shortNext = at + 2 + length;
    shortEnd = (shortNext + 7) & ~7;
    words[w + 3] = shortNext - shortAt - HEADER;
    words[w + 4]++;
    words[WRITE_OFFSET] = shortEnd;
    if (exiting) n.flush();
  }

  function putBytes(kind: number, slot: number, generation: number, bytes: Uint8Array): void {
    const { length } = bytes; /* once: another thread may let shared memory grow */
    const at = room(length);
    set.call(out, bytes, at + HEADER);
    head(at, kind, slot, generation, length);
  }

  return {
    native: n,
    records: new Uint32Array(shared.records),
    queued: new Float64Array(shared.queued, 0, slots),
    published: new Float64Array(shared.queued, slots * 8, slots),
    view(id, offset, length) {
      if (length === 0) return Buffer.alloc(0); /* memory of its own: its reader may give it away */
      if (show(id).length === 0) return n.recover(id, offset, length);
      return new BufferView(memory, offset, length);
    },
    latin1(id, offset, length) {
      if (length === 0) return '';
      const slab = show(id);
      if (slab.length === 0) return n.recover(id, offset, length).toString('latin1');
      return slab.latin1Slice(offset, offset + length);
    },
    utf8(id, offset, length) {
      if (length === 0) return '';
      const slab = show(id);
      if (slab.length === 0) return n.recover(id, offset, length).toString();
      return slab.utf8Slice(offset, offset + length);
    },
    settle() {
      memory = NO_MEMORY;
      shown = EMPTY;
    },
    used: () => words[WRITE_OFFSET]!,
    flushes: () => words[FLUSHES]!,
    put(kind, slot, generation) {
      head(room(0), kind, slot, generation, 0);
    },
    putBytes,
    putMessage(detail, slot, generation, bytes) {
      const { length } = bytes;
      if (length > OUT_SHORT_MAX || detail > LAST_OPCODE) {
        putBytes(Out.DATA | (detail << 8), slot, generation, bytes);
        return;
      }
      const at = follows(slot, generation, 2 + length) ? shortNext : begin(slot, generation, 2 + length);
      set.call(out, bytes, at + 2);
      frame(at, detail, length);
    },
    putText(detail, slot, generation, text) {
      const kind = Out.DATA | (detail << 8);
      const most = text.length * 3;
      if (text.length > OUT_SHORT_MAX || detail > LAST_OPCODE) {
        const at = room(most);
        const written = out.utf8Write(text, at + HEADER, most);
        head(at, kind, slot, generation, written);
        return written;
      }
      const at = follows(slot, generation, 2 + most) ? shortNext : begin(slot, generation, 2 + most);
      const written = out.utf8Write(text, at + 2, most);
      if (written <= OUT_SHORT_MAX) {
        frame(at, detail, written);
      } else {
        const moved = room(written);
        out.copyWithin(moved + HEADER, at + 2, at + 2 + written);
        head(moved, kind, slot, generation, written);
      }
      return written;
    },
    publish(server, slot, generation, topic, data, opcode) {
      const taken = n.publish(server, slot, generation, topic, data, opcode);
      if (exiting) n.flush();
      return taken;
    },
    flush: () => n.flush(),
  };
}

/** Sends bytes of an HTTP response; false when the handle is dead. */
export function sendRaw(crossing: Crossing, slot: number, generation: number, bytes: Uint8Array): boolean {
  if (bytes.length > OUT_COPY_MAX) return crossing.native.send(slot, generation, 0x100, bytes) >= 0;
  crossing.putBytes(Out.RAW, slot, generation, bytes);
  return true;
}
