import { closeBody, encodeFrame, type FrameFields, Opcode } from '../../helpers/frames.js';

/** Builds what the peer sends, masked as its role demands (RFC 6455 5.1). */
export interface Peer {
  frame(fields: FrameFields): Buffer;
  /** With the masking that the role forbids. */
  wronglyMasked(fields: FrameFields): Buffer;
  text(payload: string | Uint8Array, fields?: Partial<FrameFields>): Buffer;
  binary(payload: string | Uint8Array, fields?: Partial<FrameFields>): Buffer;
  /** A continuation frame. */
  more(payload: string | Uint8Array, fields?: Partial<FrameFields>): Buffer;
  ping(payload?: string | Uint8Array, fields?: Partial<FrameFields>): Buffer;
  pong(payload?: string | Uint8Array, fields?: Partial<FrameFields>): Buffer;
  close(code?: number, reason?: string | Uint8Array): Buffer;
}

/** How a case ends. */
export type End =
  /** It goes on; the runner closes it with 1000. */
  | 'open'
  /** We fail it: our close frame has this code, and the application is told 1006 with a reason. */
  | { failsWith: number }
  /** The peer's close frame is answered with its code, and the application is told code and reason. */
  | { closesWith: number; reason: string };

/** One rule, as bytes that a peer sends and what comes of them. */
export interface Case {
  /** Section of RFC 6455. */
  section: string;
  rule: string;
  input(peer: Peer): Buffer[];
  /** Told to the application, in order. */
  messages?: (string | Buffer)[];
  /** Sent back, in order. */
  pongs?: string[];
  /** Pongs told to the application, in order. */
  heard?: string[];
  end?: End;
  /** The input stops inside a frame: what is found must be found now. */
  partial?: boolean;
  limits?: { maxPayload: number };
  /** Void where permessage-deflate is on, which gives RSV1 a meaning (RFC 7692 6). */
  plainOnly?: boolean;
}

const keys = [
  Uint8Array.of(0x37, 0xfa, 0x21, 0x3d),
  Uint8Array.of(0, 0, 0, 0),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0x80, 0x01, 0xfe, 0x7f),
];

/** A peer in this role: a client masks, with another key for each frame; a server does not (RFC 6455 5.1). */
export function peerOf(role: 'client' | 'server'): Peer {
  let count = 0;
  const key = () => keys[count++ % keys.length]!;
  const frame = (fields: FrameFields) => encodeFrame({ mask: role === 'client' && key(), ...fields });
  return {
    frame,
    wronglyMasked: (fields) => encodeFrame({ ...fields, mask: role === 'server' && key() }),
    text: (payload, fields) => frame({ opcode: Opcode.TEXT, payload, ...fields }),
    binary: (payload, fields) => frame({ opcode: Opcode.BINARY, payload, ...fields }),
    more: (payload, fields) => frame({ opcode: Opcode.CONTINUATION, payload, ...fields }),
    ping: (payload = '', fields) => frame({ opcode: Opcode.PING, payload, ...fields }),
    pong: (payload = '', fields) => frame({ opcode: Opcode.PONG, payload, ...fields }),
    close: (code, reason) =>
      frame({ opcode: Opcode.CLOSE, payload: code === undefined ? '' : closeBody(code, reason) }),
  };
}
