import { shown, shownHeaders } from '../shared/shown.js';

/**
 * The header fields of a response: read-only, names in any case. Fields of one name stay apart in `getAll`; `get` joins
 * them with ', ' (RFC 9110 5.3), which may not be done to `Set-Cookie`: see `getSetCookie`.
 */
export class ResponseHeaders implements Iterable<[name: string, value: string]> {
  readonly #lines: readonly (readonly [name: string, value: string])[];

  /** @internal Names in lower case, in the order in which they came. */
  constructor(lines: readonly (readonly [name: string, value: string])[]) {
    this.#lines = lines;
  }

  /** The value of a field, `null` when it was not sent. */
  get(name: string): string | null {
    const values = this.getAll(name);
    return values.length === 0 ? null : values.join(', ');
  }

  /** The values of all fields of a name, each as it was sent. */
  getAll(name: string): string[] {
    const lower = name.toLowerCase();
    return this.#lines.filter(([each]) => each === lower).map(([, value]) => value);
  }

  /** The values of all `Set-Cookie` fields. */
  getSetCookie(): string[] {
    return this.getAll('set-cookie');
  }

  /** Whether a field was sent. */
  has(name: string): boolean {
    const lower = name.toLowerCase();
    return this.#lines.some(([each]) => each === lower);
  }

  /** Names in lower case and values, one entry for each field, in the order in which they came. */
  *entries(): Generator<[name: string, value: string], undefined> {
    for (const [name, value] of this.#lines) yield [name, value];
  }

  /** As {@link ResponseHeaders.entries}. */
  [Symbol.iterator](): Generator<[name: string, value: string], undefined> {
    return this.entries();
  }
}

/** The 101 that opened a client's connection. */
export interface UpgradeResponse {
  /** Always 101. */
  readonly status: 101;
  /** Its reason phrase, `''` for none. */
  readonly statusText: string;
  /** Its header fields; `getSetCookie()` has the cookies. */
  readonly headers: ResponseHeaders;
}

shown(ResponseHeaders.prototype, 'ResponseHeaders', shownHeaders);
