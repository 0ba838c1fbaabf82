/** How a connection ended. */
export interface CloseInfo {
  /** The code of the peer's close frame; 1005 when it had none, 1006 when no close frame came. */
  readonly code: number;
  /** The reason of the peer's close frame; with 1006 what was found instead. */
  readonly reason: string;
  /** Close frames went both ways and TCP ended in order. */
  readonly clean: boolean;
}

/** Where a streamed piece stands in its message. */
export interface FragmentInfo {
  /** It begins the message. */
  readonly first: boolean;
  /** It ends the message; a message of one piece is both. */
  readonly final: boolean;
  /** The message is text; a piece may end inside a UTF-8 sequence, so it comes as bytes. */
  readonly text: boolean;
}
