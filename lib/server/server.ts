import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type AdoptOptions, createAdopter } from '../adopt/adopter.js';
import { type Dispatcher, dispatcher } from '../connection/dispatch.js';
import { Topics } from '../connection/topics.js';
import type { Native } from '../crossing/native.js';
import type { Gate } from '../handshake/admission.js';
import { nativeOptions } from '../handshake/core-options.js';
import { deflateSettings } from '../handshake/deflate.js';
import { acceptedAlone } from '../handshake/upgrade.js';
import { clearTimeout, performance, setTimeout } from '../shared/ambient.js';
import { closePayload } from '../shared/arguments.js';
import { type Check, checkTable, DAY, integer } from '../shared/checks.js';
import { defaults } from '../shared/defaults.js';
import { LwsError } from '../shared/errors.js';
import { Grace } from '../shared/grace.js';
import { shown } from '../shared/shown.js';
import { serverTls } from '../tls/tls.js';
import type { CloseOptions, CloseResult, Connections, ListenAddress, Server } from './api.js';
import { Counters } from './counters.js';
import { type CheckedDrain, type DrainResult, registerDrainer } from './drain.js';
import { Life } from './life.js';
import { Listening } from './listening.js';
import { connectionsOf, everybody, Members } from './members.js';
import { checkOptions, type ServerOptions } from './options.js';
import { Pace } from './pace.js';
import { hostOf, servicesOf, targetOf } from './target.js';
import { Discards } from './unread.js';

const closeChecks: Record<string, Check> = {
  timeout: integer(0, DAY),
  code: (_, value) => void closePayload(value as number, ''),
};

/** The parts of one server, and what becomes of all of them together. */
class Service {
  readonly hub: Dispatcher = dispatcher();
  readonly native: Native = this.hub.crossing.native;
  readonly members = new Members();
  readonly life = new Life();
  readonly discards = new Discards();
  readonly id: number;
  readonly topics: Topics;
  readonly counters: Counters;
  readonly connections: Connections;
  readonly gate: Gate | undefined;
  readonly adopter: ReturnType<typeof createAdopter>;
  readonly #alone: boolean;
  readonly #closeTimeout: number;
  readonly #hasTls: boolean;
  readonly #listening: Listening;
  #closing: Promise<CloseResult> | undefined;
  #draining: Promise<DrainResult> | undefined;
  #whenEmpty: (() => void) | undefined;
  #endDrain: (() => void) | undefined;

  constructor(o: ServerOptions) {
    const { hub, native, members, life } = this;
    const deflate = deflateSettings(o.perMessageDeflate);
    const topics = new Topics(hub.crossing, o.maxSubscriptions ?? defaults.maxSubscriptions);
    const host = hostOf(o, hub, topics, deflate, members, life, this.discards);
    const services = servicesOf(o, hub, host);
    const tls = o.tls === undefined ? undefined : serverTls(o.tls);
    const alone = acceptedAlone(host);
    this.#closeTimeout = o.closeTimeout ?? defaults.closeTimeout;
    this.#hasTls = tls !== undefined;
    this.#alone = alone !== undefined;
    this.gate = host.gate;
    this.topics = topics;
    this.id = native.createServer(nativeOptions(o, deflate, alone));
    topics.server = this.id;
    if (o.topicGroup !== undefined) this.#joinGroup(o.topicGroup);
    if (tls !== undefined) native.setTls(this.id, tls);
    hub.targets.set(
      this.id,
      targetOf(host, services, () => this.#whenEmpty?.()),
    );
    this.counters = new Counters(native, this.id);
    this.connections = connectionsOf(hub, this.id, members, life, this.#alone);
    this.#listening = new Listening(native, this.id, o);
    this.adopter = createAdopter({
      hub,
      id: this.id,
      closeTimeout: this.#closeTimeout,
      get closed() {
        return life.ending;
      },
      failed: host.failed,
    });
  }

  #joinGroup(name: string): void {
    try {
      this.topics.join(name);
    } catch (error) {
      this.native.releaseServer(this.id);
      throw error;
    }
  }

  get isGone(): boolean {
    return this.life.state === 'closed';
  }

  async listen(): Promise<ListenAddress> {
    const { life } = this;
    if (life.state !== 'new')
      throw new LwsError('ERR_INVALID_STATE', `Expected a new server to listen but it is ${life.state}`);
    life.state = 'listening';
    const wanted = () => (life.state as string) === 'listening';
    try {
      life.address = await this.#listening.begin(wanted);
      return life.address;
    } catch (error) {
      if (wanted()) life.state = 'new';
      throw error;
    }
  }

  secure(options: Parameters<typeof serverTls>[0]): void {
    if (!this.#hasTls)
      throw new LwsError('ERR_INVALID_STATE', 'Expected a server with the option "tls" for setSecureContext');
    const fresh = serverTls(options);
    if (!this.isGone) this.native.setTls(this.id, fresh);
  }

  reference(on: boolean): void {
    if (!this.isGone) this.native.reference(this.id, on);
  }

  close(options: CloseOptions): Promise<CloseResult> {
    checkTable(options, closeChecks, '');
    this.#closing ??= this.#shutDown(options);
    return this.#closing;
  }

  drain(options: CheckedDrain): Promise<DrainResult> {
    this.#draining ??= this.#closing ?? this.#drain(options);
    return this.#draining;
  }

  async #drain({ delay, over, deadline, code, rate }: CheckedDrain): Promise<DrainResult> {
    const { hub, native, id, members, life } = this;
    const until = performance.now() + (deadline ?? delay + over + this.#closeTimeout);
    life.draining = true;
    await this.#unlessClosing(delay);
    if (this.#closing !== undefined) return this.#closing;
    native.retire(id);
    const all = everybody(hub, id, members, life, this.#alone);
    life.leaving = over;
    life.pace = new Pace(all, { over, rate, code });
    const { pace } = life;
    await pace.finished;
    if (this.#closing === undefined) {
      const left = Math.max(0, until - performance.now());
      await this.#unlessClosing(left, members.none());
    }
    const timeout = Math.min(DAY, Math.max(0, Math.round(until - performance.now())));
    const { forced } = await this.close({ code, timeout });
    return { closed: pace.total, forced };
  }

  /** Waits so long, and not for what ends it before. */
  async #unlessClosing(ms: number, before?: Promise<void>): Promise<void> {
    if (ms === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, ms);
      this.#endDrain = done;
    });
    await Promise.race(before === undefined ? [late] : [late, before]);
    clearTimeout(timer);
    this.#endDrain = undefined;
  }

  async #shutDown({ timeout = this.#closeTimeout, code = 1001 }: CloseOptions): Promise<CloseResult> {
    const { hub, native, id, members, life, adopter } = this;
    life.state = 'closing';
    this.#endDrain?.();
    life.pace?.stop();
    life.closeCode = code;
    life.address = undefined;
    native.stopListening(id);
    adopter.detach();
    const all = everybody(hub, id, members, life, this.#alone);
    for (const connection of all) {
      connection.close(code);
      connection.inbox?.discard(); /* where the peer closed before, a pause may still keep input */
    }
    const empty = new Promise<void>((done) => {
      this.#whenEmpty = done;
    });
    /* a close handler waits for an `open` that is still pending */
    const left = empty.then(() => members.none());
    native.drain(id);
    let grace: Grace | undefined;
    const late = new Promise<'late'>((done) => {
      grace = new Grace(timeout, () => done('late'));
    });
    let forced = 0;
    if ((await Promise.race([left, late])) === 'late') {
      forced = members.size;
      native.killAll(id);
      await empty;
      for (const connection of members.list()) connection.inbox?.settleOpen();
    }
    await adopter.finish(late);
    grace?.cancel();
    this.counters.settle();
    native.releaseServer(id);
    hub.targets.delete(id);
    life.state = 'closed';
    return { closed: all.length, forced };
  }
}

/**
 * Creates a server; it accepts nothing before `listen()`.
 *
 * @throws LwsError ERR_INVALID_OPTION for an unknown option or a bad value.
 */
export function createServer<D = unknown, X = unknown>(
  options: ServerOptions<D, X> = {} as ServerOptions<D, X>,
): Server<D, X> {
  checkOptions(options);
  const service = new Service(options as ServerOptions);
  const { life, connections, counters, topics, adopter } = service;
  const server: Server = {
    listen: () => service.listen(),
    connections,
    get address() {
      return life.address;
    },
    get isReady() {
      return life.isReady;
    },
    stats() {
      return counters.toStats(service.discards.count, service.gate?.refused ?? 0);
    },
    publish: (topic, data, sending) => topics.publish(topic, data, sending),
    subscribers: (topic) => topics.subscribers(topic),
    adopt: (
      socket: Duplex,
      request: IncomingMessage | IncomingHttpHeaders,
      head?: Uint8Array,
      given?: AdoptOptions<unknown>,
    ) => adopter.adopt(socket, request, head, given),
    attach: (httpServer, given) => adopter.attach(httpServer, given),
    setSecureContext: (given) => service.secure(given),
    ref() {
      service.reference(true);
      return this;
    },
    unref() {
      service.reference(false);
      return this;
    },
    close: async (given = {}) => service.close(given),
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
  shown(server, 'Server', () => ({
    address: life.address,
    state: life.state,
    connections: connections.size,
  }));
  registerDrainer(server, (given) => service.drain(given));
  return server as Server<D, X>;
}
