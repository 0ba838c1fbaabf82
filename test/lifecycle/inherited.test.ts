import { execFileSync, execSync, spawn } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { connect, type ServerOptions } from '../../lib/index.js';
import { attached } from '../adopt/helpers/attached.js';
import { certificate, connectRawPlain, openOver } from '../adopt/helpers/node-servers.js';
import { startServer, turnUntil } from '../helpers/server.js';
import { startWorker } from './workers.js';

/** What a list of descriptors from `ls -l` leads to, beside the standard ones and the listed folder itself. */
function targets(listed: string): string[] {
  const found = [...listed.matchAll(/ (\d+) -> (.*)$/gm)].filter(([, fd]) => Number(fd) > 2);
  return found.map(([, , target]) => target!).filter((target) => !target.startsWith('/proc/'));
}

/** What our own descriptors lead to; one may be closed while they are read. */
function ours(): string[] {
  const own = '/proc/self/fd';
  return readdirSync(own).flatMap((fd) => {
    try {
      return [readlinkSync(join(own, fd))];
    } catch {
      return [];
    }
  });
}

const children: [string, () => string | Promise<string>][] = [
  ['execSync', () => execSync('ls -l /proc/self/fd', { encoding: 'utf8' })],
  ['execFileSync', () => execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' })],
  [
    'spawn',
    () => text(spawn('ls', ['-l', '/proc/self/fd'], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout),
  ],
  [
    'spawn, detached',
    () =>
      text(
        spawn('ls', ['-l', '/proc/self/fd'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] }).stdout,
      ),
  ],
];

/** Descriptors of this process that a child would get: those without the flag (O_CLOEXEC of Linux). */
function kept(): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return !(
        Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8) &
        0o2000000
      );
    } catch {
      return false; /* the folder's own, closed meanwhile */
    }
  });
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lws-fd-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A server of some kind, and a client of it. */
async function pair(options: ServerOptions, connectOptions: object = {}): Promise<void> {
  const { server, port } = await startServer({ message() {}, ...options });
  const url = options.tls === undefined ? `ws://localhost:${port}/` : `wss://localhost:${port}/`;
  const connection = await connect(url, { message() {}, ...connectOptions });
  onTestFinished(() => connection.terminate());
  await turnUntil(() => server.connections.size === 1);
}

test('no child inherits a descriptor of servers, clients, TLS, adoption or files', async () => {
  const before = new Map<string, string[]>();
  for (const [name, list] of children) before.set(name, targets(await list()));
  const keptBefore = kept();

  const folder = temporaryFolder();
  const socket = join(folder, 'socket');
  const pem = certificate();
  await pair({ reusePort: true });
  await pair({ socketPath: socket }, { socketPath: socket });
  await pair({ tls: pem }, { tls: { ca: pem.cert } });
  for (const kind of ['http', 'https', 'h2c', 'h2'] as const) {
    const made = await attached(kind);
    await openOver(kind, made.port);
    await made.record.opened.next();
  }
  writeFileSync(join(folder, 'large'), '');
  truncateSync(join(folder, 'large'), 64 * 1024 * 1024);
  const { port } = await startServer({ files: { '/': folder } });
  const reader = await connectRawPlain(port);
  reader.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
  await turnUntil(() => ours().includes(join(folder, 'large')));

  for (const [name, list] of children) expect(targets(await list()), name).toEqual(before.get(name));
  expect(kept()).toEqual(keptBefore);
});

test('nor does a child of a worker', async () => {
  const told = await startWorker('inherited-worker.mjs');
  const { before, after } = (await told.message) as { before: string; after: string };
  expect(targets(after)).toEqual(targets(before));
});
