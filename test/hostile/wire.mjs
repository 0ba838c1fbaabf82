// WebSocket and HTTP as bytes, right and wrong (RFC 6455 5.2, 7.4; RFC 7692 7.2).
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/** The payload of one message as the wire has it under permessage-deflate. */
export function compress(payload) {
  const whole = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH });
  return whole.subarray(0, whole.length - 4);
}

/** `window`: what the messages before it became, as far as a later one may refer to it. */
export function decompress(payload, window) {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, ...(window.length > 0 && { dictionary: window }) };
  return inflateRawSync(Buffer.concat([payload, TAIL]), options);
}

/** One frame; `mask` undefined leaves it unmasked, `length` announces another one than it has. */
export function frame(opcode, payload = Buffer.alloc(0), { fin = true, rsv = 0, mask, length } = {}) {
  const body = Buffer.from(payload);
  const size = length ?? body.length;
  const start = size < 126 ? 2 : size < 65536 ? 4 : 10;
  const head = Buffer.alloc(start + (mask ? 4 : 0));
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (mask ? 0x80 : 0) | (size < 126 ? size : size < 65536 ? 126 : 127);
  if (start === 4) head.writeUInt16BE(size, 2);
  if (start === 10) head.writeBigUInt64BE(BigInt(size), 2);
  if (mask) {
    head.set(mask, start);
    for (let i = 0; i < body.length; i++) body[i] ^= mask[i & 3];
  }
  return Buffer.concat([head, body]);
}

export function closeBody(code, reason = '') {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/** The first frame in `bytes`, or undefined before it is whole. */
export function readFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const masked = (bytes[1] & 0x80) !== 0;
  let start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const size = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const key = bytes.subarray(start, start + 4);
  if (masked) start += 4;
  const end = start + size;
  if (bytes.length < end) return { end };
  const payload = Buffer.from(bytes.subarray(start, end));
  if (masked) for (let i = 0; i < size; i++) payload[i] ^= key[i & 3];
  return { end, fin: bytes[0] >= 0x80, rsv: (bytes[0] >> 4) & 7, opcode: bytes[0] & 15, payload };
}

/** The text of a handshake; `offer` is its Sec-WebSocket-Extensions. */
export function handshake(path, { offer, protocols, more = [] } = {}) {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...(offer ? [`Sec-WebSocket-Extensions: ${offer}`] : []),
    ...(protocols ? [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`] : []),
    ...more,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** A message that its name, number, size and kind say everything about. */
export function message(name, { seq, size, text }) {
  if (!text) return Buffer.alloc(size, `${name}:${seq}|`);
  const pattern = `${name}:${seq}${seq % 3 === 0 ? 'é' : ''}|`;
  return pattern.repeat(Math.ceil(size / pattern.length)).slice(0, size);
}
