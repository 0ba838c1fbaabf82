// TLS whose certificate is renewed without a lost connection. README.md says what to expect.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, watch } from 'node:fs';
import { createServer } from 'libwebsockets';
import { folder, paths, renew } from './certificate.mjs';

if (!existsSync(paths.cert)) renew();

/** The fingerprint of the certificate that new connections get. */
let fingerprint = read();

const server = createServer({
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8443),
  tls: paths,
  request: () => new Response(`${fingerprint}\n`),
  open: (connection) => void connection.send(fingerprint),
  message: (connection, data) => void connection.send(data),
});

function read() {
  return new X509Certificate(readFileSync(paths.cert)).fingerprint256;
}

function reload() {
  try {
    const fresh = read();
    if (fresh === fingerprint) return;
    server.setSecureContext(paths); // throws, and changes nothing, when certificate and key do not fit
    fingerprint = fresh;
    console.log(`new connections get ${fingerprint}`);
  } catch (error) {
    console.error(`kept the certificate: ${error.message}`);
  }
}

const { address, port } = await server.listen();
console.log(`TLS is at wss://${address}:${port}/ (Ctrl-C ends it)`);

// The folder and not the file: whoever renews puts a new file in its place. Both files change, so wait for quiet.
let quiet;
const watcher = watch(folder, () => {
  clearTimeout(quiet);
  quiet = setTimeout(reload, 100);
});
process.on('SIGHUP', reload);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    watcher.close();
    await server.close({ timeout: 2000 });
    process.exit();
  });
}
