import type { ListenAddress } from './api.js';

/** How far a server is. */
export class Life {
  state: 'new' | 'listening' | 'closing' | 'closed' = 'new';
  address: ListenAddress | undefined = undefined;
  /** What connections are told that open although it is closing. */
  closeCode = 1001;

  get ending(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }
}
