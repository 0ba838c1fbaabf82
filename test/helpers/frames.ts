/** WebSocket frames by hand (RFC 6455 5.2), right ones and every kind of wrong one. */

export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

export interface Frame {
  fin: boolean;
  /** The three reserved bits, 0–7. */
  rsv: number;
  opcode: number;
  masked: boolean;
  payload: Buffer;
}

export interface FrameFields {
  opcode: number;
  /** Default: nothing. */
  payload?: string | Uint8Array;
  /** Default true. */
  fin?: boolean;
  /** Default 0. */
  rsv?: number;
  /** The masking key; `false` sends the frame unmasked. Default: some key. */
  mask?: Uint8Array | false;
  /** Which form carries the length. Default: the shortest that can. */
  lengthForm?: 7 | 16 | 64;
  /** The length that is announced. Default: that of the payload. */
  length?: number | bigint;
}

const someKey = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

export function bytesOf(payload: string | Uint8Array): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);
}

function lengthBytes(length: bigint, form: 7 | 16 | 64): Buffer {
  if (form === 7) return Buffer.of(Number(length));
  const bytes = Buffer.alloc(form === 16 ? 3 : 9);
  if (form === 16) {
    bytes[0] = 126;
    bytes.writeUInt16BE(Number(length), 1);
  } else {
    bytes[0] = 127;
    bytes.writeBigUInt64BE(length, 1);
  }
  return bytes;
}

export function encodeFrame(fields: FrameFields): Buffer {
  const payload = bytesOf(fields.payload ?? '');
  const length = BigInt(fields.length ?? payload.length);
  const form = fields.lengthForm ?? (length < 126n ? 7 : length < 65536n ? 16 : 64);
  const mask = fields.mask ?? someKey;
  const first = (fields.fin === false ? 0 : 0x80) | ((fields.rsv ?? 0) << 4) | fields.opcode;
  const size = lengthBytes(length, form);
  if (mask === false) return Buffer.concat([Buffer.of(first), size, payload]);
  size[0]! |= 0x80;
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!;
  return Buffer.concat([Buffer.of(first), size, mask, payload]);
}

/** The body of a close frame. */
export function closeBody(code: number, reason: string | Uint8Array = ''): Buffer {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), bytesOf(reason)]);
}

/** Code and reason of a close frame; 1005 when it has no body. */
export function readClose(frame: Frame): { code: number; reason: string } {
  if (frame.opcode !== Opcode.CLOSE) throw new Error(`Expected a close frame but got opcode ${frame.opcode}`);
  if (frame.payload.length === 0) return { code: 1005, reason: '' };
  return { code: frame.payload.readUInt16BE(0), reason: frame.payload.toString('utf8', 2) };
}
