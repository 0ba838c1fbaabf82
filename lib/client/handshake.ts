import { createHash, randomBytes } from 'node:crypto';
import { Connection } from '../connection/connection.js';
import type { Behavior, Host } from '../connection/owner.js';
import type { UpgradeResponse } from '../connection/response.js';
import type { Sink } from '../connection/sink.js';
import type { Transport } from '../connection/transport.js';
import { type Crossing, sendRaw } from '../crossing/crossing.js';
import { Gone, Out } from '../crossing/native.js';
import { type DeflateSettings, deflateFlags, makeOffer, readAnswer } from '../handshake/deflate.js';
import { headerLines } from '../http/response-head.js';
import { Buffer, clearTimeout, setTimeout } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { TlsInfo } from '../tls/tls.js';
import { basicCredentials } from './credentials.js';
import { ended, systemError } from './network-error.js';
import type { ConnectSettings, RequestOptions } from './options.js';
import { isRedirect } from './redirect.js';
import { BODY_TIME, Refusal } from './refusal.js';
import { isInterim, parseResponseHead, type ResponseHead } from './response-head.js';

/** What the handshake decided: a connection, a redirect, or an error. */
export type Outcome = Connection | { redirect: ResponseHead } | LwsError;

/** The request and the key that its answer must prove to know. */
export function makeRequest(
  url: URL,
  options: RequestOptions,
  deflate: DeflateSettings | undefined,
): { text: string; key: string } {
  const key = randomBytes(16).toString('base64');
  const lines = headerLines(options.headers);
  const names = typeof options.protocols === 'string' ? [options.protocols] : (options.protocols ?? []);
  let text = `GET ${url.pathname}${url.search} HTTP/1.1\r\n`;
  if (!/^host:/im.test(lines)) text += `Host: ${url.host}\r\n`;
  text += `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`;
  if (names.length > 0) text += `Sec-WebSocket-Protocol: ${names.join(', ')}\r\n`;
  if (deflate !== undefined) text += `Sec-WebSocket-Extensions: ${makeOffer(deflate)}\r\n`;
  const credentials = basicCredentials(url, 'ERR_INVALID_ARGUMENT', 'of the URL');
  if (credentials !== undefined && !/^authorization:/im.test(lines))
    text += `Authorization: ${credentials}\r\n`;
  return { text: `${text}${lines}\r\n`, key };
}

function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

function hasToken(value: string | null, token: string): boolean {
  return (value ?? '').split(',').some((part) => part.trim().toLowerCase() === token);
}

/** RFC 6455 4.1, the client's checks of a 101; a sentence saying what is wrong. */
function wrongWith(head: ResponseHead, key: string, offered: readonly string[]): string | undefined {
  const { headers } = head;
  if (head.minor !== 1) return 'it is of HTTP/1.0';
  if (headers.get('upgrade')?.toLowerCase() !== 'websocket') return 'Upgrade is not websocket';
  if (!hasToken(headers.get('connection'), 'upgrade')) return 'Connection does not name upgrade';
  if (headers.get('sec-websocket-accept') !== acceptFor(key))
    return 'Sec-WebSocket-Accept does not fit the key';
  const protocol = headers.get('sec-websocket-protocol');
  if (protocol !== null && !offered.includes(protocol))
    return 'the server chose a subprotocol that was not offered';
  return undefined;
}

/** What a handshake of a client needs. */
export interface HandshakeParts {
  readonly crossing: Crossing;
  readonly host: Host;
  readonly transport: Transport;
  readonly options: ConnectSettings<never>;
  readonly behavior: Behavior;
  readonly deflate: DeflateSettings | undefined;
  readonly request: { readonly text: string; readonly key: string };
  readonly mayRedirect: boolean;
  readonly secure: boolean;
  settle(outcome: Outcome): void;
}

/** A client's transport from CONNECTED to its connection. */
export class Handshake implements Sink {
  readonly generation: number;
  readonly #given: HandshakeParts;
  #chosen: Behavior | undefined;
  #response: UpgradeResponse | undefined;
  #refusal: Refusal | undefined;
  #late: LwsError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(given: HandshakeParts) {
    this.#given = given;
    this.generation = given.transport.generation;
  }

  #end(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#given.settle(outcome);
  }

  connected(): void {
    const info = this.#given.secure
      ? this.#given.crossing.native.tlsInfo(this.#given.transport.slot, this.generation)
      : undefined;
    if (info !== undefined) this.#given.transport.tls = new TlsInfo(info);
    sendRaw(
      this.#given.crossing,
      this.#given.transport.slot,
      this.generation,
      Buffer.from(this.#given.request.text, 'latin1'),
    );
  }

  /** `cut`: nothing more of the head will come. */
  answered(text: string, cut: boolean): void {
    try {
      if (!cut) this.#take(parseResponseHead(text));
      else if (text.includes('\r\n')) this.#takePart(text);
    } catch (error) {
      /* what is wrong with a part is that it ended, which comes next */
      if (!cut) this.#end(error as LwsError);
    }
  }

  #take(head: ResponseHead): void {
    if (isInterim(head))
      throw new LwsError('ERR_HANDSHAKE', `Expected an answer from the server but got ${head.status} alone`);
    if (head.status === 101) this.#accept(head);
    else this.#refuse(head);
  }

  /** A status that was read is not lost with the rest. */
  #takePart(text: string): void {
    const head = parseResponseHead(`${text.slice(0, text.lastIndexOf('\r\n') + 2)}\r\n`);
    if (head.status >= 200) this.#refusal = new Refusal(head, 0);
  }

  #accept(head: ResponseHead): void {
    const { protocols } = this.#given.options;
    const offered = typeof protocols === 'string' ? [protocols] : (protocols ?? []);
    const wrong = wrongWith(head, this.#given.request.key, offered);
    if (wrong !== undefined) throw new LwsError('ERR_HANDSHAKE', `The server's 101 is not valid: ${wrong}`);
    const extensions = head.headers.get('sec-websocket-extensions');
    let flags = this.#given.behavior.flags;
    if (extensions !== null) {
      const agreement = readAnswer(this.#given.deflate, extensions);
      if (typeof agreement === 'string')
        throw new LwsError('ERR_HANDSHAKE', `The server's 101 is not valid: ${agreement}`);
      flags |= deflateFlags(this.#given.deflate!, agreement);
    }
    const protocol = head.headers.get('sec-websocket-protocol') ?? '';
    this.#chosen = { ...this.#given.behavior, protocol };
    this.#response = { status: 101, statusText: head.statusText, headers: head.headers };
    this.#given.crossing.put(Out.ACCEPT | (flags << 8), this.#given.transport.slot, this.generation);
  }

  #refuse(head: ResponseHead): void {
    if (this.#given.mayRedirect && isRedirect(head)) {
      this.#end({ redirect: head });
      return;
    }
    this.#refusal = new Refusal(head, this.#given.options.maxResponseBody ?? 64 * 1024);
    if (this.#refusal.complete) this.#tellRefusal();
    else {
      this.#timer = setTimeout(() => this.#tellRefusal(), BODY_TIME);
      this.#given.crossing.put(Out.RESUME, this.#given.transport.slot, this.generation);
    }
  }

  #tellRefusal(): void {
    this.#end(this.#refusal!.toError());
  }

  body(bytes: Buffer): void {
    if (this.#refusal === undefined) return;
    this.#refusal.add(bytes);
    if (this.#refusal.complete) this.#tellRefusal();
  }

  /**
   * Nobody waits any longer. Out of time, what came of an answer is told: of its body what is here, of its head what
   * the native side has, which its end brings.
   */
  stop(why: LwsError): void {
    if (why.code !== 'ERR_TIMEOUT') this.#end(why);
    else if (this.#refusal !== undefined) this.#tellRefusal();
    else {
      this.#late = why;
      this.#given.crossing.put(Out.RESPONSE_END, this.#given.transport.slot, this.generation);
    }
  }

  gone(reason: number, why: string, errno: number): void {
    this.#end(this.#refusal?.toError() ?? this.#late ?? this.#failure(reason, why, errno));
  }

  #failure(reason: number, why: string, errno: number): LwsError {
    if (reason === Gone.ANSWER)
      return new LwsError('ERR_HANDSHAKE', `The server's answer is not valid: ${why}`);
    if (errno !== 0) {
      const cause = systemError('read', errno);
      return new LwsError('ERR_HANDSHAKE', `The network connection failed: ${cause.message}`, { cause });
    }
    if (why !== '')
      return new LwsError('ERR_TLS', `The TLS connection failed: ${why}`, { cause: new Error(why) });
    const cause = ended();
    return new LwsError('ERR_HANDSHAKE', 'The server ended the connection before it answered', { cause });
  }

  opened(): Connection {
    const { data } = this.#given.options as { data?: unknown };
    const connection = new Connection(
      this.#given.crossing,
      this.#given.host,
      this.#chosen!,
      this.#given.transport,
      this.#given.request.text,
      data,
    );
    connection.answeredWith(this.#response!);
    this.#end(connection);
    return connection;
  }
}
