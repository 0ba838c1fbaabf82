import type { UpgradeRequest } from '../connection/request.js';
import { performance } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { type Check, checkTable, describe, number, type } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { addressBlock } from './address-block.js';
import { Bucket, Buckets, type Rate } from './bucket.js';

/** How many upgrades a second are taken. */
export interface AdmissionRate {
  /** Per second, also below 1. */
  rate: number;
  /** How many may come at once after a quiet time. Default: `rate`, at least 1. */
  burst?: number | undefined;
}

/** Which upgrades are taken when too many come. What is above is refused before any handler. */
export interface Admission<X = unknown> extends AdmissionRate {
  /**
   * The same for each client address, as `request.remoteAddress` tells it; of IPv6 for each /64, which one client has
   * whole. Above it: 429. Default: no limit.
   */
  perAddress?: AdmissionRate | undefined;
  /** A lane of their own for clients that come back. Default: none. */
  returning?: ReturningLane<X> | undefined;
}

/** The lane of clients that come back: no storm of new ones keeps them out. */
export interface ReturningLane<X = unknown> {
  /**
   * Tells of a client that comes back who it is, as the session id that a key of the server signed (`sessionKey`);
   * undefined: it is new. Must not ask a store: it is asked for every upgrade, however many come. One that throws takes
   * the client for a new one.
   */
  identify: (request: UpgradeRequest<X>) => string | undefined;
  /** Per second. Default: that of the new ones, beside theirs. */
  rate?: number | undefined;
  /** Default: `rate`, at least 1. */
  burst?: number | undefined;
  /** For each that `identify` names, in place of `perAddress`. Default: one a second, ten at once. Above it: 429. */
  perClient?: AdmissionRate | undefined;
}

const RATE_MAX = 1_000_000_000;
const rateChecks: Record<string, Check> = { rate: number(0.001, RATE_MAX), burst: number(1, RATE_MAX) };

function required(table: object, name: string, within: string): void {
  if (!(name in table) || (table as Record<string, unknown>)[name] === undefined)
    throw new LwsError('ERR_INVALID_OPTION', `Expected the option "${within}.${name}" but got undefined`);
}

const rate: Check = (name, value) => {
  checkTable(value, rateChecks, name);
  required(value as object, 'rate', name);
};

export const checkAdmission: Check = (name, value) => {
  checkTable(
    value,
    {
      ...rateChecks,
      perAddress: rate,
      returning: (within, lane) => {
        checkTable(lane, { ...rateChecks, identify: type('function'), perClient: rate }, within);
        required(lane as object, 'identify', within);
      },
    },
    name,
  );
  required(value as object, 'rate', name);
};

const rateOf = (given: { rate?: number | undefined; burst?: number | undefined }, other: number): Rate => {
  const perSecond = given.rate ?? other;
  return { rate: perSecond, burst: given.burst ?? Math.max(1, perSecond) };
};

/** One of both lanes. */
class Lane {
  readonly #rate: Rate;
  readonly #bucket: Bucket;
  readonly #each: Buckets | undefined;
  /** Refused since `#second` began, and in the second before: how long the queue outside is. */
  #refused = 0;
  #refusedBefore = 0;
  #second = 0;

  constructor(rate: Rate, each: Rate | undefined, now: number) {
    this.#rate = rate;
    this.#bucket = new Bucket(rate, now);
    this.#each = each && new Buckets(each);
  }

  ask(name: string, now: number): Refusal | undefined {
    /* '' is the far end of a unix socket: anybody */
    const wait = name === '' ? undefined : this.#each?.take(name, now);
    if (wait !== undefined) return { status: 429, seconds: Math.ceil(wait / 1000) };
    if (this.#bucket.take(this.#rate, now)) return undefined;
    return { status: 503, seconds: this.#retryAfter(now) };
  }

  /** At random in the time that those who were refused will take: they do not come back at once. */
  #retryAfter(now: number): number {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#refusedBefore = second === this.#second + 1 ? this.#refused : 0;
      this.#refused = 0;
      this.#second = second;
    }
    this.#refused++;
    const needed = Math.max(this.#refused, this.#refusedBefore) / this.#rate.rate;
    return 1 + Math.floor(Math.random() * Math.min(needed, RETRY_MAX));
  }
}

/** Longest time that somebody is asked to wait because others are, in seconds. */
const RETRY_MAX = 30;

/** Why an upgrade is not taken now. */
export interface Refusal {
  readonly status: 429 | 503;
  /** Of `Retry-After`. */
  readonly seconds: number;
}

/** Decides which upgrades of one server are looked at, before anything else does. */
export class Gate {
  readonly #fresh: Lane;
  readonly #back: Lane | undefined;
  readonly #identify: ReturningLane['identify'] | undefined;
  readonly #failed: (error: LwsError) => void;
  /** How many were refused. */
  refused = 0;

  constructor(given: Admission, failed: (error: LwsError) => void) {
    const now = performance.now();
    const { perAddress, returning } = given;
    this.#fresh = new Lane(rateOf(given, 1), perAddress && rateOf(perAddress, 1), now);
    this.#failed = failed;
    if (returning === undefined) return;
    const perClient = rateOf(returning.perClient ?? { rate: 1, burst: 10 }, 1);
    this.#back = new Lane(rateOf(returning, given.rate), perClient, now);
    this.#identify = returning.identify;
  }

  /** Undefined: it may be looked at. */
  ask(request: UpgradeRequest): Refusal | undefined {
    const now = performance.now();
    const client = this.#clientOf(request);
    const refusal =
      client === undefined
        ? this.#fresh.ask(addressBlock(request.remoteAddress), now)
        : this.#back!.ask(client, now);
    if (refusal !== undefined) this.refused++;
    return refusal;
  }

  #clientOf(request: UpgradeRequest): string | undefined {
    try {
      const client = this.#identify?.(request);
      if (client === undefined || (typeof client === 'string' && client !== '')) return client;
      throw new TypeError(`Expected a name or undefined from identify but got ${describe(client)}`);
    } catch (cause) {
      const text = `The identify function of "admission.returning" failed: ${wordsOf(cause)}`;
      this.#failed(new LwsError('ERR_HANDLER', text, { cause }));
      return undefined;
    }
  }
}
