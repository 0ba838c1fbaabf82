// The WebSocket of the web, as Node (22 and later), Bun and Deno have it built in.
import { announceClient, readOptions } from '../servers/common.mjs';

const options = readOptions();

for (let i = 0; i < options.connections; i++) {
  const socket = new WebSocket(`ws://127.0.0.1:${options.port}`);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => socket.send(data);
}
announceClient(globalThis.Bun?.version ?? globalThis.Deno?.version.deno ?? process.versions.node);
