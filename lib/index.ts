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
export { Connection } from './connection.js';
export type { DeflateOptions } from './deflate.js';
export { errorCodes, LwsError, type LwsErrorCode } from './errors.js';
export {
  type CloseInfo,
  type FragmentInfo,
  type Handlers,
  type ProtocolOptions,
  protocol,
} from './handlers.js';
export { RequestHeaders } from './head.js';
export type { RequestAnswer, RequestHandler } from './http/exchange.js';
export { type BodyLimit, HttpRequest } from './http/request.js';
export type { HeadersLike, ResponseLike } from './http/response.js';
export type { ServerOptions, UpgradeAcceptance, UpgradeAnswer, UpgradeRejection } from './options.js';
export type { ForwardedHeader, TrustProxy } from './proxy/trust.js';
export { UpgradeRequest } from './request.js';
export type { SendOptions, SendResult } from './sending.js';
export {
  type CloseOptions,
  type CloseResult,
  type Connections,
  createServer,
  type ListenAddress,
  type Server,
  type ServerStats,
} from './server.js';
export {
  type ClientTlsOptions,
  type PemSource,
  type ServerTlsOptions,
  TlsInfo,
  type TlsVersion,
} from './tls.js';
export { Transport } from './transport.js';
