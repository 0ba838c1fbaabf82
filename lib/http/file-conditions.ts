/** The header fields of a request, as far as a file asks for them. */
interface Fields {
  get(name: string): string | null;
}

/** What distinguishes one state of a file from another (RFC 9110 8.8). */
export interface Validators {
  readonly etag: string;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Whether the same validators mean the same bytes. */
  readonly strong: boolean;
}

/** A file changed a moment ago may change again within the same time stamp. */
const SETTLED = 2_000;

/** Validators of a file from its size, the nanoseconds of its last change, and now in milliseconds. */
export function validators(size: number, changed: bigint, now: number): Validators {
  const tag = `"${changed.toString(36)}-${size.toString(36)}"`;
  const milliseconds = Number(changed / 1_000_000n);
  const strong = now - milliseconds >= SETTLED;
  /* RFC 9110 8.8.2.1: never later than Date */
  return {
    etag: strong ? tag : `W/${tag}`,
    modified: Math.floor(Math.min(milliseconds, now) / 1000),
    strong,
  };
}

/** IMF-fixdate (RFC 9110 5.6.7). */
export function httpDate(seconds: number): string {
  return new Date(seconds * 1000).toUTCString();
}

const DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Seconds since 1970, undefined for what is no IMF-fixdate: such a condition does not count. */
function parseDate(text: string): number | undefined {
  const time = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time / 1000;
}

/** Whether a list of entity tags has one that matches; a strong match wants both strong (RFC 9110 8.8.3.2). */
function matches(list: string, etag: string, strong: boolean): boolean {
  if (list.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  for (const [, weak, tag] of list.matchAll(/(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g))
    if (tag === opaque && !(strong && (weak !== undefined || etag !== opaque))) return true;
  return false;
}

/** The answer to the preconditions of a GET or HEAD: 200 to go on, 304 or 412 (RFC 9110 13.2.2). */
export function precondition(fields: Fields, file: Validators): 200 | 304 | 412 {
  const ifMatch = fields.get('if-match');
  const unmodified = fields.get('if-unmodified-since');
  if (ifMatch !== null) {
    if (!matches(ifMatch, file.etag, true)) return 412;
  } else if (unmodified !== null) {
    const since = parseDate(unmodified);
    if (since !== undefined && file.modified > since) return 412;
  }
  const ifNoneMatch = fields.get('if-none-match');
  if (ifNoneMatch !== null) return matches(ifNoneMatch, file.etag, false) ? 304 : 200;
  const modified = fields.get('if-modified-since');
  const since = modified === null ? undefined : parseDate(modified);
  return since !== undefined && file.modified <= since ? 304 : 200;
}

/** Bytes `start` to `end`, the latter not included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** RFC 9110 13.1.5: the range is meant for a state of the file that must be ours for sure. */
function rangeApplies(fields: Fields, file: Validators): boolean {
  const condition = fields.get('if-range');
  if (condition === null) return true;
  if (!file.strong) return false;
  return condition.startsWith('"') ? condition === file.etag : parseDate(condition) === file.modified;
}

/**
 * The one range that a GET asks for; undefined when the whole file is the answer:
 * no range, one for another state, several, or none that RFC 9110 14.1 knows.
 */
export function requestedRange(
  fields: Fields,
  file: Validators,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const parts = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(fields.get('range') ?? '');
  if (parts === null || !rangeApplies(fields, file)) return undefined;
  const [, first, last] = parts as unknown as [string, string, string];
  if (first === '') {
    if (last === '' || size === 0) return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}
