import { performance } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { connectionKey } from './ids.js';
import type { Attachment, Session } from './session.js';
import type { SessionSocket } from './socket.js';

/** The connections of this node by id, session, user and login. Registered before the first event, gone at close. */
export class Registry {
  private readonly connections = new Map<string, Attachment>();
  private readonly sessions = new Map<string, Attachment>();
  private readonly users = new Map<string, Set<Attachment>>();
  private readonly logins = new Map<string, Set<Attachment>>();

  get size(): number {
    return this.connections.size;
  }

  /** Connections that have a session. */
  get attached(): number {
    return this.sessions.size;
  }

  get userCount(): number {
    return this.users.size;
  }

  get loginCount(): number {
    return this.logins.size;
  }

  /** The connection's place, made at the first call. */
  add(connection: SessionSocket): Attachment {
    const known = this.connections.get(connection.id);
    if (known !== undefined) return known;
    const attachment: Attachment = {
      connection,
      session: undefined,
      attaching: false,
      summons: undefined,
      lastActive: performance.now(),
      contactedAt: 0,
      clockOffset: 0,
      queued: false,
      due: 0,
      next: undefined,
      previous: undefined,
    };
    this.connections.set(connection.id, attachment);
    return attachment;
  }

  get(connectionId: string): Attachment | undefined {
    return this.connections.get(connectionId);
  }

  bySession(sessionId: string): Attachment | undefined {
    return this.sessions.get(sessionId);
  }

  /** The place of a connection by its own id, or by the key that stores and other nodes use for it. */
  find(connectionId: string): Attachment | undefined {
    const direct = this.connections.get(connectionId);
    if (direct !== undefined) return direct;
    const attachment = this.connections.get(connectionId.slice(connectionId.indexOf('.') + 1));
    const { session, connection } = attachment ?? {};
    const isSame =
      session !== undefined && connection && connectionKey(session.id, connection.id) === connectionId;
    return isSame ? attachment : undefined;
  }

  byUser(userId: string): Attachment[] {
    return [...(this.users.get(userId) ?? [])];
  }

  byLogin(loginId: string): Attachment[] {
    return [...(this.logins.get(loginId) ?? [])];
  }

  /** Gives the connection its session. */
  bind(attachment: Attachment, session: Session): void {
    if (attachment.session !== undefined) {
      throw new LwsError(
        'ERR_INVALID_STATE',
        `the connection ${attachment.connection.id} has a session already`,
      );
    }
    attachment.session = session;
    this.sessions.set(session.id, attachment);
    addTo(this.users, session.userId, attachment);
    addTo(this.logins, session.loginId, attachment);
  }

  /** Takes the session from its connection, which stays registered. */
  unbind(attachment: Attachment): void {
    const { session } = attachment;
    if (session === undefined) return;
    attachment.session = undefined;
    if (this.sessions.get(session.id) === attachment) this.sessions.delete(session.id);
    removeFrom(this.users, session.userId, attachment);
    removeFrom(this.logins, session.loginId, attachment);
  }

  delete(attachment: Attachment): void {
    this.unbind(attachment);
    const { id } = attachment.connection;
    if (this.connections.get(id) === attachment) this.connections.delete(id);
  }

  /** A snapshot: what comes or goes during an iteration does not disturb it. */
  all(): Attachment[] {
    return [...this.connections.values()];
  }
}

function addTo(index: Map<string, Set<Attachment>>, name: string | undefined, attachment: Attachment): void {
  if (name === undefined) return;
  const set = index.get(name);
  if (set === undefined) index.set(name, new Set([attachment]));
  else set.add(attachment);
}

function removeFrom(
  index: Map<string, Set<Attachment>>,
  name: string | undefined,
  attachment: Attachment,
): void {
  if (name === undefined) return;
  const set = index.get(name);
  if (set?.delete(attachment) === true && set.size === 0) index.delete(name);
}
