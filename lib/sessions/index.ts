/**
 * Sessions that outlive connections.
 *
 * @module libwebsockets/sessions
 */

export type { SessionBus, Subscription } from './bus.js';
export { closeCodes } from './close-codes.js';
export { decode } from './decode.js';
export type { Delivery, DeliveryResult, Presence, Target } from './delivery.js';
export { encode } from './encode.js';
export type { EndReason, SessionEvents } from './events.js';
export {
  type HttpLogin,
  type HttpLoginOptions,
  HttpLogins,
  type HttpSessionData,
  type HttpSessionStore,
} from './http-logins.js';
export { type HttpSessionStoreOptions, httpSessionStore, type SessionBackedHttpStore } from './http-store.js';
export { connectionKey } from './ids.js';
export { SessionManager, type SessionStats } from './manager.js';
export { MemoryStore, type MemoryStoreOptions } from './memory-store.js';
export { type MigrationOptions, type MigrationReport, migrateSessions } from './migrate.js';
export {
  type MigrationProgress,
  MigrationQueue,
  type MigrationQueueOptions,
  type MigrationTask,
} from './migration-queue.js';
export type { MoveResult } from './move.js';
export { MovingStore, type MovingStoreOptions } from './moving-store.js';
export { rendezvous, type Weighted } from './rendezvous.js';
export type { DetachedRequest, Given, InitialAttributes, SessionRequest } from './request.js';
export type { Identifying, ServeOptions, SessionHandlers, SessionProtocol } from './serve.js';
export type { Session } from './session.js';
export { type SessionKey, sessionKey } from './session-key.js';
export type { LoginSource, SessionManagerOptions } from './settings.js';
export type { MessageData, SendResult, SessionSocket } from './socket.js';
export type {
  AttachResult,
  Change,
  CreateResult,
  Fence,
  Identity,
  NewSession,
  Page,
  RegenerateResult,
  SessionOwner,
  SessionRecord,
  SessionStore,
  SetResult,
  Swept,
  Touch,
  TouchResult,
  UserLimit,
} from './store.js';
export { maxIdLength, maxTtl } from './store.js';
export type { Arrival, Luggage, MovableStore, SessionTransfer } from './transfer.js';
export type { Updater } from './values.js';
