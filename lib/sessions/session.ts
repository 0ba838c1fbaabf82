import { inspect } from 'node:util';
import { performance } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { checkAuthExpiresAt } from './check.js';
import type { Closing } from './close-codes.js';
import { closingOf } from './closing.js';
import { readIdentity } from './request.js';
import type { MessageData, SendResult, SessionSocket } from './socket.js';
import type { Change, Fence, Identity, SessionRecord, SessionStore } from './store.js';
import { equalBytes, type Replace, readValues, type Updater, updateValues } from './values.js';
import type { WheelEntry } from './wheel.js';

/** A connection of this node in the registry, with the session it has, if it has one yet. */
export interface Attachment extends WheelEntry {
  readonly connection: SessionSocket;
  session: Session | undefined;
  /** Its session is being loaded. */
  attaching: boolean;
  /** A close that came from elsewhere before the session was there. */
  summons: (Closing & { readonly sessionId: string }) | undefined;
  /** Milliseconds of the monotonic clock: last activity, and last contact with the store. */
  lastActive: number;
  contactedAt: number;
  /** What to add to the monotonic clock for the store's epoch milliseconds; known from the attach on. */
  clockOffset: number;
  /** Waits in the next batch of touches. */
  queued: boolean;
}

/** What a session asks of its manager. */
export interface SessionHost {
  readonly maxAttributes: number;
  readonly exact: boolean;
  /** The session belongs to someone else, or nobody, now: its connection here has to go. */
  lost(session: Session, outcome: 'fenced' | 'gone'): void;
  /** What stands in the place of values that cannot be read; throws the error where that is the policy. */
  replace(error: LwsError, bytes: Uint8Array, what: 'attributes' | 'extensions'): object;
  /** Whether a session that is gone goes on here under an id that it got elsewhere; then it has that now. */
  follow(session: Session): Promise<boolean>;
  end(session: Session, closing: Closing): Promise<'fenced' | undefined>;
  regenerate(session: Session, identity: Identity): Promise<void>;
  /** Waits for the new end of the authentication of an attached session. */
  expireAuth(session: Session): void;
}

/** Tries of an update against concurrent ones. */
const maxAttempts = 16;

/**
 * The logical record of one client. It outlives its connection; at most one is attached at a time. A `Session` in
 * hand is a copy that this process keeps up to date with its own changes; {@link reload} fetches those of others.
 *
 * While it is attached here, all changes are fenced: once another connection took the session over, they fail with
 * `ERR_SESSION_FENCED`, and {@link generation} tells your own database the same.
 */
export class Session<A extends object = Record<string, unknown>> {
  /** This attach found a session that was there before. */
  resumed = false;
  /** @internal */
  readonly store: SessionStore;
  /** Made while the store failed: only this process knows it, and it ends with this process. */
  readonly isLocal: boolean;
  /** @internal */
  record: SessionRecord;
  /** @internal */
  attachment: Attachment | undefined = undefined;
  /** @internal Set once with the first attach here: a handle never writes for somebody else. */
  fence: Fence | undefined = undefined;
  /** @internal */
  ended = false;
  /** @internal Replaced at this moment: what the store says about the old id means nothing. */
  regenerating = false;
  private readonly host: SessionHost;
  private attributesRead: object | undefined;
  private extensionsRead: object | undefined;
  private authEnd: number | undefined = undefined;
  private queue: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(host: SessionHost, store: SessionStore, record: SessionRecord, isLocal: boolean) {
    this.host = host;
    this.store = store;
    this.record = record;
    this.isLocal = isLocal;
  }

  /** Secret: who presents it may continue the session. Changes with {@link regenerate}. */
  get id(): string {
    return this.record.id;
  }

  /** Whose session it is; `undefined` for an anonymous one. {@link regenerate} changes it. */
  get userId(): string | undefined {
    return this.record.userId;
  }

  /** The login it belongs to, whose end ends the session; an attach or {@link regenerate} may change it. */
  get loginId(): string | undefined {
    return this.record.loginId;
  }

  /** `active` with a connection, on whichever node; `detached` without; `ended` for good. */
  get status(): 'active' | 'detached' | 'ended' {
    return this.ended ? 'ended' : this.record.status;
  }

  /** +1 with each attach: a fencing token for the writes of your own database. */
  get generation(): number {
    return this.record.generation;
  }

  /** +1 with each change of the values. */
  get version(): number {
    return this.record.version;
  }

  /** Epoch milliseconds of the store's clock, as all times here. */
  get createdAt(): number {
    return this.record.createdAt;
  }

  /** Last activity; of a connection here up to this moment, else as the store knew it. */
  get lastActive(): number {
    const { attachment } = this;
    if (attachment === undefined) return this.record.lastActive;
    return Math.max(this.record.lastActive, Math.floor(attachment.lastActive + attachment.clockOffset));
  }

  /** When it expires if nothing more happens, as the store last told this process; never after {@link endsAt}. */
  get expiresAt(): number {
    return this.record.expiresAt;
  }

  /** The end of its absolute age. */
  get endsAt(): number | undefined {
    return this.record.endsAt;
  }

  /** The connection, if it is one of this node. */
  get connection(): SessionSocket | undefined {
    return this.attachment?.connection;
  }

  /** The user's values, frozen. {@link update} changes them. */
  get attributes(): Readonly<A> {
    this.attributesRead ??= readValues(this.record.attributes, this.replacing('attributes'));
    return this.attributesRead as A;
  }

  /** Values of libraries, apart from the user's; frozen. {@link updateExtensions} changes them. */
  get extensions(): Readonly<Record<string, unknown>> {
    this.extensionsRead ??= readValues(this.record.extensions, this.replacing('extensions'));
    return this.extensionsRead as Record<string, unknown>;
  }

  /** Until when its connection is authenticated, epoch milliseconds of this process. Not stored. */
  get authExpiresAt(): number | undefined {
    return this.authEnd;
  }

  /** Renews the authentication, as when the client sent a new token; `undefined`: it does not run out. */
  set authExpiresAt(time: number | undefined) {
    checkAuthExpiresAt(time);
    this.authEnd = time;
    this.host.expireAuth(this as unknown as Session);
  }

  /**
   * Changes the attributes by compare and set: `change` gets a draft to alter, or returns new attributes. When
   * somebody else changed the session meanwhile it runs again on what is there now, so it must have no other effect.
   * Stored attributes that cannot be read are repaired by returning new ones.
   *
   * @returns the new attributes
   * @throws `ERR_SESSION_GONE`, `ERR_SESSION_FENCED`, `ERR_SESSION_CONFLICT` after 16 tries, `ERR_STORE`;
   *   `ERR_INVALID_ARGUMENT` and `ERR_LIMIT` for values that cannot be stored
   */
  async update(change: Updater<A>): Promise<Readonly<A>> {
    await this.enqueue(() => this.write('attributes', change as unknown as Updater<object>));
    return this.attributes;
  }

  /** As {@link update}, for the extensions. */
  async updateExtensions(
    change: Updater<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, unknown>>> {
    await this.enqueue(() => this.write('extensions', change as Updater<object>));
    return this.extensions;
  }

  /** Counts as activity, and tells the store at once. */
  async touch(): Promise<void> {
    if (this.attachment !== undefined) this.attachment.lastActive = performance.now();
    await this.enqueue(async () => {
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        this.refuseEnded();
        const [result] = await this.store.touch([{ id: this.id, fence: this.fence }], this.host.exact);
        if (typeof result === 'number') {
          this.record = { ...this.record, expiresAt: result, lastActive: this.lastActive };
          return;
        }
        await this.loseUnlessRenewed(result ?? 'gone');
      }
      throw conflict();
    });
  }

  /** Fetches what others changed. */
  async reload(): Promise<void> {
    await this.enqueue(() => this.refetch());
  }

  /**
   * Gives the session a new id, and the given user or login; everything else stays, its connection as well. Do this
   * when a user logs in, so that an id which somebody else may know gives no access afterwards.
   *
   * @param identity - what is left out stays as it is; `undefined` takes it away
   * @throws `ERR_LIMIT` when the user has too many sessions; `ERR_SESSION_GONE`, `ERR_SESSION_FENCED`, `ERR_STORE`
   */
  async regenerate(identity: Identity = {}): Promise<void> {
    const given = readIdentity(identity);
    await this.enqueue(async () => {
      this.refuseEnded();
      this.regenerating = true;
      try {
        await this.host.regenerate(this as unknown as Session, given);
      } finally {
        this.regenerating = false;
      }
    });
  }

  /**
   * Ends the session for good and closes its connection, on whichever node; by default with 1008. Ending it twice is
   * no error.
   *
   * @throws `ERR_SESSION_FENCED` when it was attached here and is another connection's now; `ERR_INVALID_ARGUMENT`,
   *   `ERR_STORE`
   */
  async end(code?: number, reason?: string): Promise<void> {
    const closing = closingOf(code, reason);
    await this.enqueue(async () => {
      if (this.ended) return;
      if ((await this.host.end(this as unknown as Session, closing)) === 'fenced') throw this.lose('fenced');
    });
  }

  /** Sends to the connection if it is one of this node; else `closed`. */
  send(data: MessageData): SendResult {
    return this.attachment?.connection.send(data) ?? 'closed';
  }

  /** What may be shown and logged: everything but the id, which is a secret. */
  toJSON(): object {
    const { userId, loginId, status, generation, version, createdAt, lastActive, expiresAt } = this;
    const attributes = this.shown();
    return { userId, loginId, status, generation, version, createdAt, lastActive, expiresAt, attributes };
  }

  /** As `console.log` shows it. */
  [inspect.custom](): object {
    return this.toJSON();
  }

  /** @internal What the store holds now. */
  adopt(record: SessionRecord): void {
    if (!equalBytes(record.attributes, this.record.attributes)) this.attributesRead = undefined;
    if (!equalBytes(record.extensions, this.record.extensions)) this.extensionsRead = undefined;
    this.record = record;
  }

  /** @internal */
  markDetached(): void {
    this.attachment = undefined;
    this.record = { ...this.record, status: 'detached', owner: undefined };
  }

  private replacing(what: 'attributes' | 'extensions'): Replace {
    return (error) => this.host.replace(error, this.record[what], what);
  }

  /** Logging a session never fails, whatever is stored. */
  private shown(): unknown {
    try {
      return this.attributes;
    } catch {
      return 'cannot be read';
    }
  }

  private enqueue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.queue.then(run);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private async write(what: 'attributes' | 'extensions', update: Updater<object>): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      this.refuseEnded();
      const before = this.record[what];
      const bytes = updateValues(before, update, what, this.host.maxAttributes, this.replacing(what));
      if (equalBytes(bytes, before)) return;
      const { id, fence } = this;
      const change: Change = { version: this.version, fence, [what]: bytes };
      const result = await this.store.set(id, change);
      if (result.status === 'set') {
        const { version, expiresAt } = result;
        this.adopt({ ...this.record, [what]: bytes, version, expiresAt });
        return;
      }
      if (result.status === 'conflict') await this.refetch();
      else await this.loseUnlessRenewed(result.status);
    }
    throw conflict();
  }

  private async refetch(): Promise<void> {
    this.refuseEnded();
    const record = await this.store.get(this.id);
    if (record === undefined) {
      await this.loseUnlessRenewed('gone');
      return;
    }
    const { fence } = this;
    const owns = record.generation === fence?.generation && record.owner?.connectionId === fence.connectionId;
    // Our own detach changes no generation: such a handle may still read.
    const isLost = fence !== undefined && !owns && record.generation !== fence.generation;
    if ((this.attachment !== undefined && !owns) || isLost) throw this.lose('fenced');
    this.adopt(record);
  }

  private refuseEnded(): void {
    if (this.ended) throw new LwsError('ERR_SESSION_GONE', 'the session has ended');
  }

  /** Throws, unless the session goes on under an id that it got elsewhere: then it is to be tried again. */
  private async loseUnlessRenewed(outcome: 'fenced' | 'gone'): Promise<void> {
    if (outcome === 'gone' && (await this.host.follow(this as unknown as Session))) return;
    throw this.lose(outcome);
  }

  private lose(outcome: 'fenced' | 'gone'): LwsError {
    this.host.lost(this as unknown as Session, outcome);
    return outcome === 'gone'
      ? new LwsError('ERR_SESSION_GONE', 'the session ended or expired')
      : new LwsError('ERR_SESSION_FENCED', 'another connection owns the session, or none any more');
  }
}

function conflict(): LwsError {
  const message = `the session changed ${maxAttempts} times while it was updated`;
  return new LwsError('ERR_SESSION_CONFLICT', message);
}
