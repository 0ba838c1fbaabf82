import { clearInterval, clearTimeout, performance, setInterval, setTimeout } from '../shared/ambient.js';
import { closings } from './close-codes.js';
import { type AuthClocks, type Core, closeFor, inBackground } from './core.js';
import type { Session } from './session.js';
import { Wheel, type WheelEntry } from './wheel.js';

interface Deadline extends WheelEntry {
  readonly session: Session;
}

const tickLength = 100;
/** How long `refreshAuth` may take. */
const refreshTimeout = 10_000;
/** Looked at again after so long at the latest: the system's clock may have been set. */
const maxWait = 3_600_000;

/** Closes connections with 4401 when their authentication has run out and was not renewed. */
export class AuthClock implements AuthClocks {
  private readonly core: Core;
  private readonly wheel = new Wheel<Deadline>();
  private readonly deadlines = new Map<Session, Deadline>();
  private readonly renewals = new Map<Session, Promise<void>>();
  private readonly startedAt = performance.now();
  private readonly ticker: NodeJS.Timeout;

  constructor(core: Core) {
    this.core = core;
    this.ticker = setInterval(() => this.tick(), tickLength).unref();
  }

  /** The session has a connection, or a new `authExpiresAt`. */
  watch(session: Session): void {
    const { authExpiresAt } = session;
    if (authExpiresAt === undefined || session.attachment === undefined) {
      this.forget(session);
      return;
    }
    const deadline = this.deadlines.get(session) ?? { session, due: 0, next: undefined, previous: undefined };
    this.deadlines.set(session, deadline);
    const wait = Math.min(maxWait, Math.max(0, authExpiresAt - Date.now()));
    this.wheel.schedule(deadline, Math.ceil((performance.now() - this.startedAt + wait) / tickLength));
  }

  forget(session: Session): void {
    const deadline = this.deadlines.get(session);
    if (deadline === undefined) return;
    this.wheel.cancel(deadline);
    this.deadlines.delete(session);
  }

  close(): void {
    clearInterval(this.ticker);
  }

  private tick(): void {
    this.wheel.advance(Math.floor((performance.now() - this.startedAt) / tickLength), 4096, ({ session }) => {
      if ((session.authExpiresAt ?? Infinity) > Date.now()) this.watch(session);
      else void this.expired(session);
      return true;
    });
  }

  /** It is a point of wall time: timers of a process that was stopped, or of a machine that slept, come late. */
  hasRunOut({ authExpiresAt }: Session): boolean {
    return authExpiresAt !== undefined && authExpiresAt <= Date.now();
  }

  /**
   * Asked before anything of an attached session is delivered. Undefined: its authentication has not run out. Else
   * resolves when it was renewed, or its connection was told to close.
   */
  renewal(session: Session): Promise<void> | undefined {
    if (!this.hasRunOut(session) || session.attachment === undefined) return undefined;
    return this.expired(session);
  }

  private expired(session: Session): Promise<void> {
    const known = this.renewals.get(session);
    if (known !== undefined) return known;
    const renewal = this.renew(session).finally(() => this.renewals.delete(session));
    this.renewals.set(session, renewal);
    return renewal;
  }

  private async renew(session: Session): Promise<void> {
    this.forget(session);
    const before = session.authExpiresAt;
    await inBackground(this.core, 'renewing an authentication', async () => {
      const renewed = await this.refresh(session);
      // It may have been renewed by hand meanwhile.
      if (renewed !== undefined && session.authExpiresAt === before) session.authExpiresAt = renewed;
    });
    if (session.attachment === undefined || !this.hasRunOut(session)) return;
    this.forget(session);
    this.core.counters.authExpired++;
    closeFor(this.core, session.attachment, closings.authExpired);
  }

  private async refresh(session: Session): Promise<number | undefined> {
    const { refreshAuth } = this.core.settings;
    if (refreshAuth === undefined) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), refreshTimeout).unref();
    });
    try {
      return await Promise.race([refreshAuth(session), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
