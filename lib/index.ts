/**
 * WebSocket server and client.
 *
 * @module libwebsockets
 */

export type { AdoptOptions } from './adopt/adopter.js';
export type { AttachOptions } from './adopt/attach.js';
export type { NodeServer } from './adopt/node-server.js';
export { connect } from './client/connect.js';
export type { ConnectOptions, ConnectSettings, HeaderFields } from './client/options.js';
export {
  type Reconnecting,
  type ReconnectOptions,
  type ReconnectSettings,
  type RetryInfo,
  reconnect,
} from './client/reconnect.js';
export { Connection } from './connection/connection.js';
export {
  type CloseInfo,
  type FragmentInfo,
  type Handlers,
  type ProtocolOptions,
  protocol,
  type Unless,
} from './connection/handlers.js';
export { UpgradeRequest } from './connection/request.js';
export { ResponseHeaders, type UpgradeResponse } from './connection/response.js';
export type { SendOptions, SendResult } from './connection/sending.js';
export { Transport } from './connection/transport.js';
export type { Admission, AdmissionRate, ReturningLane } from './handshake/admission.js';
export type { DeflateOptions } from './handshake/deflate.js';
export type { RouteCookie } from './handshake/route-cookie.js';
export type {
  UpgradeAcceptance,
  UpgradeAnswer,
  UpgradeRejection,
  UpgradeTerms,
} from './handshake/upgrade-answer.js';
export type { RequestAnswer, RequestHandler } from './http/exchange.js';
export { type BodyLimit, HttpRequest } from './http/request.js';
export type { HeadersLike, ResponseLike } from './http/response-like.js';
export type { ForwardedHeader, TrustProxy } from './proxy/trust.js';
export type {
  CloseOptions,
  CloseResult,
  Connections,
  ListenAddress,
  Server,
  ServerStats,
} from './server/api.js';
export { type DrainOptions, type DrainResult, drain } from './server/drain.js';
export { type DrainOnSignalOptions, drainOnSignal } from './server/drain-on-signal.js';
export type { DataFromUpgrade, ServerOptions, ServerSettings } from './server/options.js';
export { createServer } from './server/server.js';
export { errorCodes, LwsError, type LwsErrorCode } from './shared/errors.js';
export { RequestHeaders } from './shared/head.js';
export {
  type ClientTlsOptions,
  type PemSource,
  type ServerTlsOptions,
  TlsInfo,
  type TlsVersion,
} from './tls/tls.js';
