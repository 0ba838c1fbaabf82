import type { Crossing } from '../crossing/crossing.js';
import { OPCODE_BINARY, OPCODE_TEXT } from '../crossing/native.js';
import { toBytes } from '../shared/arguments.js';
import { describe, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { opcodeFor, type SendOptions } from './sending.js';
import { Stage } from './stage.js';

/** Longest name of a topic or group, in UTF-16 code units (`length`). */
export const NAME_MAX = 255;
/** No connection has this slot. */
const NOBODY = 0xffffffff;

export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= NAME_MAX;
}

function checkName(topic: unknown): asserts topic is string {
  if (isName(topic)) return;
  const came = typeof topic === 'string' ? `one of ${topic.length}` : describe(topic);
  throw unexpected(`a string of 1 to ${NAME_MAX} characters`, 'a topic', came);
}

function outOfMemory(): LwsError {
  return new LwsError('ERR_NATIVE', 'There is not enough memory for the topic');
}

/**
 * The topics of one server, shared by all its protocols. Who is subscribed to
 * what is kept natively; here are only the checks.
 */
export class Topics {
  readonly crossing: Crossing;
  readonly maxSubscriptions: number;
  /** The native server; 0, which is none, until it was made. */
  server = 0;

  constructor(crossing: Crossing, maxSubscriptions: number) {
    this.crossing = crossing;
    this.maxSubscriptions = maxSubscriptions;
  }

  /** To all subscribers but the connection of that handle. A server that is gone has none. */
  publish(
    topic: string,
    data: unknown,
    options: SendOptions | undefined,
    slot = NOBODY,
    generation = 0,
  ): number {
    checkName(topic);
    const text = typeof data === 'string';
    const usual = text ? OPCODE_TEXT : OPCODE_BINARY;
    const opcode = options === undefined ? usual : opcodeFor(options, usual);
    const taken = this.crossing.publish(
      this.server,
      slot,
      generation,
      topic,
      text ? data : toBytes(data),
      opcode,
    );
    if (taken < 0) throw outOfMemory();
    return taken;
  }

  /** From here on its topics are those of all servers of that name in the process. */
  join(group: string): void {
    const failure = this.crossing.native.joinGroup(this.server, group);
    if (failure !== '')
      throw new LwsError('ERR_NATIVE', `The group of topics could not be joined (${failure})`);
  }

  subscribers(topic: string): number {
    checkName(topic);
    return this.crossing.native.subscribers(this.server, topic);
  }
}

/** What subscriptions know of their connection. */
interface Subscriber {
  readonly slot: number;
  readonly generation: number;
  readonly stage: number;
}

/** What one connection has subscribed to. Made with the first subscription. */
export class Subscriptions {
  readonly #topics: Topics;
  readonly #places = new Map<string, number>();

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  get names(): string[] {
    return [...this.#places.keys()];
  }

  add({ slot, generation, stage }: Subscriber, topic: string): boolean {
    checkName(topic);
    if (stage !== Stage.OPEN || this.#places.has(topic)) return false;
    const { maxSubscriptions, crossing } = this.#topics;
    if (this.#places.size >= maxSubscriptions)
      throw new LwsError(
        'ERR_LIMIT',
        `Expected at most ${maxSubscriptions} subscriptions of a connection (maxSubscriptions) but it asks for one more`,
      );
    const place = crossing.native.subscribe(slot, generation, topic);
    if (place === 0) throw outOfMemory();
    if (place < 0) return false;
    this.#places.set(topic, place);
    return true;
  }

  remove({ slot, generation }: Subscriber, topic: string): boolean {
    checkName(topic);
    const place = this.#places.get(topic);
    if (place === undefined) return false;
    this.#places.delete(topic);
    this.#topics.crossing.native.unsubscribe(slot, generation, place);
    return true;
  }
}
