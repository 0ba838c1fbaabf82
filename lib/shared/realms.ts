import { types } from 'node:util';

/*
 * What a value is, whichever realm made it: `instanceof` asks for the classes of one, and a program under `node:vm`, as
 * every test of jest, has several.
 */
export const { isAnyArrayBuffer, isDataView, isUint8Array } = types;

/** An Error or what else carries a message, as a DOMException. */
export function isError(value: unknown): value is Error {
  if (types.isNativeError(value)) return true;
  return typeof value === 'object' && value !== null && typeof (value as Partial<Error>).message === 'string';
}
