import { isThenable } from '../shared/arguments.js';
import { describe, unexpected } from '../shared/checks.js';
import { LwsError, type LwsErrorCode } from '../shared/errors.js';
import { causeOf } from './cause.js';
import { checkName } from './check.js';
import { type Closing, closings } from './close-codes.js';
import { type Core, handleOf, isStoreFailure } from './core.js';
import { isAlive } from './logins.js';
import { type CheckedRequest, type DetachedRequest, readRequest, type SessionRequest } from './request.js';
import type { Attachment } from './session.js';
import { Session } from './session.js';
import type { SessionSocket } from './socket.js';
import type { CreateResult, NewSession, SessionStore } from './store.js';

/** What the client is told about a refusal. */
const refusals = new WeakMap<Error, Closing>();

/**
 * Gives a connection its session: the one it presents, or a new one. It is registered first and looked at after, so
 * that an end or takeover at any moment between reaches it.
 */
export async function attachConnection(
  core: Core,
  connection: SessionSocket,
  given: SessionRequest,
): Promise<Session> {
  refuseStopped(core);
  const request = readRequest(given, core.settings.maxAttributes);
  const attachment = core.registry.add(connection);
  if (attachment.session !== undefined || attachment.attaching) {
    throw new LwsError(
      'ERR_INVALID_STATE',
      `the connection ${connection.id} has, or is getting, a session already`,
    );
  }
  attachment.attaching = true;
  try {
    const session = await findOrCreate(core, attachment, request);
    await recheckLogin(core, session);
    return session;
  } catch (error) {
    await core.lifecycle.detach(connection.id);
    throw error;
  } finally {
    attachment.attaching = false;
    if (!connection.isOpen) core.registry.delete(attachment);
  }
}

/** What the registry asks of a connection; cheap enough for each message. */
export function checkConnection(connection: SessionSocket): void {
  if (typeof connection?.id === 'string') return;
  throw unexpected('an object with an id', 'a connection', describe(connection));
}

/** The least that a socket of somebody else must have. */
export function checkSocket(connection: SessionSocket): void {
  const { id, closed, send, close } = connection ?? {};
  if (typeof send !== 'function' || typeof close !== 'function' || !isThenable(closed)) {
    const members = 'an object with id, isOpen, closed, send() and close()';
    throw unexpected(members, 'a connection', describe(connection));
  }
  checkName('the id of a connection', id);
}

async function findOrCreate(core: Core, attachment: Attachment, request: CheckedRequest): Promise<Session> {
  const { settings, localStore } = core;
  try {
    await core.lifecycle.reclaim();
    return await attachIn(core, settings.store, attachment, request);
  } catch (error) {
    if (!isStoreFailure(error) || localStore === undefined) throw error;
    core.counters.storeErrors++;
    core.teller.fail(error, 'attaching');
    return attachIn(core, localStore, attachment, { ...request, newId: undefined });
  }
}

async function attachIn(
  core: Core,
  shared: SessionStore,
  attachment: Attachment,
  request: CheckedRequest,
): Promise<Session> {
  const { sessionId, userId, loginId, authExpiresAt } = request;
  const owner = { nodeId: core.settings.nodeId, connection: attachment.connection.id };
  if (sessionId !== undefined) {
    // A session that was made while the store failed is known only here.
    const isLocal = core.localStore !== undefined && (await core.localStore.get(sessionId)) !== undefined;
    const store = isLocal && core.localStore ? core.localStore : shared;
    const result = await store.attach(sessionId, owner, { userId, loginId });
    if (result.status === 'attached') {
      const session = new Session(core.lifecycle, store, result.record, store === core.localStore);
      session.resumed = true;
      if (authExpiresAt !== undefined) session.authExpiresAt = authExpiresAt;
      core.counters.resumed++;
      core.lifecycle.join(attachment, session, result.previous);
      return session;
    }
  }
  const session = await storeSession(core, shared, request, owner);
  if (authExpiresAt !== undefined) session.authExpiresAt = authExpiresAt;
  core.lifecycle.join(attachment, session, undefined);
  return session;
}

/** A new session that no connection has yet. */
export async function createSession(core: Core, given: DetachedRequest): Promise<Session> {
  refuseStopped(core);
  const request = readRequest(given, core.settings.maxAttributes);
  for (const name of ['sessionId', 'authExpiresAt'] as const)
    if (request[name] !== undefined)
      throw unexpected(`no ${name}`, 'create()', 'one; it makes a session without connection');
  return storeSession(core, core.settings.store, request, undefined);
}

/** Stores a new session. `ERR_LIMIT` when its user has too many, `ERR_SESSION_GONE` when its login was ended. */
async function storeSession(
  core: Core,
  store: SessionStore,
  request: CheckedRequest,
  owner: NewSession['owner'],
): Promise<Session> {
  const { settings, counters } = core;
  const { newId, userId, loginId, attributes, extensions } = request;
  const result = await store.create(
    {
      ...(newId !== undefined && { id: newId }),
      userId,
      loginId,
      owner,
      ttl: request.ttl ?? settings.ttl,
      maxAge: request.maxAge ?? settings.maxAge,
      attributes,
      extensions,
    },
    settings.limit,
  );
  if (result.status !== 'created') throw refusal(core, result);
  counters.created++;
  const session = handleOf(core, store, result.record);
  core.teller.tell('create', session);
  for (const record of result.evicted) core.lifecycle.finished(store, record, 'evicted', closings.limit);
  return session;
}

function refusal(core: Core, result: Exclude<CreateResult, { status: 'created' }>): LwsError {
  switch (result.status) {
    case 'limit':
      core.counters.limited++;
      return refuse('ERR_LIMIT', `the user has ${result.count} sessions already`, closings.limit);
    case 'ended':
      return refuse('ERR_SESSION_GONE', 'the login was ended', closings.loginEnded);
    case 'exists':
      return unexpected('an id that is free', 'newId', 'that of a session that exists');
  }
}

/** The login may have ended while the session was on its way into the store. */
async function recheckLogin(core: Core, session: Session): Promise<void> {
  const { logins } = core.settings;
  const { loginId } = session;
  if (logins === undefined || loginId === undefined) return;
  const alive = await isAlive(logins, loginId).catch((thrown: unknown) => {
    if (thrown instanceof LwsError) throw thrown;
    const cause = causeOf(thrown, [loginId]);
    throw new LwsError('ERR_STORE', 'the login could not be looked at', { cause });
  });
  if (alive) return;
  await core.lifecycle.endLogin(loginId);
  throw refuse('ERR_SESSION_GONE', 'the login was ended', closings.loginEnded);
}

function refuseStopped(core: Core): void {
  if (core.closed) throw new LwsError('ERR_INVALID_STATE', 'the SessionManager was stopped');
}

function refuse(code: LwsErrorCode, message: string, closing: Closing): LwsError {
  const error = new LwsError(code, message);
  refusals.set(error, closing);
  return error;
}

/** How to close a connection that got no session; `undefined` if it is the application's own failure. */
export function closingFor(error: unknown): Closing | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const isFull = error instanceof LwsError && error.code === 'ERR_LIMIT';
  return (
    refusals.get(error as Error) ?? (isFull || isStoreFailure(error) ? closings.tryAgainLater : undefined)
  );
}
