import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { until } from './managers.js';
import { freePort, type RedisServer, startRedis } from './redis-server.js';

export interface SentinelSystem {
  readonly name: string;
  readonly sentinel: { readonly host: string; readonly port: number };
  /** The first is the master at the start. */
  readonly servers: readonly RedisServer[];
  /** The port of the one that Sentinel takes for the master now. */
  master(): Promise<number>;
  stop(): Promise<void>;
}

/** A master, a replica that takes over after about a second, and one Sentinel that sees to it. */
export async function startSentinel(): Promise<SentinelSystem> {
  const settings = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  const master = await startRedis(...settings);
  const replica = await startRedis(...settings, '--replicaof', `127.0.0.1 ${master.port}`);
  const folder = await mkdtemp(join(tmpdir(), 'lws-sentinel-'));
  const port = await freePort();
  const config = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 3000',
  ];
  const file = join(folder, 'sentinel.conf');
  await writeFile(file, `${config.join('\n')}\n`);
  const child = await launch([file, '--sentinel']);
  const stop = async () => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await exited;
    }
    await Promise.all([master.stop(), replica.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
  const ask = async (...command: string[]) => {
    const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
    try {
      return (await client.sendCommand(command)) as unknown;
    } finally {
      client.destroy();
    }
  };
  try {
    await until(
      'Sentinel knows the replica, and that has the data',
      async () => {
        const replicas = (await ask('SENTINEL', 'REPLICAS', 'main')) as unknown[];
        return (
          JSON.stringify(replicas).includes('"master-link-status":"ok"') ||
          JSON.stringify(replicas).includes('"master-link-status","ok"')
        );
      },
      { timeout: 30_000, pause: 100 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name: 'main',
    sentinel: { host: '127.0.0.1', port },
    servers: [master, replica],
    async master() {
      const [, found] = (await ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as string[];
      return Number(found);
    },
    stop,
  };
}

function launch(args: string[]): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let output = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Sentinel ended with ${code}:\n${output}`)));
    child.stdout.on('data', (text) => {
      output += text;
      if (output.includes('+monitor master')) resolve(child);
    });
  });
}
