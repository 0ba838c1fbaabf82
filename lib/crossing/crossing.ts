import { markAsUntransferable } from 'node:worker_threads';
import { Buffer, process } from '../shared/ambient.js';
import {
  type Native,
  native,
  OPCODE_RAW,
  OUT_COPY_MAX,
  OUT_HEADER,
  OUT_SHORT_MAX,
  OUT_SORTED,
  OUT_START,
  OUT_WRITE_OFFSET,
  Out,
  PLAIN,
} from './native.js';
import { OUT_GENERATION, OUT_LENGTH, OUT_SLOT } from './record.js';

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

/* Node 20 has none */
const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer };

/* constants of this module: an import may be a getter, whose call may throw where head() must not */
const WRITE_OFFSET = OUT_WRITE_OFFSET;
const SLOT = OUT_SLOT;
const GENERATION = OUT_GENERATION;
const LENGTH = OUT_LENGTH;
const HEADER = OUT_HEADER;

/** Who is meant: a place in the registry, and which of those who had it. */
export interface Handle {
  readonly slot: number;
  readonly generation: number;
}

/** The record of short messages that was written last. */
interface ShortRecord {
  /** Whom it is for. */
  handle: Handle;
  /** Where its first frame is. */
  begin: number;
  /** Where its next one goes. */
  next: number;
  end: number;
}

const NOBODY: Handle = { slot: 0, generation: 0 };

/** The slab of the last payload. */
interface Seen {
  memory: ArrayBuffer;
  bytes: FastBuffer;
}

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
  /** By slot: bytes that wait natively for its socket. */
  readonly queued: Float64Array;
  /** By slot: payload bytes of messages, pings and publications that the next flush takes. */
  readonly handed: Float64Array;
  /** A view of bytes that lie in a slab; as for the next two, they are recovered when it was given away meanwhile. */
  view(id: number, offset: number, length: number): Buffer;
  /** The same bytes as ASCII or Latin-1 text. */
  latin1(id: number, offset: number, length: number): string;
  /** The same bytes as UTF-8 text. */
  utf8(id: number, offset: number, length: number): string;
  /** The batch is over: its slabs are nobody's but their readers'. */
  settle(): void;
  /** Payload bytes that were accepted for a slot and that its socket has not taken. */
  waiting(slot: number): number;
  /** Appends a record without payload. */
  put(kind: number, slot: number, generation: number): void;
  /** Appends a record with a copy of `bytes` (at most OUT_COPY_MAX); those of a ping are counted as handed over. */
  putBytes(kind: number, slot: number, generation: number, bytes: Uint8Array): void;
  /**
   * Appends a message of at most OUT_COPY_MAX bytes; `detail`: the opcode, perhaps with PLAIN. Returns whether nothing
   * waits natively.
   */
  putMessage(detail: number, handle: Handle, bytes: Uint8Array): boolean;
  /** The same for a text of at most OUT_COPY_MAX / 3 characters, as UTF-8. */
  putText(detail: number, handle: Handle, text: string): boolean;
  /** As {@link Native.publish}. */
  publish: Native['publish'];
  /** Consumes the ring now. */
  flush(): void;
}

/** Starts the crossing; `onBatch` gets the number of records in `records`. */
export function startCrossing(onBatch: (count: number) => void): Crossing {
  const n = native();
  const slabs: (ArrayBuffer | undefined)[] = [];
  const shared = n.start(onBatch, slabs, false, markAsUntransferable, transfer);
  const out = Buffer.from(shared.out) as FastBuffer;
  const words = new Uint32Array(shared.out);
  const size = out.length;
  const slots = shared.queued.byteLength / 16;
  const queued = new Float64Array(shared.queued, 0, slots);
  const handed = new Float64Array(shared.queued, slots * 8, slots);
  const last: ShortRecord = { handle: NOBODY, begin: 0, next: 0, end: 0 };
  const seen: Seen = { memory: NO_MEMORY, bytes: EMPTY };

  /** The slab, or nothing where it was given away. */
  function show(id: number): FastBuffer {
    const wanted = slabs[id] ?? NO_MEMORY;
    if (wanted !== seen.memory) {
      const { byteLength } = wanted;
      seen.bytes = byteLength === 0 ? EMPTY : (new BufferView(wanted, 0, byteLength) as FastBuffer);
      seen.memory = wanted;
    }
    return seen.bytes;
  }

  /** A view of what is not shown yet, is empty, or was given away. */
  function look(id: number, offset: number, length: number): Buffer {
    if (length === 0) return Buffer.alloc(0); /* memory of its own: its reader may give it away */
    if (show(id).length === 0) return n.recover(id, offset, length);
    return new BufferView(seen.memory, offset, length);
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
    words[w + SLOT] = slot;
    words[w + GENERATION] = generation;
    words[w + LENGTH] = length;
    last.end = 0;
    words[WRITE_OFFSET] = (at + HEADER + length + 7) & ~7;
  }

  /** Where a frame of `most` bytes goes: behind the last one, where that is a short message to the same connection. */
  function place(handle: Handle, most: number): number {
    const { next } = last;
    return handle === last.handle &&
      words[WRITE_OFFSET] === last.end &&
      words[OUT_SORTED]! < last.begin &&
      next + most + 8 <= size
      ? next
      : begin(handle, most);
  }

  /** Begins a record of short messages; it is nothing before frame(). Returns where its first frame goes. */
  function begin(handle: Handle, most: number): number {
    const at = room(most);
    last.handle = handle;
    last.begin = at + HEADER;
    last.end = 0;
    const w = at >>> 2;
    words[w] = Out.SHORT;
    words[w + SLOT] = handle.slot;
    words[w + GENERATION] = handle.generation;
    return at + HEADER;
  }

  /** The payload lies behind the two bytes at `at`. */
  function frame(at: number, opcode: number, length: number): void {
    const record = last;
    const first = record.begin;
    const next = at + 2 + length;
    out[at] = 0x80 | opcode; /* RFC 6455 5.2 */
    out[at + 1] = length;
    words[((first - HEADER) >>> 2) + LENGTH] = next - first;
    record.next = next;
    words[WRITE_OFFSET] = record.end = (next + 7) & ~7;
  }

  function putBytes(kind: number, slot: number, generation: number, bytes: Uint8Array): void {
    const { length } = bytes; /* once: another thread may let shared memory grow */
    const at = room(length);
    set.call(out, bytes, at + HEADER);
    head(at, kind, slot, generation, length);
    if (kind === Out.PING) handed[slot]! += length;
  }

  const crossing: Crossing = {
    native: n,
    records: new Uint32Array(shared.records),
    queued,
    handed,
    view(id, offset, length) {
      const { memory, bytes } = seen;
      return slabs[id] === memory && bytes.length !== 0
        ? new BufferView(memory, offset, length)
        : look(id, offset, length);
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
      seen.memory = NO_MEMORY;
      seen.bytes = EMPTY;
      last.handle = NOBODY; /* who died in this batch is held no longer */
    },
    waiting: (slot) => queued[slot]! + handed[slot]!,
    put(kind, slot, generation) {
      head(room(0), kind, slot, generation, 0);
    },
    putBytes,
    putMessage(detail, handle, bytes) {
      const { length } = bytes;
      const { slot } = handle;
      if (length > OUT_SHORT_MAX || detail >= PLAIN) {
        putBytes(Out.DATA | (detail << 8), slot, handle.generation, bytes);
      } else {
        const at = place(handle, 2 + length);
        set.call(out, bytes, at + 2);
        frame(at, detail, length);
      }
      handed[slot]! += length;
      return queued[slot] === 0;
    },
    putText(detail, handle, text) {
      const { slot, generation } = handle;
      const kind = Out.DATA | (detail << 8);
      const most = text.length * 3;
      if (text.length > OUT_SHORT_MAX || detail >= PLAIN) {
        const at = room(most);
        const written = out.utf8Write(text, at + HEADER, most);
        head(at, kind, slot, generation, written);
        handed[slot]! += written;
        return queued[slot] === 0;
      }
      const at = place(handle, 2 + most);
      const written = out.utf8Write(text, at + 2, most);
      if (written <= OUT_SHORT_MAX) {
        frame(at, detail, written);
      } else {
        const moved = room(written);
        out.copyWithin(moved + HEADER, at + 2, at + 2 + written);
        head(moved, kind, slot, generation, written);
      }
      handed[slot]! += written;
      return queued[slot] === 0;
    },
    publish: (server, slot, generation, topic, data, opcode) =>
      n.publish(server, slot, generation, topic, data, opcode),
    flush: () => n.flush(),
  };
  process.on('exit', () => flushEach(crossing));
  return crossing;
}

/** process.exit() runs no cleanup hook of the main thread, and no further turn of the loop: nothing may wait for one. */
function flushEach(crossing: Crossing): void {
  const { put, putBytes, putMessage, putText, publish, flush, queued } = crossing;
  crossing.put = (...given) => {
    put(...given);
    flush();
  };
  crossing.putBytes = (...given) => {
    putBytes(...given);
    flush();
  };
  crossing.putMessage = (detail, handle, bytes) => {
    putMessage(detail, handle, bytes);
    flush();
    return queued[handle.slot] === 0;
  };
  crossing.putText = (detail, handle, text) => {
    putText(detail, handle, text);
    flush();
    return queued[handle.slot] === 0;
  };
  crossing.publish = (...given) => {
    const taken = publish(...given);
    flush();
    return taken;
  };
  flush();
}

/** Sends bytes of an HTTP response; false when the handle is dead. */
export function sendRaw(crossing: Crossing, slot: number, generation: number, bytes: Uint8Array): boolean {
  if (bytes.length > OUT_COPY_MAX) return crossing.native.send(slot, generation, OPCODE_RAW, bytes) >= 0;
  crossing.putBytes(Out.RAW, slot, generation, bytes);
  return true;
}
