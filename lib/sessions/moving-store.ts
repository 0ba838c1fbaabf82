import { type Check, checkTable, oneOf, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { shown } from '../shared/shown.js';
import type { SessionBus } from './bus.js';
import { movableOption } from './check.js';
import { connectionKey, connectionOfKey } from './ids.js';
import { checkPair } from './migration-queue.js';
import { moveSome } from './move.js';
import { bothBuses } from './moving-bus.js';
import type * as contract from './store.js';
import type { MovableStore } from './transfer.js';

/** Options of {@link MovingStore}. */
export interface MovingStoreOptions {
  /** The store that sessions leave. */
  readonly from: MovableStore;
  /** The store that they move to. */
  readonly to: MovableStore;
  /**
   * `move`: new sessions begin in `to`, and each session is moved when it is asked for. `prepare`: they begin in `from`,
   * nothing is moved, and what others moved is found. Default `move`.
   */
  readonly phase?: 'prepare' | 'move' | undefined;
}

const checks: Record<string, Check> = {
  from: movableOption,
  to: movableOption,
  phase: oneOf('prepare', 'move'),
};

/** Sessions that are moved in one step, and that are looked for under way. */
const few = 64;
const many = 4096;
/** New ids in a row that are followed. */
const maxSuccessors = 16;
/** What one of the stores can have given. */
const idLike = /^\d{1,4}\.[\w\-,.]{1,200}$/;

const isGone = (outcome: unknown): boolean => {
  const status =
    typeof outcome === 'object' && outcome !== null && 'status' in outcome ? outcome.status : outcome;
  return status === undefined || status === 'gone';
};

/**
 * Two stores as one, while sessions move from one to the other: nodes whose managers have it keep their connections, find
 * each session wherever it is, and write where it goes. A session only ever moves forth, so what neither the source
 * has, nor is under way, is in the target or has ended.
 */
export class MovingStore implements contract.SessionStore {
  readonly bus: SessionBus | undefined;
  private readonly from: MovableStore;
  private readonly to: MovableStore;
  /** Where most sessions are, and new ones begin. */
  private readonly first: MovableStore;

  constructor(options: MovingStoreOptions) {
    checkTable(options, checks, '');
    const { from, to, phase = 'move' } = options;
    movableOption('from', from);
    movableOption('to', to);
    checkPair(from, to);
    this.from = from;
    this.to = to;
    this.first = phase === 'move' ? to : from;
    this.bus = bothBuses(to.bus, from.bus);
  }

  newId(userId?: string, tail?: string): string {
    return this.first.newId(userId, tail);
  }

  async create(session: contract.NewSession, limit?: contract.UserLimit): Promise<contract.CreateResult> {
    if (this.first === this.to) {
      const { id, userId } = session ?? {};
      await this.bring(id);
      await this.bringUser(userId, limit);
    }
    return this.first.create(session, limit);
  }

  get(id: string): Promise<contract.SessionRecord | undefined> {
    return this.either(id, (store, there) => store.get(there));
  }

  byUser(userId: string): Promise<contract.SessionRecord[]> {
    return this.both((store) => store.byUser(userId));
  }

  byLogin(loginId: string, userId?: string): Promise<contract.SessionRecord[]> {
    return this.both((store) => store.byLogin(loginId, userId));
  }

  byGroup(group: string): Promise<contract.SessionRecord[]> {
    return this.both((store) => store.byGroup(group));
  }

  async byConnection(connectionId: string): Promise<contract.SessionRecord | undefined> {
    const here = await this.from.byConnection(connectionId);
    if (here !== undefined) return here;
    await this.takeUp();
    return this.to.byConnection(connectionId);
  }

  attach(
    id: string,
    owner: { nodeId: string; connection: string },
    identity?: contract.Identity,
  ): Promise<contract.AttachResult> {
    return this.either(id, (store, there) => store.attach(there, owner, identity));
  }

  detach(id: string, fence: contract.Fence, keepFor: number): Promise<'ok' | 'fenced' | 'gone'> {
    return this.either(id, (store, there) => store.detach(there, fenceAt(there, fence), keepFor));
  }

  /**
   * What is in the source stays there. One that has another id by now is answered `gone`: its owner finds that by
   * {@link successor}, and goes on under it.
   */
  async touch(entries: readonly contract.Touch[], exact: boolean): Promise<contract.TouchResult[]> {
    const results = await this.first.touch(entries, exact);
    const other = this.first === this.to ? this.from : this.to;
    await this.touchGone(other, entries, results, exact);
    const gone = goneOf(results);
    if (gone.length === 0) return results;
    // Under way, or moved between both looks.
    await this.takeUp();
    await this.touchGone(this.to, entries, results, exact);
    await this.touchMoved(entries, goneOf(results), exact);
    return results;
  }

  /** Under the ids that they have by now: until their owners know those, they are not to expire. */
  private async touchMoved(
    entries: readonly contract.Touch[],
    gone: readonly number[],
    exact: boolean,
  ): Promise<void> {
    const moved = await Promise.all(
      gone.map(async (index): Promise<contract.Touch[]> => {
        const { id, fence, idle } = entries[index] as contract.Touch;
        const there = (await this.to.get(id))?.id;
        return there === undefined ? [] : [{ id: there, fence: fence && fenceAt(there, fence), idle }];
      }),
    );
    if (moved.some((some) => some.length > 0)) await this.to.touch(moved.flat(), exact);
  }

  private async touchGone(
    store: MovableStore,
    entries: readonly contract.Touch[],
    results: contract.TouchResult[],
    exact: boolean,
  ): Promise<void> {
    const gone = goneOf(results);
    if (gone.length === 0) return;
    const again = await store.touch(
      gone.map((index) => entries[index] as contract.Touch),
      exact,
    );
    for (const [position, index] of gone.entries()) results[index] = again[position] ?? 'gone';
  }

  set(id: string, change: contract.Change): Promise<contract.SetResult> {
    return this.either(id, (store, there) => {
      return store.set(
        there,
        change?.fence === undefined ? change : { ...change, fence: fenceAt(there, change.fence) },
      );
    });
  }

  async regenerate(
    id: string,
    fence: contract.Fence | undefined,
    identity: contract.Identity,
    limit?: contract.UserLimit,
  ): Promise<contract.RegenerateResult> {
    if (this.first === this.to) await this.bringUser(identity?.userId, limit);
    return this.either(id, (store, there) => {
      return store.regenerate(there, fence && fenceAt(there, fence), identity, limit);
    });
  }

  async successor(id: string): Promise<contract.SessionRecord | undefined> {
    const here = await this.from.successor(id);
    if (here !== undefined) return here;
    await this.takeUp();
    // It may have got new ids in the source, and moved under the last.
    const last = await this.lastHeir(id);
    const there = await this.to.get(last);
    if (there !== undefined && there.id !== id) return there;
    return this.to.successor(last);
  }

  private async lastHeir(id: string): Promise<string> {
    let last = id;
    for (let step = 0; step < maxSuccessors; step++) {
      const heir = await this.from.transfer.heirOf(last);
      if (heir === undefined) break;
      last = heir;
    }
    return last;
  }

  destroy(id: string, fence?: contract.Fence): Promise<contract.SessionRecord | 'fenced' | undefined> {
    return this.either(id, (store, there) => store.destroy(there, fence && fenceAt(there, fence)));
  }

  endUser(userId: string): Promise<contract.SessionRecord[]> {
    return this.inTurn((store) => store.endUser(userId));
  }

  endLogin(
    loginId: string,
    options?: { userId?: string | undefined; block?: number },
  ): Promise<contract.SessionRecord[]> {
    return this.inTurn((store) => store.endLogin(loginId, options));
  }

  sweep(limit: number): Promise<contract.Swept> {
    return this.taken((store) => store.sweep(limit));
  }

  async orphans(nodeId: string, keepFor: number, limit: number): Promise<contract.Swept> {
    return this.taken((store) => store.orphans(nodeId, keepFor, limit));
  }

  /** First the source: what moves meanwhile is in the pages of the target. */
  async list(cursor = 'from', limit?: number): Promise<contract.Page> {
    const match = typeof cursor === 'string' ? /^(from|to)(?::([\s\S]*))?$/.exec(cursor) : null;
    if (match === null) throw unexpected('one that this store gave', 'the cursor', `a ${typeof cursor}`);
    const [, name = 'from', inside] = match;
    if (name === 'to' && inside === undefined) await this.takeUp();
    const page = await (name === 'from' ? this.from : this.to).list(inside, limit);
    if (page.cursor !== undefined) return { records: page.records, cursor: `${name}:${page.cursor}` };
    return { records: page.records, cursor: name === 'from' ? 'to' : undefined };
  }

  async count(): Promise<number> {
    const counts = await Promise.all([this.from.count(), this.to.count()]);
    return counts[0] + counts[1];
  }

  async close(): Promise<void> {
    await Promise.all([this.from.close(), this.to.close()]);
  }

  /**
   * Runs where the session is: first where it probably is, then, after it was brought if it was to be, in the target.
   */
  private async either<R>(id: string, act: (store: MovableStore, id: string) => Promise<R>): Promise<R> {
    const outcome = await act(this.first, id);
    if (!isGone(outcome) || typeof id !== 'string') return outcome;
    const there = (await this.bring(id)) ?? (await this.to.get(id))?.id;
    if (there === undefined) return outcome;
    return act(this.to, there);
  }

  /** Moves the session of that id, whichever it has in the source; answers its id in the target if it was there. */
  private async bring(id: unknown): Promise<string | undefined> {
    if (typeof id !== 'string' || !idLike.test(id)) return undefined;
    // Ids of logins and of anonymous sessions follow from what is behind the dot.
    const also = this.from.transfer.idOf({ id, userId: undefined });
    return this.move([...new Set([id, also])]);
  }

  /** Sessions that a limit counts are to be in one place. */
  private async bringUser(userId: unknown, limit: contract.UserLimit | undefined): Promise<void> {
    if (typeof userId !== 'string' || userId === '' || limit === undefined) return;
    await this.takeUp();
    await this.move((await this.from.byUser(userId)).map(({ id }) => id));
  }

  /** What is under way arrives: whoever moved it may have died. */
  private async takeUp(): Promise<void> {
    await this.move(await this.from.transfer.underWay(many));
  }

  private async move(ids: readonly string[]): Promise<string | undefined> {
    let there: string | undefined;
    for (let start = 0; start < ids.length; start += few) {
      for (const { status, newId, error } of await moveSome(
        this.from,
        this.to,
        ids.slice(start, start + few),
      )) {
        if (status === 'failed') throw error ?? new LwsError('ERR_STORE', 'the session could not be moved');
        there ??= newId;
      }
    }
    return there;
  }

  private async both(
    list: (store: MovableStore) => Promise<contract.SessionRecord[]>,
  ): Promise<contract.SessionRecord[]> {
    const here = await list(this.from);
    await this.takeUp();
    const there = await list(this.to);
    const known = new Set(there.map(({ id }) => id));
    const stayed = here.filter((record) => !known.has(this.to.transfer.idOf(record)));
    return [...stayed, ...there].sort((a, b) => a.createdAt - b.createdAt);
  }

  private async inTurn(
    end: (store: MovableStore) => Promise<contract.SessionRecord[]>,
  ): Promise<contract.SessionRecord[]> {
    const here = await end(this.from);
    await this.takeUp();
    return [...here, ...(await end(this.to))];
  }

  /** What one store gave, nobody else ever gets: it is answered although the other one failed. */
  private async taken(take: (store: MovableStore) => Promise<contract.Swept>): Promise<contract.Swept> {
    const outcomes = await Promise.allSettled([take(this.from), take(this.to)]);
    const given = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    const records = given.flatMap((swept) => swept.records);
    if (failed !== undefined && records.length === 0) throw failed.reason;
    return { records, more: failed !== undefined || given.some(({ more }) => more) };
  }
}

/** The same connection and generation, of a session that has this id now. */
function fenceAt(id: string, fence: contract.Fence): contract.Fence {
  const { connectionId } = fence ?? {};
  if (typeof connectionId !== 'string' || typeof id !== 'string') return fence;
  return { ...fence, connectionId: connectionKey(id, connectionOfKey(connectionId)) };
}

function goneOf(results: readonly contract.TouchResult[]): number[] {
  return results.flatMap((result, index) => (result === 'gone' ? [index] : []));
}

shown(MovingStore.prototype, 'MovingStore', () => ({}));
