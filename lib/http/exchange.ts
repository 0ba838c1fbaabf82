import type { Transport } from '../connection/transport.js';
import type { Crossing } from '../crossing/crossing.js';
import { Gone, Out, RAW_INTERIM, RequestFlag } from '../crossing/native.js';
import type { Trust } from '../proxy/trust.js';
import { Buffer } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { LwsError } from '../shared/errors.js';
import { Answer } from './answer.js';
import { bodyError, bodyErrorStatus } from './body-error.js';
import { type FileMounts, hasFile, serveFile } from './files.js';
import { IncomingBody } from './incoming-body.js';
import { HttpRequest, type RequestFate } from './request.js';
import { checkResponse, dropResponse, sendResponse } from './response.js';
import type { ResponseLike } from './response-like.js';
import { Sender } from './sender.js';

/** What a request handler answers with; `void` is for handlers without `return`. */
export type RequestAnswer = ResponseLike | undefined | void;

/** Answers a plain HTTP request; nothing returned is a 404. */
export type RequestHandler<X> = (request: HttpRequest<X>) => RequestAnswer | Promise<RequestAnswer>;

/** What exchanges need from their server. */
export interface HttpServices<X> {
  crossing: Crossing;
  request?: RequestHandler<X> | undefined;
  files?: FileMounts | undefined;
  trust?: Trust | undefined;
  /** Milliseconds between two requests, as responses tell. */
  keepAliveTimeout: number;
  error(error: LwsError): void;
}

/** One request and its response, as the dispatcher of records sees them. */
export interface HttpExchange {
  readonly generation: number;
  /** A piece of the request body arrived. */
  body(bytes: Buffer, last: boolean): void;
  /** The transport died before the response ended; `reason` of `Gone`. */
  gone(reason: number): void;
  /** The native queue ran empty. */
  flushed(): void;
}

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');

function goneError(reason: number): LwsError {
  if (reason === Gone.BODY) return bodyError('The request body was malformed', 400);
  if (reason === Gone.TIMEOUT) return bodyError('The request body did not arrive in time', 408);
  return bodyError('The peer left before its request body was complete', 400);
}

/** Files first where a mount has the file, then the handler, then 404. */
async function respond<X>(services: HttpServices<X>, request: HttpRequest<X>, answer: Answer): Promise<void> {
  const { files = [] } = services;
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (reads && files.length > 0 && (await serveFile(files, request, answer))) return;
  if (!answer.open) return;
  const result: unknown = await services.request?.(request);
  if (!answer.open) {
    dropResponse(result);
    return;
  }
  const response = checkResponse(result);
  if (response !== undefined) await sendResponse(answer, response);
  else if (!reads && (await hasFile(files, request)))
    answer.plain(405, 'Method Not Allowed', [['Allow', 'GET, HEAD']]);
  else answer.plain(404, 'Not Found');
}

function handlerError(cause: unknown, begun: boolean): LwsError {
  if (cause instanceof LwsError && cause.code === 'ERR_HANDLER') return cause;
  const what = begun ? 'A response failed on its way and was cut' : 'A request could not be answered';
  return new LwsError('ERR_HANDLER', `${what}: ${wordsOf(cause)}`, { cause });
}

/** The one way out of an exchange that went wrong. */
function fail<X>(services: HttpServices<X>, answer: Answer, fate: RequestFate, cause: unknown): void {
  const status = bodyErrorStatus(cause);
  /* what a peer did, or what follows from its leaving, is no error of the server */
  const peers = status !== undefined || (fate.gone && cause === fate.controller?.signal.reason);
  const begun = answer.begun;
  if (answer.open) {
    if (begun) answer.cut();
    else if (status === undefined) answer.plain(500, 'Internal Server Error');
    else answer.plain(status, (cause as Error).message);
  }
  if (!peers) services.error(handlerError(cause, begun));
}

/**
 * Serves one request whose head arrived. Everything it sends goes through the
 * crossing; it ends with RESPONSE_END, TERMINATE, or the death of the transport.
 */
export function serveRequest<X>(
  services: HttpServices<X>,
  slot: number,
  generation: number,
  flags: number,
  head: string,
  transport: Transport<X>,
): HttpExchange {
  const sender = new Sender(services.crossing, slot, generation);
  const declared = (): number | undefined => {
    const text = request.headers.get('content-length');
    return text === null ? undefined : Number(text);
  };
  const flow = {
    proceed: () => {
      if (!answer.begun && sender.alive)
        services.crossing.putBytes(Out.RAW | RAW_INTERIM, slot, generation, CONTINUE);
    },
    resume: () => sender.order(Out.RESUME),
    pause: () => sender.order(Out.PAUSE),
  };
  const body = new IncomingBody(
    flow,
    (flags & RequestFlag.BODY) !== 0 ? declared : undefined,
    (flags & RequestFlag.EXPECT_CONTINUE) !== 0,
  );
  const fate: RequestFate = { gone: false, controller: undefined };
  const request = new HttpRequest<X>(head, transport, services.trust, body, fate);
  const answer = new Answer(sender, body, flags, services.keepAliveTimeout);
  respond(services, request, answer).catch((cause) => fail(services, answer, fate, cause));
  return {
    generation,
    body: (bytes, last) => body.push(bytes, last),
    gone(reason) {
      if (!answer.ended) {
        fate.gone = true;
        fate.controller?.abort();
      }
      body.fail(goneError(reason));
      answer.gone();
    },
    flushed: () => answer.flushed(),
  };
}
