import { Buffer } from './ambient.js';
import { describe, unexpected } from './checks.js';
import { LwsError } from './errors.js';
import { isAnyArrayBuffer, isDataView, isError, isUint8Array } from './realms.js';

/** What somebody threw, in words. Throws nothing itself, whatever it is given. */
export function wordsOf(thrown: unknown): string {
  try {
    return String(isError(thrown) ? thrown.message : thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** Whether it is a promise, also one of another library or realm. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
  );
}

const { at } = Uint8Array.prototype;

/** Throws a TypeError where the memory behind a view was transferred, or shrank away from under it. */
function refuseGone(view: ArrayBufferView): void {
  if (view.byteLength === 0 && !isDataView(view)) at.call(view, 0);
}

/** As {@link toBytes}, but `undefined` for what is neither, and a TypeError for memory that is gone. */
function bytesOf(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) {
    refuseGone(data);
    if (isUint8Array(data)) return data;
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  return undefined;
}

/**
 * The bytes of any buffer or view, without a copy.
 *
 * @throws LwsError ERR_INVALID_ARGUMENT for anything else, and for memory that was transferred or has shrunk.
 */
export function toBytes(data: unknown): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = bytesOf(data);
  } catch (cause) {
    if (cause instanceof RangeError) throw cause; /* no stack left */
    const text = 'Expected bytes for the data but got memory that was transferred or has shrunk';
    throw new LwsError('ERR_INVALID_ARGUMENT', text, { cause });
  }
  if (bytes !== undefined) return bytes;
  throw unexpected('a string, an ArrayBuffer or a view of one', 'the data', describe(data));
}

/** RFC 6455 7.4 and the IANA registry: codes an endpoint may send. */
function mayBeSent(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** The body of a close frame. */
export function closePayload(code: number, reason: string): Uint8Array {
  if (!Number.isInteger(code) || !mayBeSent(code))
    throw unexpected('1000–1003, 1007–1014 or 3000–4999', 'a close code', describe(code));
  if (typeof reason !== 'string') throw unexpected('a string', 'a close reason', describe(reason));
  const size = Buffer.byteLength(reason);
  if (size > 123) throw unexpected('at most 123 bytes', 'a close reason', `${size}`);
  const payload = Buffer.allocUnsafe(2 + size);
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}
