import { type Native, native, OUT_COPY_MAX, OUT_HEADER, OUT_START, Out } from './native.js';

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

/** An empty slab stands for a payload of no bytes. */
const EMPTY = Buffer.alloc(0) as FastBuffer;

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
  /** The payload memory of a batch, by slab id. */
  slab(id: number): FastBuffer;
  /** A view of bytes that lie in a slab; recovered when the slab was given away meanwhile. */
  view(id: number, offset: number, length: number): Buffer;
  /** The batch is over: its slabs are nobody's but their readers'. */
  settle(): void;
  /** Flushes so far; bytes counted in an earlier one have left the ring. */
  flushes(): number;
  /** Appends a record without payload. */
  put(kind: number, slot: number, generation: number): void;
  /** Appends a record with a copy of `bytes` (at most OUT_COPY_MAX). */
  putBytes(kind: number, slot: number, generation: number, bytes: Uint8Array): void;
  /** Appends a record with a text of at most OUT_COPY_MAX / 3 characters as UTF-8; returns its bytes. */
  putText(kind: number, slot: number, generation: number, text: string): number;
  /** As {@link Native.publish}. */
  publish: Native['publish'];
  /** Consumes the ring now. */
  flush(): void;
}

/** Starts the crossing; `onBatch` gets the number of records in `records`. */
export function startCrossing(onBatch: (count: number) => void): Crossing {
  const n = native();
  const slabs: (FastBuffer | undefined)[] = [];
  const shared = n.start(onBatch, slabs, false);
  const out = Buffer.from(shared.out) as FastBuffer;
  const words = new Uint32Array(shared.out);
  const size = out.length;
  const slots = shared.queued.byteLength / 16;
  let exiting = false;
  /* the slab of the last view, and where it lies: these getters cost more than the view itself */
  let shown = EMPTY;
  let memory = EMPTY.buffer as ArrayBuffer;
  let base = EMPTY.byteOffset;

  /* process.exit() runs no cleanup hook of the main thread, and no further turn of the loop */
  process.on('exit', () => {
    exiting = true;
    n.flush();
  });

  function room(bytes: number): number {
    const at = words[0]!;
    if (at + OUT_HEADER + bytes + 8 <= size) return at;
    n.flush();
    return OUT_START;
  }

  function head(at: number, kind: number, slot: number, generation: number, length: number): void {
    const w = at >>> 2;
    words[w] = kind;
    words[w + 1] = slot;
    words[w + 2] = generation;
    words[w + 3] = length;
    words[0] = (at + OUT_HEADER + length + 7) & ~7;
    if (exiting) n.flush();
  }

  return {
    native: n,
    records: new Uint32Array(shared.records),
    queued: new Float64Array(shared.queued, 0, slots),
    published: new Float64Array(shared.queued, slots * 8, slots),
    slab: (id) => slabs[id] ?? EMPTY,
    view(id, offset, length) {
      if (length === 0) return Buffer.alloc(0); /* memory of its own: its reader may give it away */
      const slab = slabs[id] ?? EMPTY;
      if (slab !== shown) {
        shown = slab;
        memory = slab.buffer as ArrayBuffer;
        base = slab.byteOffset;
      }
      if (slab.length === 0) return n.recover(id, offset, length);
      return new BufferView(memory, base + offset, length);
    },
    settle() {
      shown = EMPTY;
      memory = EMPTY.buffer as ArrayBuffer;
      base = EMPTY.byteOffset;
    },
    flushes: () => words[1]!,
    put(kind, slot, generation) {
      head(room(0), kind, slot, generation, 0);
    },
    putBytes(kind, slot, generation, bytes) {
      const at = room(bytes.length);
      out.set(bytes, at + OUT_HEADER);
      head(at, kind, slot, generation, bytes.length);
    },
    putText(kind, slot, generation, text) {
      const most = text.length * 3;
      const at = room(most);
      const written = out.utf8Write(text, at + OUT_HEADER, most);
      head(at, kind, slot, generation, written);
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
