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

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const TIME = String.raw`(?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2})`;

/** IMF-fixdate, and the two obsolete forms that a recipient must take (RFC 9110 5.6.7). */
const FORMS = [
  String.raw`[A-Z][a-z]{2}, (?<day>\d{2}) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) ${TIME} GMT`,
  String.raw`[A-Z][a-z]+day, (?<day>\d{2})-(?<month>[A-Z][a-z]{2})-(?<year>\d{2}) ${TIME} GMT`,
  String.raw`[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) ${TIME} (?<year>\d{4})`,
].map((form) => new RegExp(`^${form}$`));

/** Two digits that seem to be more than 50 years ahead are of the century before (RFC 9110 5.6.7). */
function fullYear(digits: string): number {
  if (digits.length === 4) return Number(digits);
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + Number(digits);
  return year > now + 50 ? year - 100 : year;
}

/** Seconds since 1970, undefined for what is no date of HTTP: such a condition does not count. */
export function parseDate(text: string): number | undefined {
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups;
    if (parts === undefined) continue;
    const { day, month, year, hour, minute, second } = parts as Record<string, string>;
    const at = MONTHS.indexOf(month!);
    const date = new Date(0);
    date.setUTCFullYear(fullYear(year!), at, Number(day));
    date.setUTCHours(Number(hour), Number(minute), Number(second));
    /* a leap second is the next one; 31 February is none */
    const exists = at >= 0 && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60;
    if (!exists || new Date(date.getTime() - 1000 * Number(second)).getUTCDate() !== Number(day))
      return undefined;
    return date.getTime() / 1000;
  }
  return undefined;
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
