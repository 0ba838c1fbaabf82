import { readFileSync } from 'node:fs';
import { createServer } from 'libwebsockets';
import { announce, keeper, readOptions, readTls, zlib } from './common.mjs';

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
const loop = (_connection, data) => {
  for (const connection of server.connections) connection.send(data);
};
const publish = (_connection, data) => {
  server.publish('all', data);
};

const server = createServer({
  ...(options.path ? { path: options.path } : { port: 0, host: '127.0.0.1' }),
  ...(options.busy ? { busyPoll: 1 } : {}),
  ...(options.transient ? { binaryType: 'transient' } : {}),
  ...(tls ? { tls } : {}),
  ...(options.deflate ? { perMessageDeflate: { ...zlib, threshold: 0 } } : {}),
  ...(options.mode === 'broadcast' ? { open } : {}),
  message: options.mode === 'broadcast' ? broadcast : keep ? keepAndEcho : echo,
});

function open(connection) {
  if (typeof server.publish === 'function') connection.subscribe('all');
}

function broadcast(connection, data) {
  (typeof server.publish === 'function' ? publish : loop)(connection, data);
}

const { port } = await server.listen();
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
announce(port ?? 0, version);
