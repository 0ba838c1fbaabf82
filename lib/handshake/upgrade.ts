import { Connection } from '../connection/connection.js';
import type { Behavior, Host } from '../connection/owner.js';
import { UpgradeRequest } from '../connection/request.js';
import type { Sink } from '../connection/sink.js';
import type { Transport } from '../connection/transport.js';
import { type Crossing, sendRaw } from '../crossing/crossing.js';
import { OUT_COPY_MAX, Out, RequestFlag } from '../crossing/native.js';
import { headerLines, responseHead } from '../http/response-head.js';
import type { Trust } from '../proxy/trust.js';
import { Buffer } from '../shared/ambient.js';
import { isThenable, wordsOf } from '../shared/arguments.js';
import { checkMembers, describe } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import type { Gate, Refusal } from './admission.js';
import { acceptOffer, type DeflateSettings, deflateFlags } from './deflate.js';
import type { OriginWarning } from './origin-warning.js';
import { type RouteCookie, routeLine } from './route-cookie.js';
import type { UpgradeAcceptance, UpgradeAnswer, UpgradeRejection } from './upgrade-answer.js';

/** What an upgrade needs of its server. */
export interface UpgradeHost extends Host {
  readonly crossing: Crossing;
  /** Nobody is taken any more: the seconds of `Retry-After`. */
  readonly retryAfter: number | undefined;
  readonly deflate: DeflateSettings | undefined;
  /** Whose forwarded headers are believed; undefined: nobody's. */
  readonly trust: Trust | undefined;
  readonly origins: ReadonlySet<string> | undefined;
  /** Absent where `origins` are given. */
  readonly unguarded: OriginWarning | undefined;
  /** Who is looked at when too many come; undefined: everybody. */
  readonly gate: Gate | undefined;
  /** Named in every 101. */
  readonly route: RouteCookie | undefined;
  readonly behaviors: ReadonlyMap<string, Behavior>;
  /** Handlers of the server itself; undefined when it has none and names protocols. */
  readonly fallback: Behavior | undefined;
  /** Absent: every upgrade is accepted. */
  readonly decide:
    | ((request: UpgradeRequest) => UpgradeAnswer<unknown> | Promise<UpgradeAnswer<unknown>>)
    | undefined;
  joined(connection: Connection): void;
}

/**
 * The ConnectionFlag bits of a server's upgrades when none of them is anybody's to see: no handler looks at the
 * request or waits for `open`, nothing is chosen from what was offered. Undefined: each becomes an {@link Upgrade}.
 */
export function acceptedAlone(host: UpgradeHost): number | undefined {
  const { fallback, behaviors, decide, origins, deflate, route, gate } = host;
  if (fallback === undefined || behaviors.size > 0) return undefined;
  if (decide !== undefined || origins !== undefined || deflate !== undefined) return undefined;
  if (route !== undefined || gate !== undefined) return undefined;
  return fallback.handlers.open === undefined ? fallback.flags : undefined;
}

const answerMembers = ['data', 'protocol', 'headers', 'status', 'body'];

/** A handshake between its request and its connection. */
export class Upgrade implements Sink {
  readonly generation: number;
  readonly #transport: Transport;
  #head: UpgradeRequest | string;
  readonly #host: UpgradeHost;
  #over = false;
  #behavior: Behavior | undefined;
  #data: unknown;
  readonly #flags: number;
  readonly #suspect: boolean;

  /** `flags`: RequestFlag bits, which spare parsing heads that have nothing to look at. */
  constructor(host: UpgradeHost, transport: Transport, head: string, flags: number) {
    this.#flags = flags;
    this.#host = host;
    this.#transport = transport;
    this.#head = head;
    this.#suspect = (flags & RequestFlag.ORIGIN) !== 0 && (host.unguarded?.suspects(head) ?? false);
    this.generation = transport.generation;
  }

  get #request(): UpgradeRequest {
    if (typeof this.#head === 'string')
      this.#head = new UpgradeRequest(this.#head, this.#transport, this.#host.trust);
    return this.#head;
  }

  #field(flag: number, name: string): string | null {
    return (this.#flags & flag) === 0 ? null : this.#request.headers.get(name);
  }

  /** The transport died: whatever is decided later does nothing. */
  gone(): void {
    this.#over = true;
  }

  /** ESTABLISHED. */
  opened(): Connection {
    const connection = new Connection(
      this.#host.crossing,
      this.#host,
      this.#behavior!,
      this.#transport,
      this.#head,
      this.#data,
    );
    this.#host.joined(connection);
    this.#transport.adoption?.opened(connection);
    return connection;
  }

  start(): void {
    const { origins, retryAfter, gate } = this.#host;
    if (retryAfter !== undefined) {
      this.#refuseLate(retryAfter);
      return;
    }
    const refusal = gate?.ask(this.#request);
    if (refusal !== undefined) {
      this.#refuseMany(refusal);
      return;
    }
    const origin = this.#field(RequestFlag.ORIGIN, 'origin');
    if (origins !== undefined && origin !== null && !origins.has(origin))
      this.#refuse(403, 'this origin may not connect');
    else this.#ask();
  }

  #ask(): void {
    try {
      const answer = this.#host.decide?.(this.#request);
      if (isThenable(answer))
        Promise.resolve(answer).then(
          (settled) => this.#settle(settled),
          (cause) => this.#fail(cause),
        );
      else this.#settle(answer);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #settle(answer: UpgradeAnswer<unknown>): void {
    if (this.#over) return;
    try {
      const { retryAfter } = this.#host;
      if (retryAfter !== undefined) this.#refuseLate(retryAfter);
      else if (answer === undefined) this.#accept({});
      else if (typeof answer !== 'object' || answer === null)
        throw new TypeError(`Expected an object or nothing from upgrade but got ${describe(answer)}`);
      else {
        /* a refusal that was misspelled would let in whom it means to keep out */
        checkMembers('the answer of upgrade', answer, answerMembers);
        if ('status' in answer || answer.body !== undefined) this.#reject(answer as UpgradeRejection);
        else this.#accept(answer);
      }
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #fail(cause: unknown): void {
    if (!this.#over) this.#refuse(500, 'the server met an error');
    this.#host.failed(
      new LwsError('ERR_HANDLER', `The upgrade handler failed: ${wordsOf(cause)}`, { cause }),
    );
  }

  /** RFC 6455 4.2.2: the answer's choice, else the first offered one we have, else none. */
  #chooseBehavior(answer: UpgradeAcceptance<unknown>): Behavior | undefined {
    const { behaviors, fallback } = this.#host;
    const offer = this.#field(RequestFlag.PROTOCOLS, 'sec-websocket-protocol');
    const offered = offer === null ? [] : offer.split(',').map((name) => name.trim());
    if (answer.protocol !== undefined) {
      if (!offered.includes(answer.protocol))
        throw new TypeError(
          `Expected one of the offered subprotocols (${offered.join(', ') || 'none'}) from upgrade but got ${describe(answer.protocol)}`,
        );
      const known = behaviors.get(answer.protocol);
      return known ?? (fallback && { ...fallback, protocol: answer.protocol });
    }
    const first = offered.find((name) => behaviors.has(name));
    return first === undefined ? fallback : behaviors.get(first);
  }

  #accept(answer: UpgradeAcceptance<unknown>): void {
    const behavior = this.#chooseBehavior(answer);
    if (behavior === undefined) {
      this.#refuse(400, 'none of the offered subprotocols is served');
      return;
    }
    let lines = headerLines(answer.headers);
    const ours = /^sec-websocket-[^:]*/im.exec(lines);
    if (ours !== null)
      throw new TypeError(
        `Expected no Sec-WebSocket-* header from upgrade but got ${ours[0]}; its answer names the subprotocol as "protocol"`,
      );
    const deflate = this.#negotiateDeflate();
    if (deflate !== undefined) lines = `Sec-WebSocket-Extensions: ${deflate.answer}\r\n${lines}`;
    const { route } = this.#host;
    if (route !== undefined) lines = routeLine(route, this.#request) + lines;
    if (behavior.protocol !== '') lines = `Sec-WebSocket-Protocol: ${behavior.protocol}\r\n${lines}`;
    if (lines.length > OUT_COPY_MAX)
      throw new RangeError(
        `Expected at most ${OUT_COPY_MAX} bytes of headers from upgrade but got ${lines.length}`,
      );
    if (this.#suspect) this.#host.unguarded!.tell();
    this.#behavior = behavior;
    this.#data = 'data' in answer ? answer.data : this.#transport.adoption?.data;
    this.#over = true;
    const { slot, generation } = this.#transport;
    const bytes = Buffer.from(lines, 'latin1');
    this.#host.crossing.putBytes(
      Out.ACCEPT | ((behavior.flags | (deflate?.flags ?? 0)) << 8),
      slot,
      generation,
      bytes,
    );
  }

  #negotiateDeflate(): { flags: number; answer: string } | undefined {
    const settings = this.#host.deflate;
    const offers = settings && this.#field(RequestFlag.EXTENSIONS, 'sec-websocket-extensions');
    if (settings === undefined || offers === null || offers === undefined) return undefined;
    const accepted = acceptOffer(settings, offers);
    return accepted && { flags: deflateFlags(settings, accepted.agreement), answer: accepted.answer };
  }

  #refuse(status: number, why: string, headers: Record<string, string> = {}): void {
    const type = { 'Content-Type': 'text/plain; charset=utf-8' };
    this.#reject({ status, headers: { ...type, ...headers }, body: `${why}\n` });
  }

  #refuseLate(seconds: number): void {
    this.#refuse(503, 'the server is closing', { 'Retry-After': String(seconds) });
  }

  #refuseMany({ status, seconds }: Refusal): void {
    this.#refuse(status, status === 429 ? 'too many from here' : 'too many at once', {
      'Retry-After': String(seconds),
    });
  }

  #reject(answer: UpgradeRejection): void {
    const { status } = answer;
    if (!Number.isInteger(status) || status < 300 || status > 599)
      throw new RangeError(`Expected a status from 300 to 599 from upgrade but got ${describe(status)}`);
    const body =
      typeof answer.body === 'string' ? Buffer.from(answer.body) : (answer.body ?? new Uint8Array());
    if (!isUint8Array(body))
      throw new TypeError(`Expected a string or bytes for the body from upgrade but got ${describe(body)}`);
    const headers = headerLines(answer.headers)
      .split('\r\n')
      .filter((line) => line !== '')
      .map(
        (line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as [string, string],
      );
    const head = responseHead(status, headers, { keepAlive: false, length: body.length });
    this.#over = true;
    this.#transport.adoption?.failed(`it was answered with ${status}`, status);
    const { slot, generation } = this.#transport;
    const { crossing } = this.#host;
    sendRaw(crossing, slot, generation, Buffer.from(head, 'latin1'));
    if (body.length > 0) sendRaw(crossing, slot, generation, body);
    crossing.put(Out.RESPONSE_END, slot, generation);
  }
}
