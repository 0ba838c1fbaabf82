import { shown, shownHeaders } from './shown.js';
/**
 * Reads a request head that the native side found well-formed (RFC 9112): one
 * string, searched when asked, parsed as a whole only for `headers`.
 */
export interface RequestHead {
  readonly method: string;
  /** The request target as sent. */
  readonly url: string;
  /** Everything after the request line. */
  readonly fields: string;
}

export function parseHead(text: string): RequestHead {
  let start = 0;
  while (text.startsWith('\r\n', start)) start += 2; /* RFC 9112 2.2: an empty line before is allowed */
  const firstSpace = text.indexOf(' ', start);
  const secondSpace = text.indexOf(' ', firstSpace + 1);
  const lineEnd = text.indexOf('\r\n', secondSpace);
  return {
    method: text.slice(start, firstSpace),
    url: text.slice(firstSpace + 1, secondSpace),
    fields: text.slice(lineEnd + 2, text.length - 2),
  };
}

function* lines(fields: string): Generator<[name: string, value: string]> {
  for (let at = 0; at < fields.length; ) {
    const end = fields.indexOf('\r\n', at);
    if (end === at || end < 0) return;
    const colon = fields.indexOf(':', at);
    yield [fields.slice(at, colon).toLowerCase(), fields.slice(colon + 1, end).trim()];
    at = end + 2;
  }
}

/**
 * The header fields of a request: read-only, names in lower case, the values of
 * a repeated field joined with ', ' (RFC 9110 5.3; cookies with '; ').
 */
export class RequestHeaders implements Iterable<[name: string, value: string]> {
  readonly #values = new Map<string, string>();

  /** @internal */
  constructor(fields: string, authority?: string) {
    for (const [name, value] of lines(fields)) {
      const before = this.#values.get(name);
      const joint = name === 'cookie' ? '; ' : ', ';
      this.#values.set(name, before === undefined ? value : before + joint + value);
    }
    if (authority !== undefined) this.#values.set('host', authority);
  }

  /** The value of a field, `null` when it was not sent. */
  get(name: string): string | null {
    return this.#values.get(name.toLowerCase()) ?? null;
  }

  /** Whether a field was sent. */
  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  /** How many names there are. */
  get size(): number {
    return this.#values.size;
  }

  /** Names, in lower case, in the order in which they came. */
  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  /** Values, in the same order. */
  values(): IterableIterator<string> {
    return this.#values.values();
  }

  /** Names and values. */
  entries(): IterableIterator<[string, string]> {
    return this.#values.entries();
  }

  /** Calls `visit` for each field. */
  forEach(visit: (value: string, name: string, headers: RequestHeaders) => void): void {
    for (const [name, value] of this.#values) visit(value, name, this);
  }

  /** As {@link RequestHeaders.entries}. */
  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#values.entries();
  }
}

shown(RequestHeaders.prototype, 'RequestHeaders', shownHeaders);
