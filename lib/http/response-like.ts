/** Headers of a {@link ResponseLike}: a WHATWG `Headers`, of this realm or another. */
export interface HeadersLike extends Iterable<[name: string, value: string]> {
  /** The value of a field, whatever the case of its name; `null` where there is none. */
  get(name: string): string | null;
  /** Each `Set-Cookie` by itself: they cannot be joined into one field (RFC 6265 3). */
  getSetCookie(): string[];
}

/** What a request handler answers with: a WHATWG `Response`, of this realm or another. */
export interface ResponseLike {
  /** 200–599. */
  readonly status: number;
  /** The reason phrase; `''`: the usual one. */
  readonly statusText: string;
  /** Header fields. */
  readonly headers: HeadersLike;
  /** Read no faster than the peer takes it, and cancelled when the peer leaves. */
  readonly body: ReadableStream<Uint8Array> | null;
  /** `'default'` where it was made here; what `fetch` gave is another, and its body may have been decoded. */
  readonly type?: string | undefined;
}
