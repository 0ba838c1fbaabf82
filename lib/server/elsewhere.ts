import type { Elsewhere } from '../shared/checks.js';

const decide = 'decide in upgrade(request), which may return a status';
const deflate = 'that is "perMessageDeflate"';
const pings = 'that is "pingInterval"';
const silence = 'that is "idleTimeout"';

/** Options of a server as `ws`, uWebSockets.js, Bun and Node's `http` name them. */
export const elsewhere: Elsewhere = new Map([
  [
    'path',
    'a unix socket is "socketPath"; attach(server, { path }) takes the upgrades of one path, and upgrade(request) sees request.path',
  ],
  ['unix', 'that is "socketPath"'],
  ['server', 'createServer(options).attach(server) joins a server of Node'],
  ['noServer', 'a server without listen() has no socket; give it upgrades by adopt(socket, request, head)'],
  ['verifyClient', decide],
  ['shouldHandle', decide],
  ['handleProtocols', 'name them in "protocols", or return { protocol } from upgrade(request)'],
  ['subprotocols', 'that is "protocols"'],
  ['clientTracking', 'connections are always tracked, as server.connections'],
  ['autoPong', 'pings are always answered (RFC 6455 5.5.3)'],
  ['skipUTF8Validation', 'text is always checked (RFC 6455 8.1)'],
  ['connection', 'that is "open"'],
  ['onconnection', 'that is "open"'],
  ['drain', 'that is "writable"'],
  ['fetch', 'that is "request"'],
  ['websocket', 'its handlers stand among the options themselves: open, message, close'],
  ['behavior', 'its handlers stand among the options themselves: open, message, close'],
  ['hostname', 'that is "host"'],
  ['ssl', 'that is "tls"'],
  ['key', 'that is "tls.key"'],
  ['cert', 'that is "tls.cert"'],
  ['ca', 'that is "tls.ca"'],
  ['key_file_name', 'that is "tls.key"'],
  ['cert_file_name', 'that is "tls.cert"'],
  ['compression', deflate],
  ['compress', deflate],
  ['maxPayloadLength', 'that is "maxPayload"'],
  ['maxHttpBufferSize', 'that is "maxPayload"'],
  ['backpressureLimit', 'that is "maxBackpressure"'],
  ['closeOnBackpressureLimit', 'that is "onBackpressure"'],
  ['sendPings', pings],
  ['sendPingsAutomatically', pings],
  ['heartbeatInterval', pings],
  ['keepalive', pings],
  ['keepAlive', pings],
  ['keepaliveInterval', pings],
  ['pingTimeout', silence],
  ['pongTimeout', silence],
  ['heartbeatTimeout', silence],
  ['keepaliveGracePeriod', silence],
  ['headersTimeout', 'that is "handshakeTimeout"'],
  ['requestTimeout', 'that is "handshakeTimeout", and "idleTimeout" for bodies'],
  ['upgradeTimeout', 'that is "handshakeTimeout"'],
  ['allowedOrigins', 'that is "origins"'],
  ['origin', 'that is "origins"'],
  ['cors', 'that is "origins"'],
]);
