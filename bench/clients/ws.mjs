// The `ws` client: opens its connections to the load generator and sends every message back.
import { announceClient, load, readOptions } from '../servers/common.mjs';

const options = readOptions();
const { module, version } = load(options.modules, 'ws');
const perMessageDeflate = false;

for (let i = 0; i < options.connections; i++) {
  const socket = new module.WebSocket(`ws://127.0.0.1:${options.port}`, { perMessageDeflate });
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}
announceClient(version);
