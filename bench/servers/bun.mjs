import { announce, keeper, readOptions, readTls, subscriber } from './common.mjs';

const options = readOptions();
const keep = options.keep > 0 ? keeper(options.keep) : undefined;

const echo = (socket, data) => {
  if (keep) keep(data);
  socket.send(data);
};
const broadcast = (_socket, data) => {
  server.publish('all', data);
};

const server = globalThis.Bun.serve({
  ...(options.path ? { unix: options.path } : { port: 0, hostname: '127.0.0.1' }),
  tls: readTls(options.tls),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('', { status: 426 })),
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    backpressureLimit: 16 << 20,
    open: options.mode === 'broadcast' ? subscriber(options.topics) : undefined,
    message: options.mode === 'broadcast' ? broadcast : echo,
  },
});
announce(server.port ?? 0, globalThis.Bun.version);
