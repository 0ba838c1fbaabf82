/** One extension of a `Sec-WebSocket-Extensions` field, with its parameters; `true` for one without value. */
export interface Extension {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string | true>;
  /** A parameter is named twice: well-formed, but no offer to take (RFC 7692 7.1). */
  readonly repeats: boolean;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
/* a quoted value must be a token once it is unescaped (RFC 6455 9.1) */
const QUOTED = /"((?:\\?[!#$%&'*+\-.^_`|~0-9A-Za-z])+)"/y;
const SPACE = /[ \t]*/y;

/** Walks a header value. */
class Scanner {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  token(): string | undefined {
    this.#take(SPACE);
    return this.#take(TOKEN)?.[0];
  }

  value(): string | undefined {
    this.#take(SPACE);
    const quoted = this.#take(QUOTED);
    return quoted === null ? this.#take(TOKEN)?.[0] : quoted[1]!.replace(/\\(.)/g, '$1');
  }

  accepts(mark: string): boolean {
    this.#take(SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  get done(): boolean {
    this.#take(SPACE);
    return this.#at === this.#text.length;
  }
}

function readExtension(scanner: Scanner): Extension | undefined {
  const name = scanner.token();
  if (name === undefined) return undefined;
  const parameters = new Map<string, string | true>();
  let repeats = false;
  while (scanner.accepts(';')) {
    const parameter = scanner.token();
    if (parameter === undefined) return undefined;
    repeats ||= parameters.has(parameter);
    const value = scanner.accepts('=') ? scanner.value() : true;
    if (value === undefined) return undefined;
    parameters.set(parameter, value);
  }
  return { name, parameters, repeats };
}

/** Reads the field (RFC 6455 9.1), whose list may have empty elements (RFC 9110 5.6.1.2); undefined when malformed. */
export function parseExtensions(field: string): Extension[] | undefined {
  const scanner = new Scanner(field);
  const extensions: Extension[] = [];
  do {
    while (scanner.accepts(','));
    if (scanner.done) return extensions;
    const extension = readExtension(scanner);
    if (extension === undefined) return undefined;
    extensions.push(extension);
  } while (scanner.accepts(','));
  return scanner.done ? extensions : undefined;
}
