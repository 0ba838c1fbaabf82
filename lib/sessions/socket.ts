/** What a message may consist of. */
export type MessageData = string | ArrayBufferView | ArrayBufferLike;

/** What became of a message; as `Connection.send` answers. */
export type SendResult = 'sent' | 'buffered' | 'dropped' | 'closed';

/** The part of a `Connection` that sessions use; any other socket with it may be attached as well. */
export interface SessionSocket {
  /** Unique for ever. */
  readonly id: string;
  /** True until either side closes; one that is not open gets no session: `ERR_INVALID_STATE`. */
  readonly isOpen: boolean;
  /** Settles when the connection has ended. */
  readonly closed: Promise<unknown>;
  /** Sends one message: a string as text, bytes as binary, or as text with `binary: false`, which broadcasts use. */
  send(data: MessageData, options?: { binary?: boolean }): SendResult;
  /** Begins to close it, with a code of {@link closeCodes} or the caller's; may be called more than once. */
  close(code?: number, reason?: string): void;
}
