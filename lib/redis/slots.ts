import { Buffer } from '../shared/ambient.js';

/** The slot of a cluster that a key lies in: of what is between its braces, where there is something. */
export function slotOf(key: string): number {
  const [, tag = ''] = /\{(.*?)\}/.exec(key) ?? [];
  return crc16(Buffer.from(tag === '' ? key : tag)) % 16384;
}

/** CRC16 of XMODEM, as the cluster specification has it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
