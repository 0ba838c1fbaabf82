// ws: plain, or with bufferutil and utf-8-validate when those stand beside it and the environment does not forbid them.
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { announce, keeper, load, readOptions, readTls, zlib } from './common.mjs';

const options = readOptions();
const { module, version } = load(options.modules, 'ws');
const tls = readTls(options.tls);
const http = tls ? createSecureServer(tls) : createServer();
const { windowBits, ...zlibDeflateOptions } = zlib;
const perMessageDeflate = options.deflate && {
  threshold: 0,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: windowBits,
  zlibDeflateOptions,
};
const server = new module.WebSocketServer({ server: http, perMessageDeflate });
const keep = options.keep > 0 ? keeper(options.keep) : undefined;

const echo = (socket) => (data, isBinary) => {
  if (keep) keep(data);
  // In the text cells every peer gives its handler a string.
  socket.send(isBinary ? data : data.toString());
};
const broadcast = () => (data, isBinary) => {
  for (const client of server.clients) client.send(data, { binary: isBinary });
};
const handler = options.mode === 'broadcast' ? broadcast : echo;

server.on('connection', (socket) => socket.on('message', handler(socket)));
http.listen(options.path || { port: 0, host: '127.0.0.1' }, () => {
  announce(http.address().port ?? 0, version);
});
