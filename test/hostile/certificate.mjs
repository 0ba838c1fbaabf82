// A certificate for `localhost`, made once and kept in build/.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'build', 'hostile');

/** { cert, key } in PEM. */
export function certificate() {
  const [key, cert] = ['hostile.key', 'hostile.crt'].map((name) => join(folder, name));
  if (!existsSync(cert)) {
    mkdirSync(folder, { recursive: true });
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const names = [
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-days',
      '3650',
    ];
    execFileSync('openssl', ['req', '-x509', ...curve, ...names, '-keyout', key, '-out', cert], {
      stdio: 'pipe',
    });
  }
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
