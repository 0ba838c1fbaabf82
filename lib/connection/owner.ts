import type { Crossing } from '../crossing/crossing.js';
import type { Trust } from '../proxy/trust.js';
import type { LwsError } from '../shared/errors.js';
import type { Scope } from '../shared/scope.js';
import type { CloseInfo, FragmentInfo } from './events.js';
import type { Topics } from './topics.js';

/** @internal What the parts of a connection know of it: its inbox, and who calls its handlers. */
export interface Owner {
  readonly slot: number;
  readonly generation: number;
  readonly crossing: Crossing;
  readonly behavior: Behavior;
  readonly host: Host;
  readonly stage: number;
  /** Holds what may not be delivered until `opening` has settled, for at most `timeout`. */
  holdOpen(opening: PromiseLike<unknown>, timeout: number): void;
  /** A handler threw or rejected. */
  fail(cause: unknown, handler: string): void;
  /** Answers the peer's close, behind everything that was sent. */
  answer(): void;
  /** Tells the last event. */
  die(info: CloseInfo): void;
}

/** @internal `Handlers`, as those know them who call them. */
export interface Heard {
  open?(connection: Owner): unknown;
  message?(connection: Owner, data: string | Buffer): unknown;
  fragment?(connection: Owner, data: Buffer, info: FragmentInfo): unknown;
  writable?(connection: Owner): unknown;
  pong?(connection: Owner, data: Buffer): unknown;
  close?(connection: Owner, info: CloseInfo): unknown;
}

/** @internal Handlers with what was derived from the options, one per subprotocol. */
export interface Behavior {
  readonly handlers: Heard;
  readonly protocol: string;
  readonly memory: number;
  /** ConnectionFlag bits it opens with. */
  readonly flags: number;
}

/** @internal What a connection needs of its server. */
export interface Host {
  /** Where handlers are called. */
  readonly scope: Scope;
  readonly maxBackpressure: number;
  readonly dropsOverflow: boolean;
  readonly strictLifetime: boolean;
  /** Which proxies are believed about the client's address. */
  readonly trust?: Trust | undefined;
  readonly openTimeout: number;
  /** How long what a connection holds may put off the answer of the peer's close. */
  readonly closeTimeout: number;
  /** Of a server: counts a message that nobody reads. A client's messages wait for its first loop. */
  discarded?(): void;
  /** Of a server; clients have none. */
  readonly topics?: Topics | undefined;
  /** Tells the `error` handler, or lets the cause surface as uncaught. */
  failed(error: LwsError, connection?: Owner): void;
  left(connection: Owner): void;
}
