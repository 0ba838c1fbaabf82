import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { checkNames, describe, unexpected, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { parseTarget } from '../shared/target.js';
import type { NodeServer } from './node-server.js';
import { asksForWebSocket, passOn } from './pass-on.js';
import { refuse } from './refuse.js';

/** Options of {@link Server.attach}. */
export interface AttachOptions {
  /** Takes only upgrades of this path, compared exactly and without the query. Default: all that no other path takes. */
  path?: string | undefined;
}

/** Takes one upgrade in. */
export type Take = (
  stream: Duplex,
  request: IncomingMessage | IncomingHttpHeaders,
  head?: Uint8Array,
) => void;

/** All our servers on one server of Node, by path. */
interface Attachment {
  readonly takers: Map<string, Take>;
  start(): void;
  stop(): void;
}

/** Registered, so that two copies of this package share one attachment. */
const attached = Symbol.for('libwebsockets.attached');

/** The key of the taker for every other path; no path is empty. */
const ANY = '';

function createAttachment(server: EventEmitter & Partial<Pick<Http2Server, 'updateSettings'>>): Attachment {
  const takers = new Map<string, Take>();

  function takerOf(target: string | undefined): Take | undefined {
    return takers.get(parseTarget(target ?? '').path) ?? takers.get(ANY);
  }

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const websocket = asksForWebSocket(request.headers.upgrade);
    const take = websocket ? takerOf(request.url) : undefined;
    if (take !== undefined) take(socket, request, head);
    else if (server.listenerCount('upgrade') > 1) return; /* somebody else's */
    else if (websocket) refuse(socket, 404, 'no WebSocket is served at this path');
    else passOn(server as NodeServer, request, socket, head);
  }

  /** RFC 8441 4; other streams are not ours to look at. */
  function onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') return;
    const take = takerOf(headers[':path'] as string | undefined);
    /* Node's own listener is there for 'request', and asks those of 'connect' */
    const nodes = server.listenerCount('request') > 0 ? 1 : 0;
    const others = server.listenerCount('stream') - 1 - nodes + (server.listenerCount('connect') - 1);
    if (take !== undefined) take(stream, headers);
    else if (others === 0) refuse(stream, 404, 'no WebSocket is served at this path');
  }

  /** Without a listener Node answers each CONNECT itself, also those that `onStream` took; with ours alone, we do. */
  function onConnect(
    request: IncomingMessage | Http2ServerRequest,
    other: Duplex | Http2ServerResponse,
  ): void {
    if (request.headers[':protocol'] === 'websocket' || server.listenerCount('connect') > 1) return;
    if ('stream' in other) {
      other.statusCode = 405;
      other.end();
    } else (other as Duplex).destroy();
  }

  /*
   * Node that asks before it lets go of a socket serves the request itself where it has a body, which it may have begun
   * to read. One without is given back to it: what lies behind it in the same segment would be lost (22.23 to 26.10).
   */
  const asking = server as { shouldUpgradeCallback?: (request: IncomingMessage) => boolean };
  const before = asking.shouldUpgradeCallback;
  function shouldUpgrade(this: unknown, request: IncomingMessage): boolean {
    const { upgrade, 'content-length': length, 'transfer-encoding': coding } = request.headers;
    const isBare = coding === undefined && (length === undefined || length === '0');
    const lets = isBare || asksForWebSocket(upgrade) || server.listenerCount('upgrade') > 1;
    return lets && before!.call(this as never, request);
  }

  const http2 = server.updateSettings === undefined ? undefined : server;

  return {
    takers,
    start() {
      server.on('upgrade', onUpgrade);
      if (before !== undefined) asking.shouldUpgradeCallback = shouldUpgrade;
      /* RFC 8441 3: clients may ask only where the setting says so; sessions from now on say it */
      http2?.updateSettings?.({ enableConnectProtocol: true });
      http2?.on('stream', onStream).on('connect', onConnect);
    },
    stop() {
      server.off('upgrade', onUpgrade);
      if (asking.shouldUpgradeCallback === shouldUpgrade) asking.shouldUpgradeCallback = before!;
      http2?.off('stream', onStream).off('connect', onConnect);
    },
  };
}

function checkArguments(server: unknown, options: unknown): void {
  const { on, listenerCount } = (server ?? {}) as Partial<NodeServer>;
  /* an application of Express emits as well, but no upgrade: what its listen() returns does */
  if (typeof server === 'function' || typeof on !== 'function' || typeof listenerCount !== 'function')
    throw unexpected('a server of http, https or http2', 'attach()', describe(server));
  checkNames(options, ['path'], '');
  const { path } = options as AttachOptions;
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)))
    throw wrong('path', 'a path from "/" without query', path);
}

/** Sends upgrades on a server of Node to `take`, until the returned function is called. */
export function attach(server: NodeServer, options: AttachOptions, take: Take): () => void {
  checkArguments(server, options);
  const path = options.path ?? ANY;
  const holder = server as { [attached]?: Attachment };
  holder[attached] ??= createAttachment(server);
  const { takers, start, stop } = holder[attached];
  if (takers.has(path))
    throw new LwsError(
      'ERR_INVALID_STATE',
      `Expected one server for ${path === ANY ? 'every path' : `the path ${path}`} but another is attached`,
    );
  if (takers.size === 0) start();
  takers.set(path, take);
  return () => {
    if (takers.get(path) !== take) return;
    takers.delete(path);
    if (takers.size === 0) stop();
  };
}
