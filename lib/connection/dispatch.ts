import { type Crossing, type FastBuffer, startCrossing } from '../crossing/crossing.js';
import {
  Closing,
  FragmentFlag,
  Kind,
  NO_SLAB,
  native,
  REQUEST_SERVER,
  RequestFlag,
  serverId,
} from '../crossing/native.js';
import { DETAIL, EXTRA, GENERATION, LENGTH, OFFSET, RECORD_WORDS, SLAB, SLOT } from '../crossing/record.js';
import { environmentScope, runInAsyncScope, type Scope } from '../shared/scope.js';
import { TlsInfo } from '../tls/tls.js';
import { callFragment, callOpen, callPong, callWritable, message } from './calls.js';
import type { Connection } from './connection.js';
import type { Sink } from './sink.js';
import { Stage } from './stage.js';
import { PEER_BYTES, readPeer, Transport } from './transport.js';

/** What the dispatcher tells a server. */
export interface Target {
  /** An upgrade was asked for; it begins with `start`, once its records find it. */
  upgrade(transport: Transport, head: string, flags: number): Sink & { start(): void };
  /** The native side accepted a connection alone, whose first event follows. */
  introduced(transport: Transport, head: string): Connection;
  exchange(slot: number, generation: number, flags: number, head: string, transport: Transport): Sink;
  listenerPaused(errno: number): void;
  emptied(): void;
}

/**
 * Takes each batch apart: who is meant by slot and generation, and what is told.
 * One per environment; the servers of it share the slots.
 */
export interface Dispatcher {
  readonly crossing: Crossing;
  /** Where handlers of servers are called. */
  readonly scope: Scope;
  readonly connections: (Connection | undefined)[];
  readonly targets: Map<number, Target>;
  /** Makes the connections of a server that the native side accepted alone and has not told of yet. */
  introduce(server: number): void;
  /** Sends the records of a transport that we made to `sink`. */
  watch(slot: number, transport: Transport, sink: Sink | undefined): void;
  /** Nobody waits for a transport any more. */
  forget(slot: number, generation: number): void;
}

function createDispatcher(): Dispatcher {
  const connections: (Connection | undefined)[] = [];
  const sinks: (Sink | undefined)[] = [];
  const transports: (Transport | undefined)[] = [];
  const targets = new Map<number, Target>();
  let lastAddress = '';
  const environment = environmentScope();
  const { scope } = environment;
  const crossing = startCrossing(onBatch);
  const { records } = crossing;

  function transportOf(slot: number, generation: number, peer: Buffer, flags: number): Transport {
    const known = transports[slot];
    if (known !== undefined && known.generation === generation) return known;
    const { address, port } = readPeer(peer);
    /* connections of one peer share the text of its address */
    lastAddress = address === lastAddress ? lastAddress : address;
    const secure = (flags & RequestFlag.SECURE) !== 0;
    const info = secure ? crossing.native.tlsInfo(slot, generation) : undefined;
    const tls = info && new TlsInfo(info);
    const fresh = new Transport(slot, generation, lastAddress, port, tls);
    fresh.proxyTls = (flags & RequestFlag.PROXY_TLS) !== 0;
    transports[slot] = fresh;
    return fresh;
  }

  function onRequest(w: number, slot: number, generation: number): void {
    const flags = records[w + DETAIL]!;
    const target = targets.get(serverId(records[w + EXTRA]!, flags >>> REQUEST_SERVER));
    if (target === undefined) return;
    const id = records[w + SLAB]!;
    const start = records[w + OFFSET]!;
    const transport = transportOf(slot, generation, crossing.view(id, start, PEER_BYTES), flags);
    const head = crossing.latin1(id, start + PEER_BYTES, records[w + LENGTH]! - PEER_BYTES);
    if ((flags & RequestFlag.UPGRADE) !== 0) {
      const upgrade = target.upgrade(transport, head, flags);
      sinks[slot] = upgrade;
      upgrade.start();
    } else {
      sinks[slot] = target.exchange(slot, generation, flags, head, transport);
    }
  }

  function opened(slot: number, connection: Connection): void {
    const { message, fragment } = connection.behavior.handlers;
    if (message === undefined && fragment === undefined) connection.ownInbox();
    connections[slot] = connection;
    callOpen(connection);
  }

  function onOpen(w: number, slot: number, generation: number): void {
    if (records[w + SLAB] !== NO_SLAB) {
      const bytes = crossing.view(
        records[w + SLAB]!,
        records[w + OFFSET]!,
        records[w + LENGTH]!,
      ) as FastBuffer;
      onIntroduced(targets.get(serverId(records[w + EXTRA]!, records[w + DETAIL]!)), slot, generation, bytes);
      return;
    }
    const sink = sinks[slot];
    if (sink === undefined || sink.generation !== generation || sink.opened === undefined) return;
    sinks[slot] = undefined;
    opened(slot, sink.opened());
  }

  /** A connection that the native side accepted alone: its first event follows. */
  function onIntroduced(target: Target | undefined, slot: number, generation: number, bytes: FastBuffer) {
    if (target === undefined) return;
    const transport = transportOf(slot, generation, bytes.subarray(0, PEER_BYTES), 0);
    const head = bytes.latin1Slice(PEER_BYTES, bytes.length);
    opened(slot, target.introduced(transport, head));
  }

  function onClosed(w: number, slot: number, connection: Connection): void {
    connections[slot] = undefined;
    transports[slot]?.over?.();
    transports[slot] = undefined;
    connection.ended({ code: records[w + DETAIL]!, reason: words(w), clean: records[w + EXTRA] === 1 });
  }

  /** The text of a record, for what people read. */
  function words(w: number): string {
    return crossing.utf8(records[w + SLAB]!, records[w + OFFSET]!, records[w + LENGTH]!);
  }

  function onGone(w: number, slot: number, generation: number): void {
    const sink = sinks[slot];
    if (sink !== undefined && sink.generation === generation) {
      sinks[slot] = undefined;
      /* signals are aborted and streams cancelled: whoever listens is called */
      runInAsyncScope.call(scope(), sink.gone, sink, records[w + DETAIL]!, words(w), records[w + EXTRA]!);
    }
    const transport = transports[slot];
    if (transport !== undefined && transport.generation === generation) {
      transports[slot] = undefined;
      transport.data = undefined;
      transport.adoption?.failed(words(w) || 'the network connection ended');
      transport.over?.();
    }
  }

  function text(w: number): string {
    const id = records[w + SLAB]!;
    const start = records[w + OFFSET]!;
    const length = records[w + LENGTH]!;
    return records[w + DETAIL] === 1 ? crossing.latin1(id, start, length) : crossing.utf8(id, start, length);
  }

  function fragment(w: number, connection: Connection): void {
    const data = crossing.view(records[w + SLAB]!, records[w + OFFSET]!, records[w + LENGTH]!);
    const flags = records[w + DETAIL]!;
    const info = {
      first: (flags & FragmentFlag.FIRST) !== 0,
      final: (flags & FragmentFlag.FINAL) !== 0,
      text: (flags & FragmentFlag.TEXT) !== 0,
    };
    if (connection.inbox !== undefined) connection.inbox.fragment(data, info);
    else if (connection.stage <= Stage.LOST) callFragment(connection, data, info);
  }

  function pong(w: number, connection: Connection): void {
    if (connection.behavior.handlers.pong === undefined || connection.stage > Stage.LOST) return;
    const data = crossing.view(records[w + SLAB]!, records[w + OFFSET]!, records[w + LENGTH]!);
    if (connection.inbox !== undefined) connection.inbox.pong(data);
    else callPong(connection, data);
  }

  function toConnection(kind: number, w: number, slot: number, connection: Connection): void {
    switch (kind) {
      case Kind.FRAGMENT:
        fragment(w, connection);
        return;
      case Kind.PONG:
        pong(w, connection);
        return;
      case Kind.WRITABLE:
        if (connection.behavior.handlers.writable !== undefined && connection.isOpen)
          callWritable(connection);
        return;
      case Kind.CLOSING:
        connection.closing(records[w + DETAIL] === Closing.OURS);
        return;
      case Kind.CLOSED:
        onClosed(w, slot, connection);
        return;
    }
  }

  function toSink(kind: number, w: number, slot: number, generation: number): void {
    if (kind === Kind.REQUEST) {
      onRequest(w, slot, generation);
      return;
    }
    if (kind === Kind.GONE) {
      onGone(w, slot, generation);
      return;
    }
    const sink = sinks[slot];
    if (sink === undefined || sink.generation !== generation) return;
    if (kind === Kind.FLUSHED) sink.flushed?.();
    else if (kind === Kind.CONNECTED) sink.connected?.();
    else if (kind === Kind.RESPONSE)
      sink.answered?.(
        crossing.latin1(records[w + SLAB]!, records[w + OFFSET]!, records[w + LENGTH]!),
        records[w + DETAIL] === 1,
      );
    else if (kind === Kind.BODY)
      sink.body?.(
        crossing.view(records[w + SLAB]!, records[w + OFFSET]!, records[w + LENGTH]!),
        records[w + DETAIL] === 1,
      );
  }

  /** Messages that a connection got together: one call of their context is enough. Returns where others begin. */
  function onMessages(connection: Connection, first: number, end: number): number {
    const { slot, generation } = connection;
    let w = first;
    do {
      /* all of it here: V8 inlines up to a limit, and counts only what is called */
      const data =
        records[w] === Kind.BINARY
          ? crossing.view(records[w + SLAB]!, records[w + OFFSET]!, records[w + LENGTH]!)
          : text(w);
      if (connection.inbox !== undefined) connection.inbox.message(data);
      else if (connection.stage <= Stage.LOST) message(connection, data);
      w += RECORD_WORDS;
    } while (
      w < end &&
      records[w + SLOT] === slot &&
      records[w + GENERATION] === generation &&
      (records[w] === Kind.BINARY || records[w] === Kind.TEXT)
    );
    return w;
  }

  function onBatch(count: number): void {
    environment.settle();
    const end = count * RECORD_WORDS;
    for (let w = 0; w < end; ) {
      const kind = records[w]!;
      const slot = records[w + SLOT]!;
      const generation = records[w + GENERATION]!;
      const connection = connections[slot];
      if (connection !== undefined && connection.generation === generation) {
        if (kind === Kind.BINARY || kind === Kind.TEXT) {
          w = runInAsyncScope.call(
            connection.host.scope(),
            onMessages,
            undefined,
            connection,
            w,
            end,
          ) as number;
          continue;
        }
        toConnection(kind, w, slot, connection);
      } else if (kind === Kind.OPEN) onOpen(w, slot, generation);
      else if (kind === Kind.LISTENER)
        targets.get(serverId(records[w + EXTRA]!, slot))?.listenerPaused(records[w + DETAIL]!);
      else if (kind === Kind.EMPTY) targets.get(serverId(records[w + EXTRA]!, slot))?.emptied();
      else toSink(kind, w, slot, generation);
      w += RECORD_WORDS;
    }
    crossing.settle();
  }

  return {
    crossing,
    scope,
    connections,
    targets,
    introduce(server) {
      for (const [slot, generation, bytes, closing] of crossing.native.introduce(server)) {
        onIntroduced(targets.get(server), slot, generation, bytes as FastBuffer);
        if (closing) connections[slot]?.closing(false);
      }
    },
    watch(slot, transport, sink) {
      transports[slot] = transport;
      sinks[slot] = sink;
    },
    forget(slot, generation) {
      if (sinks[slot]?.generation === generation) sinks[slot] = undefined;
      if (transports[slot]?.generation === generation) transports[slot] = undefined;
    },
  };
}

const key = Symbol.for('libwebsockets.dispatcher');

/** The one dispatcher of this environment, also when the package is loaded as ESM and as CJS. */
export function dispatcher(): Dispatcher {
  const holder = native() as unknown as { [key]?: Dispatcher };
  holder[key] ??= createDispatcher();
  return holder[key];
}
