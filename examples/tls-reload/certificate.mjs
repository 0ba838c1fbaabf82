// A certificate for localhost, signed by itself. Run by itself, it renews the one that is there.
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const folder = process.env.FOLDER || 'build/tls-reload';
export const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };

export function renew() {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = { cert: `${paths.cert}.new`, key: `${paths.key}.new` };
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', fresh.key, '-out', fresh.cert], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Renamed into place: nobody reads half a file.
  renameSync(fresh.key, paths.key);
  renameSync(fresh.cert, paths.cert);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  renew();
  console.log(`renewed ${paths.cert}`);
}
