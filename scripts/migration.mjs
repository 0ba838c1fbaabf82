// npm run migration [-- --sessions=100000 --kills=2]: moves sessions from one store in Redis to another with four times
// as many partitions by a process that is killed on the way, and counts afterwards in which store each session is.
// Needs redis-server and a build.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { moveAndKill } from './tools/move-and-kill.mjs';
import { main, root } from './tools/run.mjs';

await main(async (args) => {
  const number = (name, preset) =>
    Number(args.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? preset);
  const [sessions, kills] = [number('sessions', 100_000), number('kills', 2)];
  const url = (file) => pathToFileURL(join(root, 'dist', file)).href;
  const redis = await startRedis();
  try {
    const found = await moveAndKill({
      library: [url('redis/index.mjs'), url('sessions/index.mjs')],
      url: redis.url,
      sessions,
      kills,
      tell: (text) => console.log(text),
    });
    console.log(found);
    const { killed, inBoth, inNone, inSource, inTarget, underWay } = found;
    const isExact = inBoth + inNone + inSource + underWay === 0 && inTarget === sessions && killed === kills;
    console.log(
      isExact ? 'every session is in exactly one store' : 'NOT every session is in exactly one store',
    );
    return isExact ? 0 : 1;
  } finally {
    await redis.stop();
  }
});

async function startRedis() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  const folder = await mkdtemp(join(tmpdir(), 'lws-migration-'));
  const settings = [
    '--port',
    port,
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const child = spawn('redis-server', settings.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const text of child.stdout) if (String(text).includes('Ready to accept connections')) break;
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
