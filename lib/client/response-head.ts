import { ResponseHeaders } from '../connection/response.js';
import { LwsError, type LwsErrorCode } from '../shared/errors.js';

/** Who answers: the server, or a proxy on the way to it. */
export type Answerer = 'server' | 'proxy';

/** What a bad answer of each is told as. */
export const answerCode: Readonly<Record<Answerer, LwsErrorCode>> = {
  server: 'ERR_HANDSHAKE',
  proxy: 'ERR_CONNECT',
};

/** The head of a response, RFC 9112 4. */
export interface ResponseHead {
  /** HTTP/1.minor */
  readonly minor: number;
  readonly status: number;
  readonly statusText: string;
  readonly headers: ResponseHeaders;
}

/* RFC 9112 4: the reason, and by custom the space before it, may be missing */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/;
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * Reads a whole head, decoded as latin1, up to its empty line.
 *
 * @throws LwsError for what is no HTTP/1 response head: ERR_HANDSHAKE of a server, ERR_CONNECT of a proxy.
 */
export function parseResponseHead(text: string, from: Answerer = 'server'): ResponseHead {
  const match = STATUS_LINE.exec(text);
  if (match === null)
    throw new LwsError(answerCode[from], `Expected an HTTP/1.1 status line from the ${from}`);
  /* RFC 9112 5.2: a folded line is read as the one before it, with spaces */
  const fields = text.slice(match[0].length, -2).replace(/\r\n[\t ]+/g, ' ');
  const lines: [string, string][] = [];
  for (const line of fields.split('\r\n')) {
    if (line === '') continue;
    const field = FIELD.exec(line);
    if (field === null)
      throw new LwsError(answerCode[from], `Expected well-formed header fields from the ${from}`);
    lines.push([field[1]!.toLowerCase(), field[2]!.trim()]);
  }
  const [, minor, status, statusText = ''] = match;
  return {
    minor: Number(minor),
    status: Number(status),
    statusText: statusText.trim(),
    headers: new ResponseHeaders(lines),
  };
}

/** Whether another head follows on this one (RFC 9110 15.2). */
export function isInterim({ status }: ResponseHead): boolean {
  return status < 200 && status !== 101;
}
