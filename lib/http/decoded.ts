import { LwsError } from '../shared/errors.js';
import type { ResponseLike } from './response-like.js';

/** What every `fetch` undoes (Fetch, "handle content codings"). */
const UNDONE = new Set(['gzip', 'x-gzip', 'deflate', 'br']);

/** What some versions undo and others do not. */
const UNSURE = new Set(['zstd']);

/** They describe the body as it came, not as it is now. */
const OF_ENCODED = new Set(['content-encoding', 'content-length']);

/** Whether the body of a response that `fetch` gave is no longer in the coding that its head names. */
function isDecoded({ type, body, headers }: ResponseLike): boolean {
  if (type === undefined || type === 'default' || body === null) return false;
  const codings =
    headers
      .get('content-encoding')
      ?.toLowerCase()
      .split(/[ \t]*,[ \t]*/) ?? [];
  if (codings.some((coding) => UNSURE.has(coding)))
    throw new LwsError(
      'ERR_HANDLER',
      `Expected a Response whose body is as its head says, but fetch may have decoded one with Content-Encoding ${codings.join(', ')}; give its body to a new Response`,
    );
  /* one coding that it does not know, an empty one too, and it leaves all of them */
  return codings.length > 0 && codings.every((coding) => UNDONE.has(coding));
}

/**
 * The fields of a response, without those that its decoded body made wrong.
 *
 * @throws LwsError ERR_HANDLER where nobody can know whether it was decoded.
 */
export function* describing(response: ResponseLike): Generator<[name: string, value: string]> {
  const decoded = isDecoded(response);
  for (const field of response.headers) if (!decoded || !OF_ENCODED.has(field[0].toLowerCase())) yield field;
}
