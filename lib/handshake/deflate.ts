import { ConnectionFlag, DeflateShift } from '../crossing/native.js';
import { type Check, integer, MAX_INT, type } from '../shared/checks.js';
import { type Extension, parseExtensions } from './extensions.js';

/** Options of `perMessageDeflate` (RFC 7692). */
export interface DeflateOptions {
  /** zlib level, 0–9. Default 1: most of the gain for a fraction of the time. */
  level?: number | undefined;
  /** zlib memLevel, 1–9. Default 8. */
  memLevel?: number | undefined;
  /** Messages below so many bytes go uncompressed. Default 1024. */
  threshold?: number | undefined;
  /**
   * Keep our compression context between messages: better ratios, up to 256 KiB
   * per connection. Default false: all connections share one compressor.
   */
  contextTakeover?: boolean | undefined;
  /** Let the peer keep its context: 39 KiB per connection once it compressed something. Default false. */
  peerContextTakeover?: boolean | undefined;
  /** Window of what we send, 9–15 bits. Default 15. */
  windowBits?: number | undefined;
  /** Window asked of the peer, where it allows to be asked, 8–15 bits. Default 15. */
  peerWindowBits?: number | undefined;
}

/** What both sides agreed on. */
export interface DeflateAgreement {
  readonly ownWindowBits: number;
  readonly peerWindowBits: number;
  readonly ownTakeover: boolean;
  readonly peerTakeover: boolean;
}

export interface DeflateSettings extends Required<DeflateOptions> {}

export function deflateSettings(options: boolean | DeflateOptions | undefined): DeflateSettings | undefined {
  if (options === undefined || options === false) return undefined;
  return {
    level: 1,
    memLevel: 8,
    threshold: 1024,
    contextTakeover: false,
    peerContextTakeover: false,
    windowBits: 15,
    peerWindowBits: 15,
    ...(options === true ? {} : options),
  };
}

const NAME = 'permessage-deflate';
const KNOWN = new Set([
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
]);

function windowBits(value: string | true | undefined): number | undefined {
  return typeof value === 'string' && /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : undefined;
}

/** RFC 7692 7.1: no unknown or repeated parameter, no value where none belongs, a good one where one does. */
function isValid({ parameters, repeats }: Extension, bareClientBits: boolean): boolean {
  if (repeats) return false;
  for (const [name, value] of parameters) {
    if (!KNOWN.has(name)) return false;
    if (name.endsWith('takeover') && value !== true) return false;
    if (name === 'server_max_window_bits' && windowBits(value) === undefined) return false;
    if (
      name === 'client_max_window_bits' &&
      windowBits(value) === undefined &&
      !(bareClientBits && value === true)
    )
      return false;
  }
  return true;
}

function agree(settings: DeflateSettings, { parameters }: Extension): DeflateAgreement | undefined {
  const asked = windowBits(parameters.get('server_max_window_bits'));
  /* zlib cannot make a raw window of 8 bits, so such an offer is declined (7.1.2.1 allows that) */
  if (asked === 8) return undefined;
  const clientBits = parameters.get('client_max_window_bits');
  const most = windowBits(clientBits) ?? 15;
  return {
    ownWindowBits: Math.min(asked ?? 15, settings.windowBits),
    peerWindowBits: clientBits === undefined ? 15 : Math.min(most, settings.peerWindowBits),
    ownTakeover: settings.contextTakeover && !parameters.has('server_no_context_takeover'),
    peerTakeover: settings.peerContextTakeover && !parameters.has('client_no_context_takeover'),
  };
}

/** The server's side of RFC 7692 5.1: the first offer we can take, with the answer to it. */
export function acceptOffer(
  settings: DeflateSettings,
  field: string,
): { agreement: DeflateAgreement; answer: string } | undefined {
  for (const offer of parseExtensions(field) ?? []) {
    if (offer.name !== NAME || !isValid(offer, true)) continue;
    const agreement = agree(settings, offer);
    if (agreement === undefined) continue;
    let answer = NAME;
    if (!agreement.ownTakeover) answer += '; server_no_context_takeover';
    if (!agreement.peerTakeover) answer += '; client_no_context_takeover';
    if (agreement.ownWindowBits < 15 || offer.parameters.has('server_max_window_bits'))
      answer += `; server_max_window_bits=${agreement.ownWindowBits}`;
    if (agreement.peerWindowBits < 15) answer += `; client_max_window_bits=${agreement.peerWindowBits}`;
    return { agreement, answer };
  }
  return undefined;
}

/** What a client offers. */
export function makeOffer(settings: DeflateSettings): string {
  let offer = NAME;
  if (!settings.peerContextTakeover) offer += '; server_no_context_takeover';
  if (!settings.contextTakeover) offer += '; client_no_context_takeover';
  if (settings.peerWindowBits < 15) offer += `; server_max_window_bits=${settings.peerWindowBits}`;
  offer +=
    settings.windowBits < 15 ? `; client_max_window_bits=${settings.windowBits}` : '; client_max_window_bits';
  return offer;
}

/** The client's side of RFC 7692 5.1: the server's answer, or a sentence saying what is wrong with it. */
export function readAnswer(settings: DeflateSettings | undefined, field: string): DeflateAgreement | string {
  const answer = parseExtensions(field);
  if (answer === undefined) return 'Sec-WebSocket-Extensions is malformed';
  const [first] = answer;
  if (settings === undefined || first === undefined || answer.length > 1 || first.name !== NAME)
    return 'the server chose an extension that was not offered';
  if (!isValid(first, false)) return 'the parameters of permessage-deflate are not valid';
  const { parameters } = first;
  const serverBits = windowBits(parameters.get('server_max_window_bits'));
  const clientBits = windowBits(parameters.get('client_max_window_bits'));
  if (settings.peerWindowBits < 15 && (serverBits === undefined || serverBits > settings.peerWindowBits))
    return 'the server chose a larger window than server_max_window_bits allows';
  if (!settings.peerContextTakeover && !parameters.has('server_no_context_takeover'))
    return 'the server ignored server_no_context_takeover';
  return {
    /* 8, which zlib cannot make, lets the native side send everything uncompressed (RFC 7692 6) */
    ownWindowBits: Math.min(clientBits ?? 15, settings.windowBits),
    peerWindowBits: serverBits ?? 15,
    ownTakeover: settings.contextTakeover && !parameters.has('client_no_context_takeover'),
    peerTakeover: !parameters.has('server_no_context_takeover'),
  };
}

/** The bits beside a connection's flags, for the native side. */
export function deflateFlags(settings: DeflateSettings, agreement: DeflateAgreement): number {
  return (
    ConnectionFlag.DEFLATE |
    (agreement.ownTakeover ? ConnectionFlag.OWN_TAKEOVER : 0) |
    (agreement.peerTakeover ? ConnectionFlag.PEER_TAKEOVER : 0) |
    (agreement.ownWindowBits << DeflateShift.OWN_WINDOW) |
    (agreement.peerWindowBits << DeflateShift.PEER_WINDOW) |
    (settings.level << DeflateShift.LEVEL) |
    (settings.memLevel << DeflateShift.MEM_LEVEL)
  );
}

/** The options of {@link DeflateOptions}. */
export const deflateChecks: Record<string, Check> = {
  level: integer(0, 9),
  memLevel: integer(1, 9),
  threshold: integer(0, MAX_INT),
  contextTakeover: type('boolean'),
  peerContextTakeover: type('boolean'),
  windowBits: integer(9, 15),
  peerWindowBits: integer(8, 15),
};
