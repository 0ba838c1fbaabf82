import http, { type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Buffer } from '../shared/ambient.js';
import { listElements } from '../shared/target.js';
import type { NodeServer } from './node-server.js';
import { refuse } from './refuse.js';
import { requestText } from './request-text.js';

type Listener = (this: NodeServer, socket: Duplex) => void;

/** What Node runs for each network connection; exported for Node's own HTTP/2. */
const { _connectionListener: nodeListener } = http as unknown as { _connectionListener?: Listener };

const ignore = (): void => {};

/** Whether an Upgrade field names websocket: it is a list, of which one is chosen (RFC 9110 7.8). */
export function asksForWebSocket(upgrade: string | undefined): boolean {
  return upgrade !== undefined && listElements(upgrade).includes('websocket');
}

/** The fields without those that asked for the other protocol. */
function plainFields(rawHeaders: readonly string[]): string[] {
  const fields: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i]!, rawHeaders[i + 1]!];
    const lower = name.toLowerCase();
    if (lower === 'upgrade' || lower === 'http2-settings') continue;
    const tokens = value.split(',').map((token) => token.trim());
    const kept = tokens.filter((token) => !/^(?:upgrade|http2-settings)$/i.test(token)).join(', ');
    if (lower !== 'connection') fields.push(name, value);
    else if (kept !== '') fields.push(name, kept);
  }
  return fields;
}

/**
 * Serves a request that asked for a protocol nobody here speaks as if it had not asked: a server may ignore Upgrade (RFC
 * 9110 7.8), and Node does where nobody listens for it. Node has let go of the socket; it is given back with the request
 * in front; a body, which Node has not looked at, is what follows.
 */
export function passOn(server: NodeServer, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const fields = Object.assign(Object.create(request), { rawHeaders: plainFields(request.rawHeaders) });
  const text = requestText(fields as IncomingMessage);
  if (nodeListener === undefined || text === undefined) {
    refuse(socket, 400, 'only upgrades to websocket are served');
    return;
  }
  socket.on('error', ignore);
  nodeListener.call(server, socket);
  socket.unshift(Buffer.concat([text, head]));
}
