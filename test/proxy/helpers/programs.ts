import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { certificate } from '../../adopt/helpers/node-servers.js';

const examples = join(import.meta.dirname, '..', '..', '..', 'examples', 'proxies');

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Debian puts them where only root's path looks. */
function program(name: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  if (found === undefined)
    throw new Error(`Expected the program ${name}; run: node scripts/prerequisites.mjs proxies`);
  return found;
}

/** An example with other ports and files in it; each replacement must fit. */
function configuration(file: string, replacements: readonly (readonly [RegExp, string])[]): string {
  let text = readFileSync(join(examples, file), 'utf8');
  for (const [pattern, by] of replacements) {
    if (!pattern.test(text)) throw new Error(`Expected ${pattern} in ${file}`);
    text = text.replace(pattern, by);
  }
  return text;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'lwsn-proxy-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Runs it until the test is over; resolves when it accepts on `port`. */
async function run(name: string, args: readonly string[], port: number): Promise<void> {
  const child: ChildProcess = spawn(program(name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (said += text));
  let over = false;
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      over = true;
      resolve();
    });
    child.once('error', (error) => {
      said += error.message;
      over = true;
      resolve();
    });
  });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  while (!(await accepts(port))) {
    if (over) throw new Error(`${name} did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Proxy {
  /** The port for plain HTTP, or for the one frontend in TCP mode. */
  port: number;
  tlsPort: number;
}

export interface ProxyOptions {
  backend: number;
  /** In place of the seconds after which a silent connection is cut. */
  silence?: string;
  /** Sets X-Secret to this, X-Told to method and target as the proxy forwards them, X-Client to the port of its client. */
  secret?: string;
}

export async function nginx({ backend, silence = '75s', secret = 'none' }: ProxyOptions): Promise<Proxy> {
  const at = folder();
  const [port, tlsPort] = [await freePort(), await freePort()];
  writeFileSync(join(at, 'cert.pem'), certificate().cert);
  writeFileSync(join(at, 'key.pem'), certificate().key);
  const site = configuration('nginx.conf', [
    [/listen 80;/, `listen 127.0.0.1:${port};`],
    [/listen 443 ssl;/, `listen 127.0.0.1:${tlsPort} ssl;`],
    [/127\.0\.0\.1:3000/g, `127.0.0.1:${backend}`],
    [/\/etc\/nginx\/tls/g, at],
    [/75s/g, silence],
    [
      /proxy_buffering off;/,
      `proxy_buffering off; proxy_set_header X-Secret "${secret}"; proxy_set_header X-Told "$request_method $request_uri"; proxy_set_header X-Client $remote_port;`,
    ],
  ]);
  await runNginx(at, site, port);
  return { port, tlsPort };
}

async function runNginx(at: string, site: string, port: number): Promise<void> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${at}/${kind};`)
    .join(' ');
  writeFileSync(
    join(at, 'main.conf'),
    `daemon off; master_process off; pid ${at}/pid; error_log stderr;\n` +
      `events {}\nhttp { access_log off; ${temporary}\n${site}\n}\n`,
  );
  await run('nginx', ['-p', at, '-c', join(at, 'main.conf'), '-e', 'stderr'], port);
}

/** In front of two nodes, `one` and `two`; resolves with its port. */
export async function nginxSeveral(one: number, two: number): Promise<number> {
  const port = await freePort();
  const site = configuration('nginx-several.conf', [
    [/listen 80;/, `listen 127.0.0.1:${port};`],
    [/127\.0\.0\.1:3000/g, `127.0.0.1:${one}`],
    [/127\.0\.0\.1:3001/g, `127.0.0.1:${two}`],
  ]);
  await runNginx(folder(), site, port);
  return port;
}

/** The same with HAProxy, which asks often whether they are well. */
export async function haproxySeveral(one: number, two: number): Promise<number> {
  const at = folder();
  const port = await freePort();
  const text = configuration('haproxy-several.cfg', [
    [/bind :80$/m, `bind 127.0.0.1:${port}`],
    [/127\.0\.0\.1:3000/g, `127.0.0.1:${one}`],
    [/127\.0\.0\.1:3001/g, `127.0.0.1:${two}`],
  ]);
  writeFileSync(join(at, 'haproxy.cfg'), text);
  await run('haproxy', ['-db', '-f', join(at, 'haproxy.cfg')], port);
  return port;
}

export async function haproxy({ backend, silence = '75s', secret = 'none' }: ProxyOptions): Promise<Proxy> {
  const at = folder();
  const [port, tlsPort] = [await freePort(), await freePort()];
  writeFileSync(join(at, 'site.pem'), certificate().cert + certificate().key);
  const text = configuration('haproxy.cfg', [
    [/bind :80$/m, `bind 127.0.0.1:${port}`],
    [/bind :443/, `bind 127.0.0.1:${tlsPort}`],
    [/127\.0\.0\.1:3000/g, `127.0.0.1:${backend}`],
    [/\/etc\/haproxy\/tls/, at],
    [/75s/, silence],
    [
      /option forwardfor/,
      `option forwardfor\n    http-request set-header X-Secret "${secret}"\n    http-request set-header X-Told "%[method] %[url]"\n    http-request set-header X-Client %[src_port]`,
    ],
  ]);
  writeFileSync(join(at, 'haproxy.cfg'), text);
  await run('haproxy', ['-db', '-f', join(at, 'haproxy.cfg')], port);
  return { port, tlsPort };
}

/** In TCP mode, ending TLS itself if told to; its test sees the first connection, which only asks whether it accepts. */
export async function haproxyTcp(backend: number, version: 1 | 2, tls = false): Promise<Proxy> {
  const at = folder();
  const port = await freePort();
  const text = configuration('haproxy-tcp.cfg', [
    [/bind :443/, `bind 127.0.0.1:${port}${tls ? ` ssl crt ${at}/site.pem` : ''}`],
    [/127\.0\.0\.1:3000/g, `127.0.0.1:${backend}`],
    [/send-proxy-v2$/m, version === 1 ? 'send-proxy' : `send-proxy-v2${tls ? '-ssl' : ''}`],
  ]);
  writeFileSync(join(at, 'site.pem'), certificate().cert + certificate().key);
  writeFileSync(join(at, 'haproxy.cfg'), text);
  await run('haproxy', ['-db', '-f', join(at, 'haproxy.cfg')], port);
  return { port, tlsPort: port };
}
