import { type Crossing, type FastBuffer, sendRaw } from '../crossing/crossing.js';
import { OUT_COPY_MAX, Out } from '../crossing/native.js';
import { Buffer, setImmediate } from '../shared/ambient.js';

/** A response waits for the socket while more than so many bytes wait in front of it. */
export const HIGH_MARK = 64 * 1024;
/** A piece is at most so long, so that no response queues more than one beyond the mark. */
export const PIECE_MAX = 64 * 1024;
/** A peer that takes everything at once gets so much before other work has its turn. */
const TURN = 1024 * 1024;

/** Where a piece is joined with what frames it: its bytes are read during the call that sends them. */
const joined = Buffer.allocUnsafeSlow(PIECE_MAX + 16 * 1024) as FastBuffer;

/** Sends the bytes of one response, no faster than the socket takes them. */
export class Sender {
  readonly #crossing: Crossing;
  readonly #slot: number;
  readonly #generation: number;
  /** Bytes that may still lie in the out-ring. */
  #inRing = 0;
  #thisTurn = 0;
  #wake: (() => void) | undefined;
  #alive = true;

  constructor(crossing: Crossing, slot: number, generation: number) {
    this.#crossing = crossing;
    this.#slot = slot;
    this.#generation = generation;
  }

  /** Whether anything may still be sent: the response has not ended and its transport lives. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Whether {@link room} is to be awaited before more is sent. */
  get full(): boolean {
    return this.#alive && (this.#thisTurn > TURN || this.#crossing.queued[this.#slot]! > HIGH_MARK);
  }

  /** Sends a piece of a body between two texts of latin1 characters, each of them possibly empty. */
  send(before: string, piece: Uint8Array, after: string): void {
    if (!this.#alive) return;
    const bytes = before === '' && after === '' ? piece : join(before, piece, after);
    if (bytes.length === 0) return;
    sendRaw(this.#crossing, this.#slot, this.#generation, bytes);
    this.#thisTurn += bytes.length;
    /* a larger one flushed the ring on its way */
    this.#inRing = bytes.length > OUT_COPY_MAX ? 0 : this.#inRing + bytes.length;
    if (this.#inRing <= HIGH_MARK) return;
    this.#crossing.flush();
    this.#inRing = 0;
  }

  /** Settles when more may be sent, or nothing ever again. */
  async room(): Promise<void> {
    if (this.#thisTurn > TURN) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#thisTurn = 0;
    }
    while (this.#alive && this.#crossing.queued[this.#slot]! > HIGH_MARK)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  /** The native queue ran empty. */
  flushed(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Asks for something without payload. */
  order(kind: number): void {
    if (this.#alive) this.#crossing.put(kind, this.#slot, this.#generation);
  }

  /** Ends the response; `keep` lets the transport take another request. */
  end(keep: boolean): void {
    this.order(Out.RESPONSE_END | (keep ? 1 << 8 : 0));
    this.close();
  }

  /** Cuts the transport, so that the peer sees a response that ends too early. */
  terminate(): void {
    this.order(Out.TERMINATE);
    this.close();
  }

  /** From here on nothing is sent. */
  close(): void {
    this.#alive = false;
    this.flushed();
  }
}

/** One run of bytes costs the socket less than three. */
function join(before: string, piece: Uint8Array, after: string): Uint8Array {
  const size = before.length + piece.length + after.length;
  const into = size <= joined.length ? joined : (Buffer.allocUnsafeSlow(size) as FastBuffer);
  into.latin1Write(before, 0, before.length);
  into.set(piece, before.length);
  into.latin1Write(after, before.length + piece.length, after.length);
  return into.subarray(0, size);
}
