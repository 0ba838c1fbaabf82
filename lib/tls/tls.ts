import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import {
  type Native,
  type NativeTlsInfo,
  type NativeTlsOptions,
  native,
  type TlsHandle,
} from '../crossing/native.js';
import { Buffer } from '../shared/ambient.js';
import { type Check, checkOptionsObject, checkTable, kindOf, oneOf, type, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import { type Authorities, nodeAuthorities, verifiesByDefault } from './authorities.js';

/** PEM text, the path of a PEM file, bytes, or several of them to be read one after the other. */
export type PemSource = string | Uint8Array | readonly (string | Uint8Array)[];

/** Names of TLS versions, as in Node's `tls`. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

interface CommonTlsOptions {
  /** Our certificate, leaf first, then its chain. A string without `-----BEGIN` is a file's path. */
  cert?: PemSource | undefined;
  /** Its private key. */
  key?: PemSource | undefined;
  /** PKCS#12 bytes, or a file's path, instead of `cert` and `key`. */
  pfx?: string | Uint8Array | undefined;
  /** Opens an encrypted key or PKCS#12 file. */
  passphrase?: string | undefined;
  /** Authorities that may have signed the peer's certificate. Default: those that Node's own TLS trusts. */
  ca?: PemSource | undefined;
  /** TLS 1.2 ciphers, OpenSSL syntax. Default: OpenSSL's. */
  ciphers?: string | undefined;
  /** TLS 1.3 cipher suites, joined with `:`. Default: OpenSSL's. */
  cipherSuites?: string | undefined;
  /** Key exchange groups, joined with `:`. Default: OpenSSL's. */
  groups?: string | undefined;
  /** Default `'TLSv1.2'`. */
  minVersion?: TlsVersion | undefined;
  /** Default `'TLSv1.3'`. */
  maxVersion?: TlsVersion | undefined;
}

/** Options of a server's `tls`. */
export interface ServerTlsOptions extends CommonTlsOptions {
  /** Ask clients for a certificate; it is at `request.transport.tls.peerCertificate`. Default false. */
  requestCert?: boolean | undefined;
  /** Refuse clients without a certificate that `ca` verifies. Default true with `requestCert`. */
  rejectUnauthorized?: boolean | undefined;
  /** Other certificates by server name (SNI); `*.example.org` matches one label. */
  sni?: Record<string, Omit<ServerTlsOptions, 'sni'>> | undefined;
}

/** Options of a client's `tls`. */
export interface ClientTlsOptions extends CommonTlsOptions {
  /** Fail on a certificate that is not verified. Default true, false with `NODE_TLS_REJECT_UNAUTHORIZED=0`. */
  rejectUnauthorized?: boolean | undefined;
  /** The name to ask for and to verify. Default: the URL's host. */
  servername?: string | undefined;
}

const versions: Record<string, number> = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 };

/** Only its kind: files are read where it is used. */
const aSource: Check = (name, value) => {
  for (const part of Array.isArray(value) ? value : [value])
    if (typeof part !== 'string' && !isUint8Array(part))
      throw wrong(name, 'PEM text, a path, bytes, or an array of them', part);
};
const aPfx: Check = (name, value) => {
  if (typeof value !== 'string' && !isUint8Array(value)) throw wrong(name, 'bytes or a path', value);
};
const aTable: Check = (name, value) => checkOptionsObject(value, name);
const boolean = type('boolean');
const aVersion = oneOf(...Object.keys(versions));
/** Some are secrets: nothing of them is told. */
const aString: Check = (name, value) => {
  if (typeof value !== 'string') throw wrong(name, 'a string', value, kindOf(value));
};

const commonChecks: Record<string, Check> = {
  cert: aSource,
  key: aSource,
  pfx: aPfx,
  passphrase: aString,
  ca: aSource,
  ciphers: aString,
  cipherSuites: aString,
  groups: aString,
  minVersion: aVersion,
  maxVersion: aVersion,
  rejectUnauthorized: boolean,
};
const clientChecks: Record<string, Check> = { ...commonChecks, servername: aString };
const certificateChecks: Record<string, Check> = { ...commonChecks, requestCert: boolean };
const serverChecks: Record<string, Check> = { ...certificateChecks, sni: aTable };

function readFile(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    /* what was meant to be a key and has no armour was taken for a path: the error of the file would show it */
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const cause = /\.(?:key|pfx)$/.test(name) ? Object.assign(new Error(code), { code }) : error;
    throw new LwsError('ERR_INVALID_OPTION', `The file of the option "${name}" cannot be read`, { cause });
  }
}

function pem(name: string, source: PemSource | undefined): Uint8Array | undefined {
  if (source === undefined) return undefined;
  const parts = Array.isArray(source) ? source : [source];
  const read = parts.map((part) => {
    if (typeof part !== 'string') return part;
    return part.includes('-----BEGIN') ? Buffer.from(part) : readFile(name, part);
  });
  return Buffer.concat(read.flatMap((part) => [part, Buffer.from('\n')]));
}

/* RFC 1123 2.1, with the underscore that names of services have; no more than DNS can carry */
const HOST = /^(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/;

/**
 * A name as TLS has it: an IP address, or a host name in ASCII (RFC 5890), lower case, without a final dot (RFC 6066 3);
 * undefined for what is neither.
 */
export function serverNameOf(name: string): string | undefined {
  if (isIP(name) !== 0) return name;
  /* domainToASCII would cut off what no name has, as at a slash */
  if (/[\0-\x2c/:-@[-^`{-\x7f]/.test(name)) return undefined;
  const host = (/^[\0-\x7f]*$/.test(name) ? name.toLowerCase() : domainToASCII(name)).replace(/\.$/, '');
  return HOST.test(host) ? host : undefined;
}

/** @throws LwsError ERR_INVALID_OPTION for what is unknown or of the wrong type; files are not read. */
export function checkClientTls(options: unknown): void {
  checkTable(options, clientChecks, 'tls');
  const { servername } = options as ClientTlsOptions;
  if (servername !== undefined && serverNameOf(servername) === undefined)
    throw wrong('tls.servername', 'a host name or an IP address', servername);
}

/** What the native side fills a context with; files are read now. */
function resolve(
  o: ServerTlsOptions & ClientTlsOptions,
  within: string,
  client: boolean,
): Partial<NativeTlsOptions> {
  const { pfx } = o;
  if (o.minVersion === 'TLSv1.3' && o.maxVersion === 'TLSv1.2')
    throw wrong(`${within}.maxVersion`, 'no version below "minVersion"', o.maxVersion);
  const ca = pem(`${within}.ca`, o.ca);
  const askPeer = !client && (o.requestCert ?? false);
  const verifyPeer = client
    ? (o.rejectUnauthorized ?? verifiesByDefault())
    : askPeer && (o.rejectUnauthorized ?? true);
  const trusted = ca === undefined && (client || askPeer) ? nodeAuthorities() : undefined;
  return {
    cert: pem(`${within}.cert`, o.cert),
    key: pem(`${within}.key`, o.key),
    pfx: typeof pfx === 'string' ? readFile(`${within}.pfx`, pfx) : pfx,
    ca: ca ?? trusted?.pem,
    defaultPaths: trusted?.defaultPaths ?? false,
    passphrase: o.passphrase,
    ciphers: o.ciphers,
    cipherSuites: o.cipherSuites,
    groups: o.groups,
    minVersion: versions[o.minVersion ?? 'TLSv1.2']!,
    maxVersion: versions[o.maxVersion ?? 'TLSv1.3']!,
    client,
    askPeer,
    verifyPeer,
  } as Partial<NativeTlsOptions>;
}

function create(n: Native, options: Partial<NativeTlsOptions>, within: string): TlsHandle {
  try {
    return n.createTls(options as NativeTlsOptions);
  } catch (cause) {
    throw new LwsError(
      'ERR_INVALID_OPTION',
      `The option "${within}" cannot be used: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

function checkIdentity({ cert, key, pfx }: CommonTlsOptions, within: string): void {
  if (pfx === undefined && (cert === undefined || key === undefined))
    throw new LwsError(
      'ERR_INVALID_OPTION',
      `Expected "cert" and "key", or "pfx", in the option "${within}"`,
    );
}

/**
 * Fills a server's TLS context.
 *
 * @throws LwsError ERR_INVALID_OPTION for what cannot be read or does not fit together.
 */
export function serverTls(options: ServerTlsOptions): TlsHandle {
  checkTable(options, serverChecks, 'tls');
  checkIdentity(options, 'tls');
  const n = native();
  const handle = create(n, resolve(options, 'tls', false), 'tls');
  for (const [name, other] of Object.entries(options.sni ?? {})) {
    const within = `tls.sni.${name}`;
    checkTable(other, certificateChecks, within);
    checkIdentity(other, within);
    n.addTlsName(handle, name, create(n, resolve(other, within, false), within));
  }
  return handle;
}

/** Most contexts kept for clients; the one not used for longest makes room. */
const CONTEXTS_MAX = 32;
const clientContexts = new Map<string, TlsHandle>();

/** The same for the same contents, whatever objects and files they came from. */
function fingerprint(options: Partial<NativeTlsOptions>, trusted: Authorities | undefined): string {
  const hash = createHash('sha256');
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const bytes =
      name === 'ca' && trusted !== undefined
        ? `of Node ${trusted.id}`
        : isUint8Array(value)
          ? value
          : JSON.stringify(value);
    hash.update(`${name} ${bytes.length} ${typeof bytes}:`).update(bytes);
  }
  return hash.digest('base64');
}

/**
 * A client's TLS context. Connections with equal options share one, and so resume each other's sessions; a
 * certificate whose file has changed makes another.
 */
export function clientTls(options: ClientTlsOptions | undefined): TlsHandle {
  const { servername, ...rest } = options ?? {};
  checkTable(rest, commonChecks, 'tls');
  const resolved = resolve(rest, 'tls', true);
  const key = fingerprint(resolved, rest.ca === undefined ? nodeAuthorities() : undefined);
  const context = clientContexts.get(key) ?? create(native(), resolved, 'tls');
  clientContexts.delete(key);
  clientContexts.set(key, context);
  if (clientContexts.size > CONTEXTS_MAX) clientContexts.delete(clientContexts.keys().next().value!);
  return context;
}

/** What the TLS handshake of a transport found. */
export class TlsInfo {
  /** As `'TLSv1.3'`. */
  readonly version: string;
  /** By OpenSSL's name. */
  readonly cipher: string;
  /** The name the client asked for, `''` when it named none. */
  readonly serverName: string;
  /** Whether an earlier session was resumed, which spares a round of certificates. */
  readonly resumed: boolean;
  /** Whether the peer presented a certificate that was verified. */
  readonly authorized: boolean;
  readonly #der: Buffer | undefined;
  #certificate: X509Certificate | undefined;

  /** @internal */
  constructor(info: NativeTlsInfo) {
    this.version = info.version;
    this.cipher = info.cipher;
    this.serverName = info.serverName;
    this.resumed = info.resumed;
    this.authorized = info.verified;
    this.#der = info.certificate;
  }

  /** The peer's certificate, undefined when it presented none. */
  get peerCertificate(): X509Certificate | undefined {
    if (this.#der !== undefined) this.#certificate ??= new X509Certificate(this.#der);
    return this.#certificate;
  }
}
