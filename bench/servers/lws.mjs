import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { createServer } from 'libwebsockets';
import { announce, keeper, readOptions, readTls, subscriber, zlib } from './common.mjs';

const options = readOptions();
const tls = readTls(options.tls);
const keep = options.keep > 0 ? keeper(options.keep) : undefined;

const echo = (connection, data) => {
  connection.send(data);
};
const keepAndEcho = (connection, data) => {
  keep(data);
  connection.send(data);
};
const broadcast = (_connection, data) => {
  server.publish('all', data);
};

const server = createServer({
  ...(options.path ? { socketPath: options.path } : { port: options.port, host: '127.0.0.1' }),
  ...(options.threads > 1 ? { reusePort: true } : {}),
  ...(options.busy ? { busyPoll: 1 } : {}),
  ...(options.transient ? { binaryType: 'transient' } : {}),
  ...(tls ? { tls } : {}),
  ...(options.deflate ? { perMessageDeflate: { ...zlib, threshold: 0 } } : {}),
  ...(options.mode === 'broadcast' ? { open: subscriber(options.topics) } : {}),
  ...(options.watch ? { open() {} } : {}),
  message: options.mode === 'broadcast' ? broadcast : keep ? keepAndEcho : echo,
});

const { port } = await server.listen();

if (isMainThread) {
  const argv = [...process.argv.slice(2), `--port=${port}`];
  for (let i = 1; i < options.threads; i++)
    await once(new Worker(new URL(import.meta.url), { argv }), 'message');
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  announce(port, version);
} else {
  parentPort.postMessage('listening');
}
