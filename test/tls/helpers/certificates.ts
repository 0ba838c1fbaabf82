import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A certificate in PEM, with its private key. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Files that `openssl` made. */
export interface Certificates {
  /** The path of a file in the temporary folder. */
  path(name: string): string;
  read(name: string): Buffer;
  write(name: string, content: string): string;
  openssl(...args: string[]): void;
  /** A self-signed authority. */
  authority(name: string): Pair;
  /** A certificate signed by the authority called `by`; `names` as in subjectAltName. */
  issue(name: string, by: string, names: string, more?: { authority?: boolean; days?: number }): Pair;
}

/** A folder of certificates, removed after the tests of the file. */
export function certificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'lws-tls-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, name);
  const read = (name: string) => readFileSync(path(name));
  const openssl = (...args: string[]) => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const write = (name: string, content: string) => {
    writeFileSync(path(name), content);
    return path(name);
  };
  const pair = (name: string): Pair => ({
    cert: read(`${name}.crt`).toString(),
    key: read(`${name}.key`).toString(),
  });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  return {
    path,
    read,
    write,
    openssl,
    authority(name) {
      const subject = ['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`];
      openssl('req', '-x509', ...newKey, ...subject, '-days', '30');
      return pair(name);
    },
    issue(name, by, names, { authority = false, days = 30 } = {}) {
      openssl(
        'req',
        '-new',
        ...newKey,
        '-subj',
        `/CN=${name}`,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
      );
      const usage = authority ? 'basicConstraints=critical,CA:TRUE' : 'basicConstraints=CA:FALSE';
      write(`${name}.ext`, `${usage}\nsubjectAltName=${names}\n`);
      const signer = ['-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial'];
      const dates = days > 0 ? ['-days', String(days)] : ['-days', '0'];
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        ...signer,
        ...dates,
        '-extfile',
        `${name}.ext`,
        '-out',
        `${name}.crt`,
      );
      return pair(name);
    },
  };
}
