import type { InspectOptionsStylized, inspect } from 'node:util';

type View = Record<string, unknown>;

/** As `util.inspect.custom`. */
const custom = Symbol.for('nodejs.util.inspect.custom');

/**
 * What `console.log` and `JSON.stringify` show of an object, or of all objects of a prototype, in place of what it is
 * made of: a few lines, and nothing that lets who reads a log act for somebody. Returns the target.
 */
export function shown<T extends object>(target: T, name: string, view: (self: T) => View): T {
  function show(this: T, depth: number, options: InspectOptionsStylized, print: typeof inspect): string {
    if (depth < 0) return options.stylize(`[${name}]`, 'special');
    return `${name} ${print(view(this), { ...options, depth })}`;
  }
  function toJSON(this: T): View {
    return view(this);
  }
  const hidden = { enumerable: false, configurable: true, writable: true };
  return Object.defineProperties(target, {
    [custom]: { ...hidden, value: show },
    toJSON: { ...hidden, value: toJSON },
  });
}

/** Fields whose values are secrets, or often hold some: browsers send tokens as subprotocols, and addresses with them. */
const SECRET =
  /auth|cookie|token|secret|passw|credential|session|api-?key|signature|^sec-websocket-protocol$|^referer$|^location$/;

/** Of a value, as many characters. */
const LONGEST = 100;

const shownValue = (name: string, value: string): string =>
  SECRET.test(name) ? '(hidden)' : value.slice(0, LONGEST);

/** Header fields with the beginnings of those values that are no secret. */
export function shownHeaders(headers: Iterable<[name: string, value: string]>): View {
  return Object.fromEntries([...headers].map(([name, value]) => [name, shownValue(name, value)]));
}
