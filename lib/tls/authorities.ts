import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Buffer, process } from '../shared/ambient.js';

/** Whom Node's own TLS clients trust where no `ca` is given. */
export interface Authorities {
  /** PEM of all of them; undefined for none. */
  readonly pem: Buffer | undefined;
  /** Beside them those of OpenSSL's own places, and of `SSL_CERT_FILE` and `SSL_CERT_DIR`. */
  readonly defaultPaths: boolean;
  /** Another one for others. */
  readonly id: number;
}

/* of Node 22.15, 23.10 and later: what the options, the environment and setDefaultCACertificates() come to */
type Which = 'default' | 'system' | 'extra';
/* asked of the running Node: a bundler makes an import by name of it, which an older Node refuses */
const { getCACertificates } = process.getBuiltinModule('node:tls') as {
  getCACertificates?: (which: Which) => readonly string[];
};

/** Whether the process runs with `--use-openssl-ca`, or a Node that is built to. */
function usesOpenssl(): boolean {
  const given = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
  const last = given
    .map((each) => each.replaceAll('_', '-'))
    .findLast((each) => /^--(?:no-)?use-(?:openssl|bundled)-ca$/.test(each));
  if (last !== undefined) return last === '--use-openssl-ca' || last === '--no-use-bundled-ca';
  const { defines = [] } = process.config.target_defaults as { defines?: readonly string[] };
  return defines.includes('NODE_OPENSSL_CERT_STORE');
}

const PEM = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]+-----END \1-----/g;

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined;
  } catch {
    return false;
  }
}

/** The certificates of NODE_EXTRA_CA_CERTS that can be read, for a Node that does not tell them. */
function extraCertificates(): string[] {
  const path = process.env.NODE_EXTRA_CA_CERTS;
  if (!path) return [];
  try {
    return (readFileSync(path, 'latin1').match(PEM) ?? []).filter(isCertificate);
  } catch (error) {
    process.emitWarning(`NODE_EXTRA_CA_CERTS cannot be read: ${(error as Error).message}`);
    return [];
  }
}

let certificates: readonly string[] | undefined;
let known: Authorities | undefined;

function remember(found: readonly string[], defaultPaths: boolean): Authorities {
  certificates = found;
  const pem = found.length === 0 ? undefined : Buffer.from(found.join('\n'));
  known = { pem, defaultPaths, id: (known?.id ?? 0) + 1 };
  return known;
}

const atFirst = usesOpenssl() ? getCACertificates?.('default') : undefined;

/** Where a caller of setDefaultCACertificates() has replaced them, OpenSSL's places are not looked at any more. */
function isReplaced(found: readonly string[], ask: (which: Which) => readonly string[]): boolean {
  if (found !== atFirst || found.length < ask('extra').length) return true;
  const expected = new Set([...ask('extra'), ...ask('system')]);
  return found.some((each) => !expected.has(each));
}

/** They may change while the process runs; as long as they do not, the same object. */
export function nodeAuthorities(): Authorities {
  if (getCACertificates !== undefined) {
    /* Node keeps the list, and makes another when it is replaced */
    const found = getCACertificates('default');
    if (known !== undefined && found === certificates) return known;
    return remember(found, usesOpenssl() && !isReplaced(found, getCACertificates));
  }
  if (known !== undefined) return known;
  const openssl = usesOpenssl();
  return remember([...(openssl ? [] : rootCertificates), ...extraCertificates()], openssl);
}

let warned = false;

/** Whether Node's TLS clients verify by default: not with `NODE_TLS_REJECT_UNAUTHORIZED=0`. */
export function verifiesByDefault(): boolean {
  if (process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return true;
  if (!warned)
    process.emitWarning('NODE_TLS_REJECT_UNAUTHORIZED is 0: certificates of TLS servers are not verified.');
  warned = true;
  return false;
}
