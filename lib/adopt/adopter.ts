import { closeSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connection } from '../connection/connection.js';
import type { Dispatcher } from '../connection/dispatch.js';
import { Transport } from '../connection/transport.js';
import { findDescriptor } from '../crossing/descriptor.js';
import { Buffer } from '../shared/ambient.js';
import { checkNames, describe, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import { Adoption } from './adoption.js';
import { type AttachOptions, attach } from './attach.js';
import { type Bridge, bridge } from './bridge.js';
import { answerHttp2 } from './http2-answer.js';
import type { NodeServer } from './node-server.js';
import { isHttp2Stream, type Outer, outerOf } from './outer.js';
import { refuse } from './refuse.js';
import { connectText, requestText } from './request-text.js';

/** What a server gives to have streams of Node taken in. */
export interface AdopterHost {
  readonly hub: Dispatcher;
  /** The native server's id. */
  readonly id: number;
  readonly closeTimeout: number;
  /** Nothing is taken in any more. */
  readonly closed: boolean;
  failed(error: LwsError): void;
}

export interface Adopter {
  adopt(
    stream: Duplex,
    request: IncomingMessage | IncomingHttpHeaders,
    head?: Uint8Array,
    options?: AdoptOptions<unknown>,
  ): Promise<Connection>;
  attach(server: NodeServer, options?: AttachOptions): () => void;
  /** Detaches from every server of Node. */
  detach(): void;
  /** Waits until what was bridged has left, or cuts it when `late` comes first. */
  finish(late: Promise<unknown>): Promise<void>;
}

/** Options of {@link Server.adopt}. */
export interface AdoptOptions<D> {
  /** Becomes `connection.data`, unless `upgrade` gives another. */
  data?: D | undefined;
}

const NGHTTP2_NO_ERROR = 0;
const NGHTTP2_CANCEL = 8;

function checkArguments(stream: unknown, request: unknown, head: unknown, options: unknown): void {
  const bad = (what: string, expected: string, value: unknown) =>
    unexpected(expected, `the ${what}`, describe(value));
  const { pipe, write } = (stream ?? {}) as Partial<Duplex>;
  if (typeof pipe !== 'function' || typeof write !== 'function')
    throw bad('socket', 'a duplex stream', stream);
  if (typeof request !== 'object' || request === null)
    throw bad('request', 'an IncomingMessage, or the headers of an HTTP/2 stream', request);
  if (!('rawHeaders' in request) && !isHttp2Stream(stream as Duplex))
    throw bad('request', 'an IncomingMessage', request);
  if (head !== undefined && !isUint8Array(head)) throw bad('head', 'a Buffer or nothing', head);
  checkNames(options, ['data'], '');
}

/** What Node read already and nobody took, so that nothing is lost between `head` and us. */
function buffered(stream: Duplex): Buffer[] {
  const chunks: Buffer[] = [];
  while (stream.readableLength > 0) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) break;
    chunks.push(chunk);
  }
  return chunks;
}

/**
 * An answer to an earlier request on the same socket is not out yet: ours would run into it. One that a framework made for
 * this very request, to route it, and that has said nothing is let go.
 */
function isAnswering(stream: Duplex, request: unknown): boolean {
  const { _httpMessage: answer } = stream as { _httpMessage?: ServerResponse | null };
  if (answer != null) {
    if (answer.req !== request || answer.headersSent) return true;
    answer.detachSocket?.(stream as Socket);
  }
  return stream.writableLength > 0;
}

function headersOf(request: IncomingMessage | IncomingHttpHeaders): IncomingHttpHeaders {
  return 'rawHeaders' in request ? (request as IncomingMessage).headers : (request as IncomingHttpHeaders);
}

/** Takes streams of Node in: a plain socket by its descriptor, everything else over a socket pair. */
export function createAdopter(host: AdopterHost): Adopter {
  const { hub, id } = host;
  const { native } = hub.crossing;
  const bridges = new Set<Bridge>();
  const attachments = new Set<() => void>();

  function refused(stream: Duplex, adoption: Adoption, status: number, why: string): void {
    refuse(stream, status, why);
    adoption.failed(`${why} (${status})`, status);
  }

  function failed(stream: Duplex, adoption: Adoption, code: string): void {
    /* the peer left between its request and us */
    if (code === 'ENOTCONN' || code === 'EBADF') {
      stream.destroy();
      adoption.failed('the peer has left');
      return;
    }
    refused(stream, adoption, 503, 'the server is out of resources');
    host.failed(new LwsError('ERR_LIMIT', `A socket could not be taken in (${code})`));
  }

  function watch(
    handle: readonly [slot: number, generation: number],
    from: Outer,
    adoption: Adoption,
  ): Transport {
    const transport = new Transport(...handle, from.address, from.port, from.tls);
    transport.adoption = adoption;
    hub.watch(handle[0], transport, undefined);
    return transport;
  }

  function takeDescriptor(socket: Socket, fd: number, bytes: Buffer, adoption: Adoption): void {
    const from = outerOf(socket);
    const handle = native.adopt(id, fd, bytes, null, 0);
    if (typeof handle === 'string') {
      failed(socket, adoption, handle);
      return;
    }
    watch(handle, from, adoption);
    socket.destroy(); /* the descriptor lives on natively */
  }

  function takeStream(stream: Duplex, bytes: Buffer, adoption: Adoption): void {
    const pair = native.socketPair();
    if (typeof pair === 'string') {
      failed(stream, adoption, pair);
      return;
    }
    const from = outerOf(stream);
    const handle = native.adopt(id, pair[0], bytes, from.address, from.port);
    closeSync(pair[0]);
    if (typeof handle === 'string') {
      closeSync(pair[1]);
      failed(stream, adoption, handle);
      return;
    }
    const transport = watch(handle, from, adoption);
    const carried = carry(
      stream,
      new Socket({ fd: pair[1], allowHalfOpen: true, readable: true, writable: true }),
    );
    transport.over = carried.finish;
  }

  function carry(stream: Duplex, inner: Socket): Bridge {
    const grace = host.closeTimeout;
    let made: Bridge;
    if (isHttp2Stream(stream)) {
      const fail = () => made.cut();
      made = bridge(stream, inner, {
        grace,
        reset: () => stream.close(NGHTTP2_CANCEL) /* RFC 8441 5: what TCP says with RST */,
        end: () => stream.close(NGHTTP2_NO_ERROR),
        answer: (begin) => answerHttp2(stream, inner, begin, fail),
      });
    } else {
      (stream as Partial<Socket>).setTimeout?.(0);
      (stream as Partial<Socket>).setNoDelay?.(true);
      made = bridge(stream, inner, {
        grace,
        reset: () => stream.destroy(),
        end: () => stream.destroy(),
      });
    }
    bridges.add(made);
    made.done.then(() => bridges.delete(made));
    return made;
  }

  function take(
    stream: Duplex,
    request: IncomingMessage | IncomingHttpHeaders,
    head: Uint8Array | undefined,
    adoption: Adoption,
  ): void {
    const http2 = isHttp2Stream(stream);
    if (stream.destroyed) {
      adoption.failed('the socket is closed');
      return;
    }
    if (host.closed) {
      refused(stream, adoption, 503, 'the server is closed');
      return;
    }
    if (!http2 && isAnswering(stream, request)) {
      stream.destroy();
      adoption.failed('an earlier response is still being sent on its socket');
      return;
    }
    const text = http2 ? connectText(headersOf(request)) : requestText(request as IncomingMessage);
    if (text === undefined) {
      refused(stream, adoption, 400, 'the request is malformed');
      return;
    }
    const bytes = Buffer.concat([text, head ?? Buffer.alloc(0), ...(http2 ? [] : buffered(stream))]);
    const fd = stream instanceof Socket && !('encrypted' in stream) ? findDescriptor(stream) : undefined;
    if (fd === undefined) takeStream(stream, bytes, adoption);
    else takeDescriptor(stream as Socket, fd, bytes, adoption);
  }

  function adopt(
    stream: Duplex,
    request: IncomingMessage | IncomingHttpHeaders,
    head?: Uint8Array,
    options: AdoptOptions<unknown> = {},
  ): Promise<Connection> {
    checkArguments(stream, request, head, options);
    const raw = 'rawHeaders' in request ? (request as IncomingMessage) : undefined;
    const adoption = new Adoption(options.data, raw);
    take(stream, request, head, adoption);
    return adoption.opening;
  }

  return {
    adopt,
    attach(server, options = {}) {
      if (host.closed)
        throw new LwsError('ERR_INVALID_STATE', 'Expected a server that is not closed to attach');
      const stop = attach(server, options, (stream, request, head) => {
        try {
          adopt(stream, request, head);
        } catch (cause) {
          /* nobody above could catch it */
          stream.destroy();
          host.failed(new LwsError('ERR_NATIVE', 'An upgrade could not be taken in', { cause }));
        }
      });
      const detach = () => {
        attachments.delete(detach);
        stop();
      };
      attachments.add(detach);
      return detach;
    },
    detach() {
      for (const detach of [...attachments]) detach();
    },
    async finish(late) {
      const left = Promise.all([...bridges].map((one) => one.done)).then(() => 'done');
      if ((await Promise.race([left, late])) !== 'done') for (const one of bridges) one.cut();
      await left;
    },
  };
}
