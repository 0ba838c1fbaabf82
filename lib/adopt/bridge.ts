import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { clearTimeout, setTimeout } from '../shared/ambient.js';

/** Bytes carried between a stream of Node and the near end of a socket pair. */
export interface Bridge {
  /** Settles when both ends are closed. */
  readonly done: Promise<void>;
  /** The native side is finished: what it wrote may still leave, for at most `grace`. */
  finish(): void;
  /** Ends both now. */
  cut(): void;
}

export interface BridgeOptions {
  /** Milliseconds a peer may take to read what is left. */
  grace: number;
  /** Ends the stream as a reset. */
  reset(): void;
  /** Ends the stream after all was written. */
  end(): void;
  /** Starts to carry the native side's bytes to the stream. Default: as they are. */
  answer?(carry: () => void): void;
}

/**
 * Carries bytes both ways with backpressure: what one side does not take, the
 * other is not asked for. A half-close on one side is one on the other; an error
 * or a loss on one side ends both.
 */
export function bridge(outer: Duplex, inner: Socket, options: BridgeOptions): Bridge {
  let settle!: () => void;
  const done = new Promise<void>((resolve) => {
    settle = resolve;
  });
  let timer: NodeJS.Timeout | undefined;
  let innerEnded = false;
  let open = 2;

  function cut(): void {
    inner.destroy();
    if (!outer.destroyed) options.reset();
  }
  function closed(): void {
    if (--open > 0) return;
    clearTimeout(timer);
    settle();
  }
  function leave(): void {
    inner.destroy();
    if (!outer.destroyed) options.end();
  }

  /* the end of what one side says must not end what the other says (HTTP/2, TLS) */
  outer.allowHalfOpen = true;
  outer.on('error', cut);
  inner.on('error', cut);
  inner.once('end', () => {
    innerEnded = true;
  });
  outer.once('close', () => {
    inner.destroy();
    closed();
  });
  inner.once('close', () => {
    if (!innerEnded) cut();
    closed();
  });
  outer.pipe(inner);
  const carry = () => inner.pipe(outer);
  if (options.answer === undefined) carry();
  else options.answer(carry);
  if (outer.destroyed) cut();

  return {
    done,
    finish() {
      if (outer.destroyed || timer !== undefined) return;
      timer = setTimeout(cut, options.grace);
      if (outer.writableFinished) leave();
      else outer.once('finish', leave);
    },
    cut,
  };
}
