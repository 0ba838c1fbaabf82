import type { Connection } from '../connection/connection.js';
import type { ListenAddress } from './api.js';
import type { Pace } from './pace.js';

/** How far a server is. */
export class Life {
  state: 'new' | 'listening' | 'closing' | 'closed' = 'new';
  address: ListenAddress | undefined = undefined;
  /** What connections are told that open although it is closing. */
  closeCode = 1001;
  /** A drain has begun. */
  draining = false;
  /** Milliseconds in which clients are sent away, from when a drain sends the first away. */
  leaving: number | undefined = undefined;
  /** Who is sent away, while a drain does so. */
  pace: Pace | undefined = undefined;

  get ending(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  get isReady(): boolean {
    return !this.draining && !this.ending;
  }

  /** Seconds after which an upgrade that came too late may ask again, in whole ones (RFC 9110 10.2.3); undefined: it is taken. */
  get retryAfter(): number | undefined {
    if (this.leaving !== undefined) return 1 + Math.floor((Math.random() * this.leaving) / 1000);
    return this.ending ? 1 : undefined;
  }

  /** A connection that was accepted while it still was. */
  joinedLate(connection: Connection): void {
    if (this.state === 'closing') connection.close(this.closeCode);
    else this.pace?.add(connection);
  }
}
