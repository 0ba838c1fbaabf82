/**
 * WebSocket server and client.
 *
 * @module libwebsockets
 */

export type { AdoptOptions } from './adopt/adopter.js';
export type { AttachOptions, NodeServer } from './adopt/attach.js';
export { connect } from './client/connect.js';
export type { ConnectOptions, HeaderFields } from './client/options.js';
export { type Reconnecting, type ReconnectOptions, type RetryInfo, reconnect } from './client/reconnect.js';
export { ResponseHeaders, type UpgradeResponse } from './client/response-head.js';
export { Connection } from './connection/connection.js';
export {
  type CloseInfo,
  type FragmentInfo,
  type Handlers,
  type ProtocolOptions,
  protocol,
} from './connection/handlers.js';
export { UpgradeRequest } from './connection/request.js';
export type { SendOptions, SendResult } from './connection/sending.js';
export { Transport } from './connection/transport.js';
export type { DeflateOptions } from './handshake/deflate.js';
export type { RequestAnswer, RequestHandler } from './http/exchange.js';
export { type BodyLimit, HttpRequest } from './http/request.js';
export type { HeadersLike, ResponseLike } from './http/response.js';
export type { ForwardedHeader, TrustProxy } from './proxy/trust.js';
export type { ServerOptions, UpgradeAcceptance, UpgradeAnswer, UpgradeRejection } from './server/options.js';
export {
  type CloseOptions,
  type CloseResult,
  type Connections,
  createServer,
  type ListenAddress,
  type Server,
  type ServerStats,
} from './server/server.js';
export { errorCodes, LwsError, type LwsErrorCode } from './shared/errors.js';
export { RequestHeaders } from './shared/head.js';
export {
  type ClientTlsOptions,
  type PemSource,
  type ServerTlsOptions,
  TlsInfo,
  type TlsVersion,
} from './tls/tls.js';
