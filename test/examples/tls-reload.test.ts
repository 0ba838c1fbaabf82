import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { connect } from '../../lib/index.js';
import { endCleanly, folder, serve } from './helpers/program.js';

const certificate = fileURLToPath(new URL('../../examples/tls-reload/certificate.mjs', import.meta.url));

const begin = async () => {
  const home = folder();
  const server = await serve('tls-reload/server.mjs', { FOLDER: home });
  const cert = join(home, 'cert.pem');
  return {
    home,
    server,
    fingerprint: () => new X509Certificate(readFileSync(cert)).fingerprint256,
    renew: () => execFileSync(process.execPath, [certificate], { env: { ...process.env, FOLDER: home } }),
    /** Opens a connection that trusts the certificate of now. */
    join: () => connect(server.url, { tls: { ca: cert } }),
  };
};

it('gives new connections the new certificate, and cuts none of the old', async () => {
  const { server, fingerprint, renew, join } = await begin();
  const old = await join();
  const reading = old[Symbol.asyncIterator]();
  const first = fingerprint();
  expect((await reading.next()).value).toBe(first);
  renew();
  const second = fingerprint();
  expect(second).not.toBe(first);
  await server.says(`new connections get ${second}`);
  const fresh = await join();
  expect(fresh.transport.tls!.peerCertificate!.fingerprint256).toBe(second);
  for await (const told of fresh) {
    expect(told).toBe(second);
    break;
  }
  old.send('still here');
  expect((await reading.next()).value).toBe('still here');
  await endCleanly(server);
});

it('keeps the certificate when the new one is broken, and reloads at SIGHUP', async () => {
  const { home, server, fingerprint, renew, join: open } = await begin();
  const good = readFileSync(join(home, 'cert.pem'));
  renew();
  await server.says(`new connections get ${fingerprint()}`);
  writeFileSync(join(home, 'cert.pem'), good);
  await server.says('kept the certificate:');
  writeFileSync(join(home, 'cert.pem'), 'garbage');
  server.process.kill('SIGHUP');
  await server.says(/(?:kept the certificate:.*\n){2}/);
  renew();
  await server.says(`new connections get ${fingerprint()}`);
  await (await open())[Symbol.asyncDispose]();
  expect(await server.end()).toBe(0);
});
