import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as nodeTls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildLib } from '../../scripts/build-lib.mjs';
import { startServer } from '../helpers/server.js';
import { certificates } from './helpers/certificates.js';

const made = certificates();
const root = made.authority('root');
const leaf = made.issue('leaf', 'root', 'IP:127.0.0.1');
const stranger = made.authority('stranger');
const built = buildLib();

/** Connects without a `ca` and prints what becomes of it. */
const visit = `
  import { connect } from 'libwebsockets';
  export const visit = async (url, tls) => {
    const outcome = await connect(url, tls ? { tls } : {}).catch((error) => error);
    console.log(outcome.code ?? (outcome.transport.tls.authorized ? 'verified' : 'open'));
    outcome.terminate?.();
  };
`;
const alone = `${visit} await visit(process.env.SERVER);`;

interface Run {
  node?: string[];
  env?: Record<string, string>;
  script?: string;
}

/** What a process of its own prints that visits a server whose authority is \`root\`. */
async function run({ node = [], env = {}, script = alone }: Run) {
  await built;
  const { port } = await startServer({ tls: leaf, message() {} });
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [...node, '--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...inherited, SERVER: `wss://127.0.0.1:${port}`, ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes) => (stdout += bytes));
  child.stderr.on('data', (bytes) => (stderr += bytes));
  const [code] = await once(child, 'close');
  expect(code, stderr).toBe(0);
  return { lines: stdout.trim().split('\n'), stderr };
}

const rootFile = made.path('root.crt');
const strangerFile = made.path('stranger.crt');
const messy = () =>
  made.write('messy.pem', `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${stranger.cert}`);
/* of Node 22.15 and 22.19, 24.5 */
const hasSystem = 'getCACertificates' in nodeTls;
const canReplace = 'setDefaultCACertificates' in nodeTls;

describe('without "ca" a client trusts whom Node trusts', () => {
  const rows: [what: string, run: Run, expected: string][] = [
    ['nobody else by itself', {}, 'ERR_TLS'],
    ['those of NODE_EXTRA_CA_CERTS', { env: { NODE_EXTRA_CA_CERTS: rootFile } }, 'verified'],
    ['not those of another file there', { env: { NODE_EXTRA_CA_CERTS: strangerFile } }, 'ERR_TLS'],
    ['nobody of a file that is not there', { env: { NODE_EXTRA_CA_CERTS: '/nonexistent.pem' } }, 'ERR_TLS'],
    ['not those of SSL_CERT_FILE', { env: { SSL_CERT_FILE: rootFile } }, 'ERR_TLS'],
    [
      'those of SSL_CERT_FILE with --use-openssl-ca',
      { node: ['--use-openssl-ca'], env: { SSL_CERT_FILE: rootFile } },
      'verified',
    ],
    [
      'the same by NODE_OPTIONS',
      { env: { SSL_CERT_FILE: rootFile, NODE_OPTIONS: '--use-openssl-ca' } },
      'verified',
    ],
    [
      'the extra ones beside them',
      { node: ['--use-openssl-ca'], env: { SSL_CERT_FILE: strangerFile, NODE_EXTRA_CA_CERTS: rootFile } },
      'verified',
    ],
    [
      'not with a file of others',
      { node: ['--use-openssl-ca'], env: { SSL_CERT_FILE: strangerFile } },
      'ERR_TLS',
    ],
    ['anybody with NODE_TLS_REJECT_UNAUTHORIZED=0', { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }, 'open'],
    ['as ever with another value of it', { env: { NODE_TLS_REJECT_UNAUTHORIZED: 'false' } }, 'ERR_TLS'],
  ];
  it.each(rows)('%s', async (_, how, expected) => {
    expect((await run(how)).lines).toEqual([expected]);
  });

  it('also in workers', async () => {
    const script = `
      import { Worker } from 'node:worker_threads';
      const code = ${JSON.stringify(alone)};
      new Worker(new URL('data:text/javascript,' + encodeURIComponent(code.replace("'libwebsockets'", JSON.stringify(import.meta.resolve('libwebsockets'))))));
    `;
    const extra = { NODE_EXTRA_CA_CERTS: rootFile };
    expect((await run({ script, env: extra })).lines).toEqual(['verified']);
    const openssl = { node: ['--use-openssl-ca'], env: { SSL_CERT_FILE: rootFile } };
    expect((await run({ script, ...openssl })).lines).toEqual(['verified']);
  });

  it('and of NODE_EXTRA_CA_CERTS what can be read', async () => {
    const file = made.write('both.pem', `${stranger.cert}\nhello\n${root.cert}`);
    expect((await run({ env: { NODE_EXTRA_CA_CERTS: file } })).lines).toEqual(['verified']);
    expect((await run({ env: { NODE_EXTRA_CA_CERTS: messy() } })).lines).toEqual(['ERR_TLS']);
  });

  it('but verifies where rejectUnauthorized says so, and warns once where nobody does', async () => {
    const script = `${visit}
      for (const tls of [undefined, {}, { rejectUnauthorized: true }]) await visit(process.env.SERVER, tls);`;
    const { lines, stderr } = await run({ script, env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
    expect(lines).toEqual(['open', 'open', 'ERR_TLS']);
    expect(stderr.match(/certificates of TLS servers are not verified/gi)).toHaveLength(1);
  });

  it.runIf(hasSystem)('those of --use-system-ca', async () => {
    const how = { node: ['--use-system-ca'], env: { SSL_CERT_FILE: rootFile } };
    expect((await run(how)).lines).toEqual(['verified']);
  });

  it.runIf(canReplace)('those of setDefaultCACertificates(), while they last', async () => {
    const script = `${visit}
      import { readFileSync } from 'node:fs';
      import * as tls from 'node:tls';
      await visit(process.env.SERVER);
      tls.setDefaultCACertificates([readFileSync(process.env.ROOT, 'utf8')]);
      await visit(process.env.SERVER);
      tls.setDefaultCACertificates([]);
      await visit(process.env.SERVER);`;
    for (const node of [[], ['--use-openssl-ca']])
      expect(
        (await run({ script, node, env: { ROOT: rootFile, SSL_CERT_FILE: strangerFile } })).lines,
      ).toEqual(['ERR_TLS', 'verified', 'ERR_TLS']);
  });
});
