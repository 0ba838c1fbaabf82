import { OPCODE_BINARY, OPCODE_TEXT, PLAIN } from '../crossing/native.js';

/** What became of a message; see {@link Connection.send}. */
export type SendResult = 'sent' | 'buffered' | 'dropped' | 'closed';

/** Options of {@link Connection.send}. */
export interface SendOptions {
  /** Send bytes as a text message (they must be UTF-8), or text as a binary one. */
  binary?: boolean | undefined;
  /** `false` sends this message uncompressed although permessage-deflate is on. */
  compress?: boolean | undefined;
}

export function opcodeFor({ binary, compress }: SendOptions, usual: number): number {
  const opcode = binary === undefined ? usual : binary ? OPCODE_BINARY : OPCODE_TEXT;
  return compress === false ? opcode | PLAIN : opcode;
}
