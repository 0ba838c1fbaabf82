import type { MessageData, SendResult, SessionSocket } from '../../../lib/sessions/index.js';

let made = 0;

/** A connection without a network: what a `Connection` looks like to the sessions. */
export class FakeSocket implements SessionSocket {
  readonly id: string;
  isOpen = true;
  readonly closed: Promise<void>;
  readonly sent: (string | Uint8Array)[] = [];
  /** Code of the first `close`, 0 while there was none. */
  code = 0;
  reason = '';
  private end: () => void = () => undefined;

  constructor(id = `fake-${++made}`) {
    this.id = id;
    this.closed = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  send(data: MessageData, options?: { binary?: boolean }): SendResult {
    if (!this.isOpen) return 'closed';
    const bytes = typeof data === 'string' ? data : Buffer.from(data as Uint8Array);
    this.sent.push(options?.binary === false ? bytes.toString() : bytes);
    return 'sent';
  }

  close(code = 1000, reason = ''): void {
    if (!this.isOpen) return;
    this.code = code;
    this.reason = reason;
    this.drop();
  }

  /** The client is gone. */
  drop(): void {
    this.isOpen = false;
    this.end();
  }
}
