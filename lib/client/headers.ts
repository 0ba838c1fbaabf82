import { pairs } from '../http/response-head.js';
import { wordsOf } from '../shared/arguments.js';
import { LwsError } from '../shared/errors.js';
import type { ConnectOptions, HeaderFields } from './options.js';

/** RFC 6455 4.1: headers that are the handshake's own, and those of a body, which it has not. */
const OWN = new Set([
  'connection',
  'upgrade',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
]);

/** Reads a collection whole: a redirect or a retry asks again, and a generator yields but once. */
function read(headers: HeaderFields | undefined): [string, string][] {
  const read = [...pairs(headers)] as [string, string][];
  for (const [name] of read)
    if (OWN.has(String(name).toLowerCase()))
      throw new LwsError(
        'ERR_INVALID_OPTION',
        `Expected headers beside the handshake's own but got "${name}"`,
      );
  return read;
}

/** For several tries: a function is kept, a collection is read now. */
export function headersOnce(headers: ConnectOptions['headers']): ConnectOptions['headers'] {
  return typeof headers === 'function' || headers === undefined ? headers : readNow(headers);
}

function readNow(headers: HeaderFields | undefined): [string, string][] {
  try {
    return read(headers);
  } catch (cause) {
    if (cause instanceof LwsError) throw cause;
    throw new LwsError('ERR_INVALID_OPTION', `The headers could not be read: ${wordsOf(cause)}`, { cause });
  }
}

async function ask(give: () => HeaderFields | Promise<HeaderFields>): Promise<HeaderFields> {
  try {
    return await give();
  } catch (cause) {
    throw new LwsError('ERR_CONNECT', `The headers function failed: ${wordsOf(cause)}`, { cause });
  }
}

/** The headers of one try; nobody waits for a function once the signal is aborted. */
export async function headersFor(
  headers: ConnectOptions['headers'],
  signal: AbortSignal,
): Promise<[string, string][]> {
  if (typeof headers !== 'function') return readNow(headers);
  const given = ask(headers);
  return readNow(
    await new Promise<HeaderFields>((resolve, reject) => {
      const over = () => reject(signal.reason);
      if (signal.aborted) over();
      signal.addEventListener('abort', over, { once: true });
      given.then(resolve, reject).finally(() => signal.removeEventListener('abort', over));
    }),
  );
}
