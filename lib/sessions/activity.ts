import { clearInterval, clearTimeout, performance, setInterval, setTimeout } from '../shared/ambient.js';
import { type Activities, type Core, inBackground, storesOf } from './core.js';
import { isAlive } from './logins.js';
import type { Attachment } from './session.js';
import type { SessionStore, Touch, TouchResult } from './store.js';
import { Wheel } from './wheel.js';

/** Activity of so long is gathered into one batch. */
const gatherTime = 10;
/** Sessions per batch; the store splits it further by partition. */
const batchSize = 4096;
/** Milliseconds of a tick of the wheel. */
const tickLength = 5;
/** Who was away for so long, or for a quarter of a life that is longer, asks what became of its sessions. */
const minAbsence = 1000;

/**
 * Reports activity to the store, at most once per session and quarter of its time to live: at once after a quiet
 * quarter, else when the quarter is over. A session without activity is looked at every half, which finds out that
 * it was taken over or ended elsewhere when the message about it was lost.
 *
 * Why this keeps the promise that nothing expires before half its ttl of silence: after each report at least half
 * is left (the store sees to that), and activity after it is reported within a quarter.
 */
export class Activity implements Activities {
  private readonly core: Core;
  private readonly wheel = new Wheel<Attachment>();
  private readonly startedAt = performance.now();
  private queue = new Set<Attachment>();
  private gathering: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  /** Milliseconds between two looks at the wheel: a sixteenth of the shortest quarter so far. */
  private period = Number.POSITIVE_INFINITY;
  private ticker: NodeJS.Timeout | undefined;
  /** Wall time, which goes on while a process is stopped or its machine sleeps. */
  private seenAt = Date.now();
  private returning: Promise<void> | undefined;
  private readonly absence: number;

  constructor(core: Core) {
    this.core = core;
    this.absence = Math.max(minAbsence, core.settings.ttl / 4);
    this.lookEvery(core.settings.ttl / 64);
  }

  private lookEvery(milliseconds: number): void {
    const period = Math.max(tickLength, Math.min(1000, Math.floor(milliseconds)));
    if (period >= this.period || this.core.closed) return;
    this.period = period;
    clearInterval(this.ticker);
    this.ticker = setInterval(() => this.tick(), period).unref();
  }

  /** A session may have a time to live of its own, and another one later. */
  private quarterOf({ session }: Attachment): number {
    return (session?.record.ttl ?? this.core.settings.ttl) / 4;
  }

  /** A session was attached, which was a contact with the store at this time of its clock. */
  start(attachment: Attachment, storeTime: number): void {
    const now = performance.now();
    attachment.lastActive = now;
    attachment.contactedAt = now;
    attachment.clockOffset = storeTime - now;
    this.schedule(attachment, this.quarterOf(attachment));
  }

  stop(attachment: Attachment): void {
    this.wheel.cancel(attachment);
    this.queue.delete(attachment);
    attachment.queued = false;
  }

  /** Something came from the client. Called for each message, so it does next to nothing. */
  note(attachment: Attachment): void {
    const now = performance.now();
    attachment.lastActive = now;
    if (attachment.queued || now - attachment.contactedAt < this.quarterOf(attachment)) return;
    this.enqueue(attachment);
  }

  /**
   * Asked before anything is delivered. Undefined: this process was here all the time. Else resolves when the store
   * has told which sessions ended or were taken over while it was away, so that their connections are closing.
   */
  afterAbsence(): Promise<void> | undefined {
    const now = Date.now();
    if (now - this.seenAt >= this.absence && !this.core.closed)
      this.returning ??= this.recheck().finally(() => {
        this.returning = undefined;
      });
    this.seenAt = now;
    return this.returning;
  }

  private async recheck(): Promise<void> {
    /* what was under way may have been answered before */
    await this.flushing;
    this.checkAll();
    await this.flush();
  }

  /** Looks at every session soon: ends and takeovers may have gone unnoticed. */
  checkAll(): void {
    for (const attachment of this.core.registry.all()) if (!attachment.queued) this.enqueue(attachment);
  }

  /** Reports what waits, now. Resolves when the store has answered. */
  async flush(): Promise<void> {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    this.flushing ??= this.flushAll().finally(() => {
      this.flushing = undefined;
      // What failed or came meanwhile: not in a loop, the store may be down.
      if (this.queue.size > 0 && !this.core.closed) this.gather(Math.min(16 * this.period, 1000));
    });
    await this.flushing;
  }

  close(): void {
    clearInterval(this.ticker);
    clearTimeout(this.gathering);
  }

  private tick(): void {
    void this.afterAbsence();
    const tick = Math.floor((performance.now() - this.startedAt) / tickLength);
    this.wheel.advance(tick, batchSize, (attachment) => {
      this.examine(attachment);
      return true;
    });
  }

  /** A quarter is over: report activity since the last contact; with none, wait for the second quarter. */
  private examine(attachment: Attachment): void {
    const { lastActive, contactedAt } = attachment;
    const quarter = this.quarterOf(attachment);
    const age = performance.now() - contactedAt;
    /* who expires just now is told by the sweep, which knows why; this look would only find it gone */
    const grace = Math.min(4 * this.core.settings.sweepInterval, quarter);
    if (lastActive > contactedAt) this.enqueue(attachment);
    else if (age < 2 * quarter - this.period) this.schedule(attachment, 2 * quarter - age);
    else if (this.expiredWithin(attachment, grace)) this.schedule(attachment, grace);
    else this.enqueue(attachment);
  }

  private expiredWithin({ session, clockOffset }: Attachment, grace: number): boolean {
    if (session === undefined) return false;
    const overdue = performance.now() + clockOffset - session.expiresAt;
    return overdue > -gatherTime - this.period && overdue < grace;
  }

  private schedule(attachment: Attachment, delay: number): void {
    this.lookEvery(this.quarterOf(attachment) / 16);
    const due = (performance.now() - this.startedAt + delay) / tickLength;
    this.wheel.schedule(attachment, Math.ceil(due));
  }

  private enqueue(attachment: Attachment): void {
    if (attachment.session === undefined || this.core.closed) return;
    attachment.queued = true;
    this.queue.add(attachment);
    this.gather(Math.min(gatherTime, this.quarterOf(attachment) / 4));
  }

  private gather(delay: number): void {
    this.gathering ??= setTimeout(() => void this.flush(), delay).unref();
  }

  private async flushAll(): Promise<void> {
    const waiting = [...this.queue];
    this.queue = new Set();
    for (let start = 0; start < waiting.length; start += batchSize) {
      const some = waiting.slice(start, start + batchSize);
      for (const store of storesOf(this.core)) {
        const batch = some.filter(({ session }) => session?.store === store);
        if (batch.length > 0) await this.report(store, batch);
      }
    }
  }

  private async report(store: SessionStore, batch: Attachment[]): Promise<void> {
    const { core } = this;
    const now = performance.now();
    const active = batch.filter(({ lastActive, contactedAt }) => lastActive > contactedAt);
    const touches = batch.map(({ session, lastActive }): Touch => {
      return { id: session?.id ?? '', fence: session?.fence, idle: Math.floor(now - lastActive) };
    });
    core.counters.touches += batch.length;
    core.counters.touchBatches++;
    let results: TouchResult[] | undefined;
    await inBackground(core, 'reporting activity', async () => {
      results = await store.touch(touches, core.settings.exact);
    });
    const missing: Promise<void>[] = [];
    for (const [index, attachment] of batch.entries()) {
      const touch = touches[index] as Touch;
      attachment.queued = false;
      if (attachment.session === undefined) continue;
      if (results === undefined) this.queue.add(attachment);
      else if (this.settle(attachment, touch, results[index] ?? 'gone', now) === 'gone')
        missing.push(core.lifecycle.missing(attachment.session));
    }
    await Promise.all(missing);
    if (results !== undefined) await this.reportLogins(active);
  }

  /** `gone`: it is to be looked for. */
  private settle(
    attachment: Attachment,
    touch: Touch,
    result: TouchResult,
    sentAt: number,
  ): 'gone' | undefined {
    const { core } = this;
    const { session } = attachment;
    // The answer is about who it was when it was asked.
    const isSame = session?.id === touch.id && session.fence?.generation === touch.fence?.generation;
    if (session === undefined) return undefined;
    if (!isSame || session.regenerating) {
      this.schedule(attachment, this.quarterOf(attachment));
    } else if (typeof result === 'number') {
      attachment.contactedAt = sentAt;
      session.record = { ...session.record, expiresAt: result, lastActive: session.lastActive };
      this.schedule(attachment, this.quarterOf(attachment));
    } else if (result === 'gone') {
      // Looked at again if the store does not say now where it went.
      this.schedule(attachment, this.quarterOf(attachment));
      return result;
    } else {
      core.lifecycle.lost(session, result);
    }
    return undefined;
  }

  /** Prolongs the logins behind the sessions that were just reported, and ends those that are gone. */
  private async reportLogins(active: readonly Attachment[]): Promise<void> {
    const { core } = this;
    const { logins } = core.settings;
    if (logins === undefined) return;
    const names = new Set(active.map(({ session }) => session?.loginId));
    const check = async (loginId: string) => {
      if (!(await isAlive(logins, loginId))) await core.lifecycle.endLogin(loginId);
    };
    const known = [...names].filter((name) => name !== undefined);
    await Promise.all(known.map((loginId) => inBackground(core, 'asking for a login', () => check(loginId))));
  }
}
