import { channel } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import { nextTick, performance, process } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { causeOf } from './cause.js';
import type { Session } from './session.js';

/** Why a session ended before it expired. */
export type EndReason = 'ended' | 'userEnded' | 'loginEnded' | 'evicted';

/**
 * Events of a `SessionManager`. `expire`, `orphan` and `end` are emitted on exactly one node each, the one that took
 * the session out of the store; if that process dies in this moment, on none. The others where the connection is.
 */
export interface SessionEvents<A extends object = Record<string, unknown>> {
  /** A new session was stored. */
  create: [session: Session<A>];
  /** A connection of this node got the session; `resumed` says whether it was there before. */
  attach: [session: Session<A>];
  /** It lost it again, for whatever reason; once per `attach`. */
  detach: [session: Session<A>];
  /** It went by its time to live or absolute age. */
  expire: [session: Session<A>];
  /** It was left by a node that was declared dead. */
  orphan: [session: Session<A>];
  /** It was ended. */
  end: [session: Session<A>, reason: EndReason];
  /** It has a new id. */
  regenerate: [session: Session<A>, previousId: string];
  /** Something failed that nobody waits for, mostly the store. At most once per second and kind of work. */
  error: [error: LwsError];
}

const names = ['create', 'attach', 'detach', 'expire', 'orphan', 'end', 'regenerate', 'error'] as const;

/** `diagnostics_channel`s of the same names: `libwebsockets:session:create` and so on. */
const channels = Object.fromEntries(
  names.map((name) => [name, channel(`libwebsockets:session:${name}`)]),
) as Record<(typeof names)[number], ReturnType<typeof channel>>;

/** Time within which a failure of the same kind of work is told once. */
const quietTime = 1000;

/** Tells events to listeners and diagnostics channels; what a listener throws never gets into our own work. */
export class Teller {
  private readonly emitter: EventEmitter<SessionEvents>;
  private readonly nodeId: string;
  private readonly toldAt = new Map<string, number>();

  constructor(emitter: EventEmitter<SessionEvents>, nodeId: string) {
    this.emitter = emitter;
    this.nodeId = nodeId;
  }

  /** Whether anybody wants to know: spares making what nobody looks at. */
  hears(event: keyof SessionEvents): boolean {
    return this.emitter.listenerCount(event) > 0 || channels[event].hasSubscribers;
  }

  tell<E extends Exclude<keyof SessionEvents, 'error'>>(event: E, ...args: SessionEvents[E]): void {
    const { nodeId } = this;
    const [session, detail] = args as [Session, unknown];
    if (channels[event].hasSubscribers) channels[event].publish({ nodeId, session, detail });
    this.emit(event, args);
  }

  /** Work in the background failed. */
  fail(cause: unknown, doing: string): void {
    const now = performance.now();
    if (now - (this.toldAt.get(doing) ?? Number.NEGATIVE_INFINITY) < quietTime) return;
    this.toldAt.set(doing, now);
    const error = cause instanceof LwsError ? cause : wrap(cause, doing);
    if (channels.error.hasSubscribers) channels.error.publish({ nodeId: this.nodeId, error });
    // Without a listener an EventEmitter would throw it into the work that goes on.
    if (this.emitter.listenerCount('error') > 0) this.emit('error', [error]);
    else
      process.emitWarning(`${error.message} (listen to 'error' of the SessionManager)`, { code: error.code });
  }

  private emit<E extends keyof SessionEvents>(event: E, args: SessionEvents[E]): void {
    try {
      (this.emitter as EventEmitter).emit(event, ...args);
    } catch (thrown) {
      // As everywhere in Node: uncaught, but after our own work is done.
      nextTick(() => {
        throw thrown;
      });
    }
  }
}

function wrap(thrown: unknown, doing: string): LwsError {
  const cause = causeOf(thrown);
  return new LwsError('ERR_STORE', `${doing} failed: ${cause.message}`, { cause });
}
