// uWebSockets.js from the folder that `--modules` names: it is not on npm.

import { createRequire } from 'node:module';
import { announce, keeper, readOptions, subscriber } from './common.mjs';

const options = readOptions();
const require = createRequire(`${options.modules}/`);
const uws = require(options.modules);
const keep = options.keep > 0 ? keeper(options.keep) : undefined;
const decoder = new TextDecoder();

const echo = (socket, data, isBinary) => {
  socket.send(isBinary ? data : decoder.decode(data), isBinary);
};
// Its messages are lent for the call, so who keeps them copies them.
const keepAndEcho = (socket, data) => {
  const copy = Buffer.from(new Uint8Array(data));
  keep(copy);
  socket.send(copy, true);
};
const broadcast = (_socket, data, isBinary) => {
  app.publish('all', data, isBinary);
};

// It reads key and certificate itself.
const secure = { key_file_name: `${options.tls}/key.pem`, cert_file_name: `${options.tls}/cert.pem` };
const app = (options.tls ? uws.SSLApp(secure) : uws.App()).ws('/*', {
  idleTimeout: 0,
  maxPayloadLength: 16 << 20,
  maxBackpressure: 16 << 20,
  open: options.mode === 'broadcast' ? subscriber(options.topics) : undefined,
  message: options.mode === 'broadcast' ? broadcast : keep ? keepAndEcho : echo,
});
app.listen('127.0.0.1', 0, (token) => {
  if (!token) throw new Error('cannot listen');
  announce(uws.us_socket_local_port(token), require(`${options.modules}/package.json`).version ?? 'unknown');
});
