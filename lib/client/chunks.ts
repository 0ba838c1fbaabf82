/** Where the next byte stands in RFC 9112 7.1. */
const State = {
  SIZE: 0,
  EXTENSION: 1,
  SIZE_LF: 2,
  DATA: 3,
  DATA_CR: 4,
  DATA_LF: 5,
  TRAILER: 6,
  TRAILER_LF: 7,
  OVER: 8,
};

/** More digits than a size that could ever be kept; zeros in front count. */
const DIGITS_MAX = 16;
/** Most bytes of extensions and trailers, which nobody reads; those of sizes are few for each byte of content. */
const FRAMING_MAX = 64 * 1024;
const CR = 13;
const LF = 10;
const SEMICOLON = 59;
const SPACE = 32;
const TAB = 9;

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Takes a chunked body apart, in linear time, whatever the pieces; extensions and trailers are dropped. */
export class Chunks {
  readonly #content: (piece: Uint8Array) => void;
  #state = State.SIZE;
  #left = 0;
  #digits = 0;
  #framing = 0;
  #lineEmpty = true;

  /** `content` is given what the chunks hold. */
  constructor(content: (piece: Uint8Array) => void) {
    this.#content = content;
  }

  /** Whether it has ended: with its last chunk, or where it is malformed. */
  read(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length && this.#state !== State.OVER; ) {
      if (this.#state === State.DATA) {
        const end = Math.min(bytes.length, at + this.#left);
        this.#content(bytes.subarray(at, end));
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#state = State.DATA_CR;
      } else {
        this.#state = this.#next(bytes[at++]!);
      }
    }
    return this.#state === State.OVER;
  }

  #next(byte: number): number {
    switch (this.#state) {
      case State.SIZE:
        return this.#size(byte);
      case State.EXTENSION:
        return byte === CR ? State.SIZE_LF : this.#skip(byte);
      case State.SIZE_LF:
        return byte === LF ? this.#begin() : State.OVER;
      case State.DATA_CR:
        return byte === CR ? State.DATA_LF : State.OVER;
      case State.DATA_LF:
        return byte === LF ? State.SIZE : State.OVER;
      case State.TRAILER:
        if (byte === CR) return State.TRAILER_LF;
        this.#lineEmpty = false;
        return this.#skip(byte);
      default:
        if (byte !== LF || this.#lineEmpty) return State.OVER;
        this.#lineEmpty = true;
        return State.TRAILER;
    }
  }

  #size(byte: number): number {
    const digit = hexValue(byte);
    if (digit >= 0 && this.#digits < DIGITS_MAX) {
      this.#left = this.#left * 16 + digit;
      this.#digits++;
      return State.SIZE;
    }
    if (this.#digits === 0) return State.OVER;
    if (byte === CR) return State.SIZE_LF;
    /* RFC 9112 7.1.1: bad white space may stand before an extension */
    return byte === SEMICOLON || byte === SPACE || byte === TAB ? State.EXTENSION : State.OVER;
  }

  #skip(byte: number): number {
    return byte === LF || ++this.#framing > FRAMING_MAX ? State.OVER : this.#state;
  }

  #begin(): number {
    this.#digits = 0;
    if (this.#left > 0) return State.DATA;
    this.#lineEmpty = true;
    return State.TRAILER;
  }
}
