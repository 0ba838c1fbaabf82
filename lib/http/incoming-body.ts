import { copyAlone } from '../shared/alone.js';
import { Buffer } from '../shared/ambient.js';
import { bodyError } from './body-error.js';

/** So much may wait for its reader before the peer is held back. */
const WAITING_MAX = 64 * 1024;
/** What a piece costs beside its bytes: a peer may send them one by one. */
const PIECE_COST = 256;

/** How a body steers its transport. */
export interface BodyFlow {
  /** Asks a peer that waits for it to send the body (RFC 9110 10.1.1). */
  proceed(): void;
  resume(): void;
  pause(): void;
}

/**
 * A request body on its way to one reader. It arrives paused, starts with the
 * first read, and holds at most about 64 KiB for a reader that is slower.
 */
export class IncomingBody implements AsyncIterable<Buffer> {
  readonly #flow: BodyFlow;
  readonly #declared: () => number | undefined;
  #pieces: Buffer[] = [];
  #waiting = 0;
  #received = 0;
  /** The peer waits to be asked for it. */
  #unasked: boolean;
  #claimed = false;
  #flowing = false;
  #dropping = false;
  #complete: boolean;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #onComplete: (() => void) | undefined;

  /** `declared` reads Content-Length, for a request that has a body; `waits`: its peer expects 100-continue. */
  constructor(flow: BodyFlow, declared: (() => number | undefined) | undefined, waits: boolean) {
    this.#flow = flow;
    this.#declared = declared ?? (() => 0);
    this.#complete = declared === undefined;
    this.#unasked = waits && !this.#complete;
  }

  /** Whether nothing more will arrive. */
  get complete(): boolean {
    return this.#complete;
  }

  /** How many bytes have to be taken in before another request can follow; Infinity when that is unknown. */
  get leftover(): number {
    if (this.#complete) return 0;
    return this.#unasked ? Infinity : (this.#declared() ?? Infinity) - this.#received;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    this.#claim();
    return this.#read();
  }

  /** All of it, at most `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    this.#claim();
    if ((this.#declared() ?? 0) > limit) throw tooLarge(limit);
    let whole: Buffer | undefined;
    let size = 0;
    for await (const piece of this.#read()) {
      if (size + piece.length > limit) throw tooLarge(limit);
      whole = whole === undefined ? piece : append(whole, size, piece);
      size += piece.length;
    }
    return whole?.subarray(0, size) ?? Buffer.alloc(0);
  }

  /** Takes in what arrived, in memory that lives for the call. */
  push(bytes: Buffer, last: boolean): void {
    this.#received += bytes.length;
    if (bytes.length > 0 && !this.#dropping) {
      this.#pieces.push(copyAlone(bytes));
      this.#waiting += bytes.length + PIECE_COST;
    }
    if (last) {
      this.#complete = true;
      this.#onComplete?.();
    } else if (this.#waiting > WAITING_MAX) {
      this.#hold();
    }
    this.#stir();
  }

  /** No more will come: reading ends with `error` behind what is here already. */
  fail(error: Error): void {
    if (this.#complete) return;
    this.#error ??= error;
    this.#stir();
  }

  /** Lets the rest arrive and drops it; `done` is called when it is over. */
  discard(done: () => void): void {
    this.#drop();
    this.#onComplete = done;
    this.#flowing = false; /* a reader that ends now must not hold it */
    this.#flow.resume();
  }

  #claim(): void {
    if (this.#claimed) throw bodyError('A request body can be read only once');
    this.#claimed = true;
  }

  async *#read(): AsyncGenerator<Buffer, void, undefined> {
    if (!this.#complete && this.#error === undefined) {
      if (this.#unasked) this.#flow.proceed();
      this.#unasked = false;
      this.#go();
    }
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#waiting -= piece.length + PIECE_COST;
          if (this.#pieces.length === 0) this.#go();
          yield piece;
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else if (this.#complete) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#hold();
      this.#drop();
    }
  }

  #go(): void {
    if (this.#flowing || this.#complete || this.#error !== undefined) return;
    this.#flowing = true;
    this.#flow.resume();
  }

  #hold(): void {
    if (!this.#flowing || this.#complete) return;
    this.#flowing = false;
    this.#flow.pause();
  }

  #drop(): void {
    this.#dropping = true;
    this.#pieces = [];
    this.#waiting = 0;
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function tooLarge(limit: number): Error {
  return bodyError(`The request body is larger than ${limit} bytes`, 413);
}

/** Grows by doubling, so that a body in tiny pieces is not copied again and again. */
function append(whole: Buffer, size: number, piece: Buffer): Buffer {
  if (size + piece.length <= whole.length) {
    whole.set(piece, size);
    return whole;
  }
  const grown = Buffer.allocUnsafeSlow(Math.max((size + piece.length) * 2, 4096));
  grown.set(whole.subarray(0, size));
  grown.set(piece, size);
  return grown;
}
