import { Buffer } from './ambient.js';
/** Whether no other Buffer shares its memory. */
export function isAlone(bytes: Buffer): boolean {
  return bytes.length === bytes.buffer.byteLength;
}

/** A copy in memory of its own: Node's pool would share it again. */
export function copyAlone(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
