/** The parts of a request target (RFC 9112 3.2), not decoded. */
export interface RequestTarget {
  /** Host and port of an absolute form, which stand above the field Host (RFC 9112 3.2.2). */
  readonly authority: string | undefined;
  /** From its slash on, `/` where an absolute form has none, `*` for that of OPTIONS. */
  readonly path: string;
  /** Without the question mark; `''` where there is none. */
  readonly query: string;
}

const ABSOLUTE = /^(?:https?|wss?):\/\/([^/?]*)/i;

/** Takes a target apart that was found well-formed. */
export function parseTarget(target: string): RequestTarget {
  const absolute = target.startsWith('/') ? null : ABSOLUTE.exec(target);
  const start = absolute === null ? 0 : absolute[0].length;
  const mark = target.indexOf('?', start);
  return {
    authority: absolute?.[1],
    path: target.slice(start, mark < 0 ? undefined : mark) || '/',
    query: mark < 0 ? '' : target.slice(mark + 1),
  };
}

/** The elements of a list (RFC 9110 5.6.1) in lower case; a comma in a quoted string separates nothing. */
export function listElements(value: string): string[] {
  const elements = value.match(/(?:"(?:\\.|[^"\\])*"?|[^,"])+/g) ?? [];
  return elements.map((element) => element.trim().toLowerCase()).filter((element) => element !== '');
}
