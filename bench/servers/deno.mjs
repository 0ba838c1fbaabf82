import { announce, keeper, readOptions } from './common.mjs';

const options = readOptions();
const { Deno } = globalThis;
const keep = options.keep > 0 ? keeper(options.keep) : undefined;
const sockets = new Set();

function echo({ data }) {
  if (keep) keep(new Uint8Array(data));
  this.send(data);
}

function broadcast({ data }) {
  for (const socket of sockets) socket.send(data);
}

function upgrade(request) {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = 'arraybuffer';
  socket.onmessage = options.mode === 'broadcast' ? broadcast : echo;
  if (options.mode === 'broadcast') {
    socket.onopen = () => sockets.add(socket);
    socket.onclose = () => sockets.delete(socket);
  }
  return response;
}

const server = Deno.serve(
  { ...(options.path ? { path: options.path } : { port: 0, hostname: '127.0.0.1' }), onListen() {} },
  upgrade,
);
announce(server.addr.port ?? 0, Deno.version.deno);
