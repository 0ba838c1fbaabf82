import { type HostPort, readHostPort } from './address.js';

/** What one proxy wrote about the request as it came to it. */
export interface Hop {
  /** Who sent it; undefined when that is hidden (RFC 7239 6) or cannot be read. */
  readonly from: HostPort | undefined;
  /** As `'https'`; undefined when it was not told. */
  readonly protocol: string | undefined;
}

/* with the `:`, `[` and `]` that RFC 7239 4 wants quoted and some proxies do not quote */
const PAIR = /[ \t]*(?:([\w!#$%&'*+\-.^`|~]+)=(?:([^\s",;]+)|"((?:[^"\\]|\\.)*)"))?[ \t]*(;|,|$)/y;

const NOTHING: Hop = { from: undefined, protocol: undefined };

function hopOf(parameters: ReadonlyMap<string, string>): Hop {
  /* RFC 7239 6.3: a port may be hidden too */
  const from = parameters.get('for')?.replace(/:_[\w.-]+$/, '');
  return {
    from: from === undefined ? undefined : readHostPort(from),
    protocol: parameters.get('proto')?.toLowerCase(),
  };
}

/** One element from `start` on, and where it ends; undefined: malformed, or a parameter is repeated (RFC 7239 4). */
function readElement(field: string, start: number): { hop: Hop | undefined; end: number } | undefined {
  const parameters = new Map<string, string>();
  PAIR.lastIndex = start;
  for (;;) {
    const match = PAIR.exec(field);
    if (match === null) return undefined;
    const [, name, plain, quoted, mark] = match;
    if (name !== undefined) {
      const key = name.toLowerCase();
      if (parameters.has(key)) return undefined;
      parameters.set(key, plain ?? quoted!.replace(/\\(.)/g, '$1'));
    }
    if (mark === ';') continue;
    return { hop: parameters.size > 0 ? hopOf(parameters) : undefined, end: PAIR.lastIndex };
  }
}

/**
 * Reads Forwarded (RFC 7239), the nearest proxy last. After a malformed element it goes on behind the next comma, so
 * that a quote that a client opened and never closed cannot swallow what our proxies appended.
 */
export function readForwarded(field: string): Hop[] {
  const hops: Hop[] = [];
  for (let at = 0; at < field.length; ) {
    const element = readElement(field, at);
    if (element === undefined) hops.push(NOTHING);
    else if (element.hop !== undefined) hops.push(element.hop);
    const comma = field.indexOf(',', at);
    at = element?.end ?? (comma < 0 ? field.length : comma + 1);
  }
  return hops;
}
