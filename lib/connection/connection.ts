import type { Crossing } from '../crossing/crossing.js';
import { OPCODE_BINARY, OPCODE_TEXT, OUT_COPY_MAX, Out } from '../crossing/native.js';
import { AbortController, Buffer } from '../shared/ambient.js';
import { closePayload, toBytes, wordsOf } from '../shared/arguments.js';
import { unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import { runInAsyncScope } from '../shared/scope.js';
import { shown } from '../shared/shown.js';
import { callClose } from './calls.js';
import { type Death, deadUse } from './death.js';
import type { CloseInfo } from './events.js';
import { connectionId } from './ids.js';
import { type Held, Inbox } from './inbox.js';
import type { Behavior, Host, Owner } from './owner.js';
import { UpgradeRequest } from './request.js';
import type { UpgradeResponse } from './response.js';
import { opcodeFor, type SendOptions, type SendResult } from './sending.js';
import { Stage } from './stage.js';
import { Subscriptions, type Topics } from './topics.js';
import type { Transport } from './transport.js';

/** Longest text whose UTF-8 surely fits a ring record. */
const TEXT_COPY_MAX = Math.floor(OUT_COPY_MAX / 3);

/** Parts that most connections never ask for. */
interface Extras {
  memory?: ArrayBuffer;
  closed?: Promise<CloseInfo>;
  resolveClosed?: (info: CloseInfo) => void;
  abort?: AbortController;
  subscriptions?: Subscriptions;
  response?: UpgradeResponse;
}

/**
 * One WebSocket, from `open` to `close`.
 *
 * After its `close` handler returned it is dead: `data` is `undefined`, `memory`
 * is detached, `send` answers `'closed'` and every other method does nothing.
 * With `strictLifetime` every use of a dead connection throws
 * `ERR_CONNECTION_CLOSED`. `id`, `request`, `transport` and `closed` stay.
 */
export class Connection<D = unknown, X = unknown> implements Owner {
  /** The user's value; what `upgrade` returned as `data`. */
  data: D;
  /** The network connection underneath. */
  readonly transport: Transport<X>;
  /** @internal */
  readonly slot: number;
  /** @internal */
  readonly generation: number;
  /** @internal */
  readonly behavior: Behavior;
  /** @internal */
  readonly host: Host;
  /** @internal */
  readonly crossing: Crossing;
  /** @internal */
  stage: number = Stage.OPEN;
  /** @internal Holds what may not be delivered yet; undefined on the direct path. */
  inbox: Inbox | undefined = undefined;
  /** The text of the request's head until somebody asks for the request: most idle connections keep no more. */
  #head: UpgradeRequest<X> | string;
  #extras: Extras | undefined = undefined;
  #death: Death | undefined = undefined;

  /** @internal */
  constructor(
    crossing: Crossing,
    host: Host,
    behavior: Behavior,
    transport: Transport<X>,
    request: UpgradeRequest<X> | string,
    data: D,
  ) {
    this.crossing = crossing;
    this.host = host;
    this.behavior = behavior;
    this.#head = request;
    this.transport = transport;
    this.slot = transport.slot;
    this.generation = transport.generation;
    this.data = data;
  }

  /** Never repeats, not even across restarts. */
  get id(): string {
    return connectionId(this.slot, this.generation);
  }

  /** The upgrade request, an immutable copy. */
  get request(): UpgradeRequest<X> {
    if (typeof this.#head === 'string')
      this.#head = new UpgradeRequest(this.#head, this.transport, this.host.trust);
    return this.#head;
  }

  /** Of a connection of `connect`: the server's answer, as for its cookies. `undefined` on servers. */
  get response(): UpgradeResponse | undefined {
    return this.#extras?.response;
  }

  /** True from `open` until either side closes, and of what is sent until then nothing is lost to the closing. */
  get isOpen(): boolean {
    return this.stage === Stage.OPEN;
  }

  /** The chosen subprotocol, `''` for none. */
  get protocol(): string {
    return this.behavior.protocol;
  }

  /**
   * Bytes accepted by `send` and `publish` that the socket has not taken yet: out-ring
   * and native queue together, frame headers included once they are built.
   */
  get bufferedAmount(): number {
    if (this.stage >= Stage.ENDED) return 0;
    return this.crossing.waiting(this.slot);
  }

  /**
   * Scratch bytes of the size its protocol declares, zeroed at first use,
   * detached (`byteLength` 0) after `close`.
   */
  get memory(): ArrayBuffer {
    this.refuseDead();
    this.#extras ??= {};
    if (this.#extras.memory === undefined) {
      const size = this.stage === Stage.DEAD ? 0 : this.behavior.memory;
      this.#extras.memory = this.crossing.native.createMemory(size);
    }
    return this.#extras.memory;
  }

  /** Resolves with how it ended; never rejects. */
  get closed(): Promise<CloseInfo> {
    this.#extras ??= {};
    const extras = this.#extras;
    if (extras.closed === undefined) {
      extras.closed = this.#death
        ? Promise.resolve(this.#death.info)
        : new Promise((resolve) => {
            extras.resolveClosed = resolve;
          });
    }
    return extras.closed;
  }

  /** Aborted right after the `close` handler returned. */
  get signal(): AbortSignal {
    this.#extras ??= {};
    if (this.#extras.abort === undefined) {
      this.#extras.abort = new AbortController();
      if (this.#death) this.#extras.abort.abort(deadUse(this.id, this.#death));
    }
    return this.#extras.abort.signal;
  }

  /**
   * Sends one message: a string as text, bytes as binary. The bytes are copied or
   * written during the call; the caller may change them afterwards.
   *
   * - `'sent'`: accepted, and nothing is known to wait natively.
   * - `'buffered'`: accepted behind bytes that the socket refused; `writable` tells when they left.
   * - `'dropped'`: with what waits already it would exceed `maxBackpressure`, under `onBackpressure: 'drop'`.
   * - `'closed'`: not open any more, or closed right now with 1013 where it would have been dropped.
   *
   * @throws LwsError ERR_INVALID_ARGUMENT for data that is neither a string nor bytes, or whose memory was
   *   transferred or has shrunk.
   */
  send(data: string | ArrayBufferView | ArrayBufferLike, options?: SendOptions): SendResult {
    if (this.stage !== Stage.OPEN) return this.refuseSend();
    if (typeof data === 'string') return this.sendText(data, options);
    /* what toBytes() would say of most, said here: its rest would keep V8 from inlining this way */
    const bytes = isUint8Array(data) && data.length > 0 ? data : toBytes(data);
    return this.sendBytes(bytes, options === undefined ? OPCODE_BINARY : opcodeFor(options, OPCODE_BINARY));
  }

  private sendText(text: string, options: SendOptions | undefined): SendResult {
    const opcode = options === undefined ? OPCODE_TEXT : opcodeFor(options, OPCODE_TEXT);
    if (text.length > TEXT_COPY_MAX) return this.sendBytes(Buffer.from(text), opcode);
    if (this.wouldPass(text.length * 3) && this.isFull(Buffer.byteLength(text))) return this.overflow();
    return this.crossing.putText(opcode, this, text) ? 'sent' : 'buffered';
  }

  private sendBytes(bytes: Uint8Array, opcode: number): SendResult {
    const size = bytes.length;
    if (this.wouldPass(size) && this.isFull(size)) return this.overflow();
    if (size > OUT_COPY_MAX) return this.sendLarge(bytes, opcode);
    return this.crossing.putMessage(opcode, this, bytes) ? 'sent' : 'buffered';
  }

  private sendLarge(bytes: Uint8Array, opcode: number): SendResult {
    const left = this.crossing.native.send(this.slot, this.generation, opcode, bytes);
    if (left < 0) {
      this.stage = Stage.LOST;
      return 'closed';
    }
    return left === 0 ? 'sent' : 'buffered';
  }

  /** Whether so much more would pass maxBackpressure if the socket took nothing. */
  private wouldPass(size: number): boolean {
    return this.crossing.waiting(this.slot) + size > this.host.maxBackpressure;
  }

  /**
   * Whether so much more must be refused. Only the socket decides what waits, so
   * the ring is flushed first; where nothing waits, a message may have any size.
   */
  private isFull(size: number): boolean {
    if (!this.wouldPass(size)) return false;
    const { queued, handed } = this.crossing;
    if (handed[this.slot]! > 0) this.crossing.flush();
    const waiting = queued[this.slot]!;
    return waiting > 0 && waiting + size > this.host.maxBackpressure;
  }

  private overflow(): SendResult {
    if (this.host.dropsOverflow) return 'dropped';
    this.close(1013, 'maxBackpressure exceeded');
    return 'closed';
  }

  private refuseSend(): SendResult {
    this.refuseDead();
    return 'closed';
  }

  /** Throws under `strictLifetime`; true when the call must do nothing. */
  private refuseDead(): boolean {
    if (this.stage !== Stage.DEAD) return false;
    if (this.host.strictLifetime) throw deadUse(this.id, this.#death!);
    return true;
  }

  /** The topics it is subscribed to, oldest first; a snapshot. Inside `close` those it had until it closed. */
  get topics(): readonly string[] {
    return this.refuseDead() ? [] : (this.#extras?.subscriptions?.names ?? []);
  }

  private topicsOfServer(): Topics {
    const { topics } = this.host;
    if (topics !== undefined) return topics;
    throw new LwsError('ERR_INVALID_STATE', 'Expected a connection of a server for topics but got a client');
  }

  /**
   * Subscribes to a topic of the server: a name of 1 to 255 characters. It ends with the connection.
   * Returns whether that changed something: not when it was subscribed already, nor when it is not open any more.
   *
   * @throws LwsError ERR_LIMIT above `maxSubscriptions`; ERR_INVALID_ARGUMENT for another name;
   *   ERR_INVALID_STATE for a connection of `connect`.
   */
  subscribe(topic: string): boolean {
    if (this.refuseDead()) return false;
    const topics = this.topicsOfServer();
    this.#extras ??= {};
    this.#extras.subscriptions ??= new Subscriptions(topics);
    return this.#extras.subscriptions.add(this, topic);
  }

  /** Ends a subscription; returns whether there was one. Throws as `subscribe`. */
  unsubscribe(topic: string): boolean {
    if (this.refuseDead()) return false;
    this.topicsOfServer();
    return this.#extras?.subscriptions?.remove(this, topic) ?? false;
  }

  /**
   * Sends one message to all others that are subscribed to a topic at this moment, in order with what `send` sends
   * them; possible until its own `close` handler has returned. Who would pass `maxBackpressure` is skipped or closed,
   * and nobody else notices. Returns how many accepted it.
   *
   * @throws LwsError ERR_INVALID_ARGUMENT for another topic, or data as in {@link send};
   *   ERR_INVALID_STATE for a connection of `connect`.
   */
  publish(topic: string, data: string | ArrayBufferView | ArrayBufferLike, options?: SendOptions): number {
    if (this.refuseDead()) return 0;
    return this.topicsOfServer().publish(topic, data, options, this.slot, this.generation);
  }

  /** Asks for one `writable`, as soon as the socket takes more. */
  requestWritable(): void {
    if (this.refuseDead() || this.stage !== Stage.OPEN) return;
    this.crossing.put(Out.WANT_WRITABLE, this.slot, this.generation);
  }

  /**
   * Sends a ping with up to 125 bytes of application data. It counts for
   * `maxBackpressure` as a message does.
   *
   * @throws LwsError ERR_INVALID_ARGUMENT for more, or for data as in {@link send}.
   */
  ping(data: string | ArrayBufferView | ArrayBufferLike = ''): void {
    if (this.refuseDead() || this.stage !== Stage.OPEN) return;
    /* a copy: shared memory may grow behind the question */
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(toBytes(data));
    if (bytes.length > 125) throw unexpected('at most 125 bytes', 'a ping', `${bytes.length}`);
    if (this.isFull(bytes.length)) {
      this.overflow();
      return;
    }
    this.crossing.putBytes(Out.PING, this.slot, this.generation, bytes);
  }

  /**
   * Starts the close handshake behind what was sent. No `message` follows.
   * Idempotent: the first call counts.
   *
   * @param code 1000 (default), 1001–1003, 1007–1014 or 3000–4999 (RFC 6455 7.4).
   * @param reason At most 123 bytes as UTF-8.
   * @throws LwsError ERR_INVALID_ARGUMENT for another code or a longer reason.
   */
  close(code = 1000, reason = ''): void {
    if (this.refuseDead()) return;
    if (this.stage <= Stage.LOST) {
      const payload = closePayload(code, reason);
      this.crossing.putBytes(Out.CLOSE, this.slot, this.generation, payload);
      this.stage = Stage.CLOSING;
    }
    this.inbox?.discard(); /* where the peer closed before, a pause may have kept input */
  }

  /** Ends the network connection without a close frame, behind what was sent. No `message` follows. */
  terminate(): void {
    if (this.refuseDead()) return;
    if (this.stage < Stage.ENDED) {
      this.crossing.put(Out.TERMINATE, this.slot, this.generation);
      this.stage = Stage.CLOSING;
    }
    this.inbox?.discard();
  }

  /**
   * Stops reading. What has arrived already is kept; no `message` follows until
   * `resume`. Where the peer closes meanwhile, `close` comes after what was kept.
   */
  pause(): void {
    if (this.refuseDead() || this.stage > Stage.LOST) return;
    this.ownInbox().pause(true);
  }

  /** Goes on reading, first with what was kept. */
  resume(): void {
    if (this.refuseDead()) return;
    this.inbox?.pause(false);
  }

  /**
   * Reads the messages in a loop, for connections without a `message` handler.
   * At most 64 KiB wait unread, then reading stops. It ends when the connection
   * closes; leaving the loop early holds further input until the next loop. On a server
   * it begins inside `open`, or `open` pauses: else what comes before it is discarded.
   *
   * @throws LwsError ERR_INVALID_STATE beside a `message` or `fragment` handler, or inside another loop.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<string | Buffer> {
    this.refuseDead();
    return this.ownInbox().iterate();
  }

  /** Closes with 1000 and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.stage === Stage.DEAD) return;
    this.close();
    await this.closed;
  }

  /** @internal */
  ownInbox(): Inbox {
    this.inbox ??= new Inbox(this);
    return this.inbox;
  }

  /** @internal */
  answeredWith(response: UpgradeResponse): void {
    this.#extras ??= {};
    this.#extras.response = response;
  }

  /** @internal */
  holdOpen(opening: PromiseLike<unknown>, timeout: number): void {
    this.ownInbox().holdOpen(opening, timeout);
  }

  /** @internal What its handler was given too early comes again, before all that follows, when `until` has settled. */
  again(held: Held, until: PromiseLike<unknown>): void {
    this.ownInbox().again(held, until);
  }

  /** @internal A handler threw or rejected: this connection closes with 1011, nobody else notices. */
  fail(cause: unknown, handler: string): void {
    /* where the peer has closed before, what was kept of it is not for who failed */
    if (this.stage <= Stage.LOST) this.close(1011, 'the server met an error');
    else if (handler !== 'close') this.inbox?.discard();
    const text = `The ${handler} handler failed: ${wordsOf(cause)}`;
    const error = new LwsError('ERR_HANDLER', text, { cause });
    this.host.failed(error, this);
  }

  /**
   * @internal The peer closed, failed or ended its direction: nothing more comes of it, and what its messages are
   * answered with goes out first. `ours`: it does not take what was published for it, and is closed.
   */
  closing(ours: boolean): void {
    if (this.stage > Stage.LOST) return;
    if (ours) this.close(1013, 'maxBackpressure exceeded');
    else if (this.inbox === undefined || !this.inbox.holdAnswer()) this.answer();
  }

  /** @internal Behind everything that was sent. */
  answer(): void {
    if (this.stage > Stage.LOST) return;
    this.crossing.put(Out.ANSWER, this.slot, this.generation);
    this.stage = Stage.CLOSING;
    this.inbox?.endWaiting();
  }

  /** @internal The native side is gone. Waits for an unsettled `open`, then tells `close`. */
  ended(info: CloseInfo): void {
    this.stage = Stage.ENDED;
    if (this.inbox !== undefined && !this.inbox.end(info)) return;
    this.die(info);
  }

  /** @internal The last event; afterwards nothing of the user's can be reached from here. */
  die(info: CloseInfo): void {
    callClose(this, info);
    this.invalidate(info);
  }

  private invalidate(info: CloseInfo): void {
    this.stage = Stage.DEAD;
    this.#death = { info, at: Date.now() };
    this.data = undefined as D;
    this.transport.data = undefined as X;
    const extras = this.#extras;
    if (extras?.memory) this.crossing.native.detachMemory(extras.memory);
    this.host.left(this);
    this.inbox?.finish();
    extras?.resolveClosed?.(info);
    if (extras?.abort)
      runInAsyncScope.call(
        this.host.scope(),
        extras.abort.abort,
        extras.abort,
        deadUse(this.id, this.#death),
      );
    if (this.host.strictLifetime) this.guardData();
  }

  /** A getter on the dead object alone: live connections keep a plain property. */
  private guardData(): void {
    const use = () => {
      throw deadUse(this.id, this.#death!);
    };
    Object.defineProperty(this, 'data', { get: use, set: use, configurable: false });
  }
}

shown(Connection.prototype, 'Connection', ({ id, isOpen, protocol, bufferedAmount, transport }) => {
  return { id, isOpen, protocol, bufferedAmount, remoteAddress: transport.remoteAddress };
});
