import { ConnectionFlag, Out } from '../crossing/native.js';
import { copyAlone, isAlone } from '../shared/alone.js';
import { nextTick, setImmediate } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { Grace } from '../shared/grace.js';
import { callFragment, callMessage, callPong } from './calls.js';
import type { CloseInfo, FragmentInfo } from './events.js';
import type { Owner } from './owner.js';
import { Stage } from './stage.js';

/** Bytes an iterator may leave unread before reading stops, and below which it goes on. */
const HIGH_WATER = 64 * 1024;
const LOW_WATER = 16 * 1024;

/** @internal One event that waits for its handler. */
export type Held =
  | { kind: 'message'; data: string | Buffer }
  | { kind: 'fragment'; data: Buffer; info: FragmentInfo }
  | { kind: 'pong'; data: Buffer };

/** What a held message costs beside its bytes: a peer may send them empty, or one by one. */
const HELD_COST = 256;

function sizeOf(held: Held): number {
  return held.data.length + HELD_COST;
}

/**
 * What a connection may not deliver yet: before `open` has settled, while it is
 * paused, while nobody reads. It is bounded, since it stops the native reading;
 * what had crossed by then (one turn at most) is what it holds.
 * Made on first need: the direct path has none.
 */
export class Inbox {
  readonly #connection: Owner;
  #held: Held[] = [];
  #bytes = 0;
  #openPending = false;
  #openGrace: Grace | undefined;
  #paused = false;
  /** What has to settle before anything is delivered, whoever pauses or resumes meanwhile. */
  #awaited = 0;
  #reader: { wake: ((result: IteratorResult<string | Buffer>) => void) | undefined } | undefined;
  #full = false;
  #nativePaused = false;
  /** A loop has begun, now or earlier: what comes waits for the next one. */
  #looped = false;
  /** How long what nobody reads waits for a loop: where `open` had settled, until the promises of that turn have. */
  #waits: 'yes' | 'this turn' | 'no' = 'yes';
  /** Until the peer's close is answered. */
  #grace: Grace | undefined;
  #ended: CloseInfo | undefined;
  #finished = false;
  #releasing = false;

  constructor(connection: Owner) {
    this.#connection = connection;
  }

  #hasHandler(): boolean {
    const { message, fragment } = this.#connection.behavior.handlers;
    return message !== undefined || fragment !== undefined;
  }

  /** Nobody takes messages, no handler and no loop, but they wait for a loop. Otherwise they are discarded. */
  #unread(): boolean {
    return !this.#hasHandler() && this.#reader === undefined && (this.#looped || this.#waits !== 'no');
  }

  /** On a server nobody may be meant to read: then a peer must not be able to hold its connection by what it sends. */
  #waitThisTurn(): void {
    const c = this.#connection;
    if (this.#waits !== 'yes' || c.host.discarded === undefined || this.#hasHandler()) return;
    this.#waits = 'this turn';
    setImmediate(() => {
      this.#waits = 'no';
      this.#release();
    });
  }

  #blocked(): boolean {
    return this.#openPending || this.#paused || this.#awaited > 0 || this.#unread();
  }

  /** `close` waits: for an unsettled `open`, and for what is kept behind a pause or what is awaited. */
  #keepsClose(): boolean {
    const stopped = this.#paused || this.#awaited > 0;
    return this.#openPending || (stopped && this.#held.length > 0 && this.#reader === undefined);
  }

  #syncNative(): void {
    const c = this.#connection;
    /* while nobody reads, input flows up to the first message: pings and a close are answered until then */
    const unread = this.#unread() && this.#held.length > 0;
    const want = this.#openPending || this.#paused || this.#awaited > 0 || this.#full || unread;
    if (want === this.#nativePaused || c.stage !== Stage.OPEN) return;
    this.#nativePaused = want;
    c.crossing.put(want ? Out.PAUSE : Out.RESUME, c.slot, c.generation);
  }

  message(data: string | Buffer): void {
    this.#take({ kind: 'message', data });
  }

  fragment(data: Buffer, info: FragmentInfo): void {
    this.#take({ kind: 'fragment', data, info });
  }

  pong(data: Buffer): void {
    if (this.#openPending || this.#awaited > 0) this.#hold({ kind: 'pong', data });
    else this.#call({ kind: 'pong', data });
  }

  #take(held: Held): void {
    if (this.#connection.stage > Stage.LOST && !this.#ended) return;
    if (this.#reader !== undefined && held.kind === 'message') this.#read(held);
    else if (this.#blocked() || this.#held.length > 0) this.#hold(held);
    else this.#call(held);
  }

  #hold(held: Held): void {
    if (typeof held.data !== 'string') held.data = this.#own(held.data);
    this.#held.push(held);
    this.#bytes += sizeOf(held);
    this.#full ||= this.#reader !== undefined && this.#bytes > HIGH_WATER;
    if (!this.#openPending && !this.#paused) this.#waitThisTurn();
    this.#syncNative();
  }

  /** What its handler was given too early comes again when `until` has settled, and all that follows behind it. */
  again(held: Held, until: PromiseLike<unknown>): void {
    if (typeof held.data !== 'string') held.data = this.#own(held.data);
    this.#held.unshift(held);
    this.#bytes += sizeOf(held);
    this.#awaited++;
    this.#syncNative();
    const settled = () => {
      if (--this.#awaited === 0) this.#release();
    };
    until.then(settled, settled);
  }

  /** The same bytes in memory that nobody else sees: whoever shares a slab may give it away before these are taken. */
  #own(data: Buffer): Buffer {
    const lent = (this.#connection.behavior.flags & ConnectionFlag.TRANSIENT) !== 0;
    return !lent && isAlone(data) ? data : copyAlone(data);
  }

  #call(held: Held): void {
    const c = this.#connection;
    if (held.kind === 'pong') {
      if (c.behavior.handlers.pong !== undefined) callPong(c, held.data);
    } else if (!this.#hasHandler()) c.host.discarded?.();
    else if (held.kind === 'message') callMessage(c, held.data);
    else callFragment(c, held.data, held.info);
  }

  #read(held: Held & { kind: 'message' }): void {
    const wake = this.#reader!.wake;
    if (wake !== undefined) {
      this.#reader!.wake = undefined;
      /* the loop goes on behind the batch, in which others may give the slab away */
      wake({ value: typeof held.data === 'string' ? held.data : this.#own(held.data), done: false });
      return;
    }
    this.#hold(held);
  }

  /** Delivers what is held, as far as it may go; then tells a close that waited. */
  #release(): void {
    if (this.#releasing) return;
    this.#releasing = true;
    while (this.#held.length > 0 && !this.#blocked() && this.#reader === undefined) {
      const held = this.#held.shift()!;
      this.#bytes -= sizeOf(held);
      this.#call(held);
    }
    this.#releasing = false;
    if (this.#held.length > 0 && !this.#openPending && !this.#paused) this.#waitThisTurn();
    this.#taken();
    this.#syncNative();
    this.#tellClose();
  }

  /**
   * The peer closed. True: its close is answered when what is held was taken, and answered by those who took it, but
   * within `closeTimeout`.
   */
  holdAnswer(): boolean {
    if (this.#held.length === 0) return false;
    const c = this.#connection;
    this.#grace ??= new Grace(c.host.closeTimeout, () => c.answer());
    return true;
  }

  #taken(): void {
    if (this.#held.length === 0) this.#grace?.enough();
  }

  #tellClose(): void {
    const info = this.#ended;
    if (info === undefined || this.#keepsClose()) return;
    this.#ended = undefined; /* whatever the close handler calls may come here again */
    this.#connection.die(info);
  }

  holdOpen(opening: PromiseLike<unknown>, timeout: number): void {
    if (this.#reader !== undefined) {
      opening.then(undefined, (cause) => this.#connection.fail(cause, 'open'));
      return;
    }
    this.#openPending = true;
    this.#syncNative();
    if (timeout > 0) {
      this.#openGrace = new Grace(timeout, () => {
        const error = new LwsError('ERR_TIMEOUT', `open did not settle within ${timeout} ms`);
        this.#connection.fail(error, 'open');
        this.settleOpen();
      }).unref();
    }
    opening.then(
      () => this.settleOpen(),
      (cause) => {
        this.#connection.fail(cause, 'open');
        this.settleOpen();
      },
    );
  }

  /** `open` has settled, or is not waited for any longer. */
  settleOpen(): void {
    if (!this.#openPending) return;
    this.#openPending = false;
    this.#openGrace?.cancel();
    this.#release();
  }

  pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    if (paused) this.#syncNative();
    else this.#release();
  }

  /** No message can come any more: a loop that waits for one ends. */
  endWaiting(): void {
    if (this.#reader?.wake) this.#endReader();
  }

  /** After close() or terminate(): nothing more is delivered. */
  discard(): void {
    this.#grace?.cancel();
    this.#held = [];
    this.#bytes = 0;
    this.endWaiting();
    /* never inside close() itself: whoever calls it goes on with a connection that is not dead yet */
    if (this.#ended !== undefined) nextTick(() => this.#tellClose());
  }

  /** The native side is gone. False: `close` waits, or was told. */
  end(info: CloseInfo): boolean {
    this.#grace?.cancel();
    this.#ended = info;
    if (this.#keepsClose()) return false;
    if (!this.#blocked()) this.#release();
    const untold = this.#ended !== undefined;
    this.#ended = undefined;
    return untold;
  }

  /** The connection is dead. An iterator may still read what it had not read. */
  finish(): void {
    this.#finished = true;
    this.#openGrace?.cancel();
    /* whoever has not begun to read yet, still may */
    if (this.#reader === undefined && (this.#looped || !this.#unread())) this.discard();
    else this.endWaiting();
  }

  #endReader(): void {
    const wake = this.#reader?.wake;
    this.#reader = undefined;
    wake?.({ value: undefined, done: true });
  }

  iterate(): AsyncIterableIterator<string | Buffer> {
    const { message, fragment } = this.#connection.behavior.handlers;
    if (message !== undefined || fragment !== undefined)
      throw new LwsError(
        'ERR_INVALID_STATE',
        'Expected no message or fragment handler beside an async iterator; use one or the other',
      );
    if (this.#reader !== undefined)
      throw new LwsError('ERR_INVALID_STATE', 'Expected one loop over a connection at a time');
    const reader = { wake: undefined as ((result: IteratorResult<string | Buffer>) => void) | undefined };
    this.#reader = reader;
    this.#looped = true;
    this.#openPending = false; /* a loop inside open reads at once */
    this.#openGrace?.cancel();
    this.#syncNative();
    const inbox = this;
    return {
      next() {
        return inbox.#next(reader);
      },
      return() {
        if (inbox.#reader === reader) {
          inbox.#endReader();
          if (inbox.#finished) inbox.discard();
          else inbox.#syncNative();
        }
        return Promise.resolve({ value: undefined, done: true as const });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #next(reader: { wake: ((result: IteratorResult<string | Buffer>) => void) | undefined }) {
    if (this.#reader === reader) {
      const held = this.#held.shift();
      if (held !== undefined) {
        this.#bytes -= sizeOf(held);
        this.#taken();
        if (this.#full && this.#bytes < LOW_WATER) {
          this.#full = false;
          this.#syncNative();
        }
        return Promise.resolve({ value: held.data, done: false as const });
      }
      if (this.#finished || this.#connection.stage > Stage.LOST) this.#endReader();
    }
    if (this.#reader !== reader)
      return Promise.resolve({ value: undefined, done: true as const } as IteratorReturnResult<undefined>);
    if (reader.wake !== undefined)
      return Promise.reject(new LwsError('ERR_INVALID_STATE', 'Expected next() to wait for the one before'));
    return new Promise<IteratorResult<string | Buffer>>((resolve) => {
      reader.wake = resolve;
    });
  }
}
