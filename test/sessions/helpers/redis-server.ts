import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** SIGKILL: what a machine that loses power does. */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: it holds its connections and answers nothing. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A real `redis-server` on a free port, without persistence, in a folder of its own. */
export async function startRedis(...settings: string[]): Promise<RedisServer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'lws-redis-'));
  const fixed = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  let child = await launch([...fixed, ...settings]);
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? 0;
    },
    kill: end,
    async restart() {
      await end();
      child = await launch([...fixed, ...settings]);
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Another engine that speaks Redis' protocol, by the path of its program, until it answers. */
export async function startEngine(program: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'lws-engine-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder];
  const child = spawn(program, args, { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
  });
  const answers = async () => {
    for (;;) {
      const pong = await run('redis-cli', ['-p', `${port}`, 'ping']).catch(() => ({ stdout: '' }));
      if (pong.stdout.includes('PONG')) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await Promise.race([answers(), failed]);
  failed.catch(() => undefined);
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function launch(args: string[]): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let output = '';
    child.once('error', (cause) =>
      reject(new Error('redis-server is needed: apt-get install redis-server', { cause })),
    );
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}:\n${output}`)));
    child.stdout.on('data', (text) => {
      output += text;
      if (output.includes('Ready to accept connections')) resolve(child);
    });
  });
}

export interface RedisCluster {
  /** The first three are the masters at the start. */
  readonly servers: readonly RedisServer[];
  readonly nodes: readonly { host: string; port: number; url: string }[];
  stop(): Promise<void>;
}

/** Three masters with one replica each, which take over after about a second. */
export async function startCluster(): Promise<RedisCluster> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '800'];
  settings.push('--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0');
  const servers = await Promise.all(Array.from({ length: 6 }, () => startRedis(...settings)));
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
    await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
    for (const { port } of servers) await untilClusterIsUp(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, nodes: servers.map(({ port, url }) => ({ host: '127.0.0.1', port, url })), stop };
}

/** Until the server knows the whole cluster and, being a replica, has the data of its master. */
async function untilClusterIsUp(port: number): Promise<void> {
  const ask = async (...command: string[]) => (await run('redis-cli', ['-p', `${port}`, ...command])).stdout;
  for (let attempt = 0; attempt < 200; attempt++) {
    const isUp = (await ask('cluster', 'info')).includes('cluster_state:ok');
    const knowsAll = (await ask('cluster', 'nodes')).split('slave').length === 4;
    const isSynced = !(await ask('info', 'replication')).includes('master_link_status:down');
    if (isUp && knowsAll && isSynced) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the cluster did not come up on port ${port}`);
}
