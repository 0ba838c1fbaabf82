/** What a message may consist of. */
export type MessageData = string | ArrayBufferView | ArrayBufferLike;

/** What became of a message; as `Connection.send` answers. */
export type SendResult = 'sent' | 'buffered' | 'dropped' | 'closed';

/** The part of a `Connection` that sessions use; any other socket with it may be attached as well. */
export interface SessionSocket {
  /** Unique for ever. */
  readonly id: string;
  readonly isOpen: boolean;
  /** Settles when the connection has ended. */
  readonly closed: Promise<unknown>;
  send(data: MessageData, options?: { binary?: boolean }): SendResult;
  close(code?: number, reason?: string): void;
}
