import { setTimeout } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { causeOf } from './cause.js';
import type { Arrival, Luggage, MovableStore } from './transfer.js';

/** What became of one session that was to be moved. */
export interface MoveResult {
  /** The session's id in the store that it was to leave. */
  readonly id: string;
  /**
   * `moved`: it is in the target and nowhere else. `gone`: the source did not have it any more. `ended`: its login was
   * ended while it was under way. `failed`: `error` says why, `where` it is.
   */
  readonly status: 'moved' | 'gone' | 'ended' | 'failed';
  /** Its id in the target, if it was moved: another one where the number of partitions is. */
  readonly newId?: string | undefined;
  /**
   * Of one that failed: `source`, where it lives on; `under way`, and nobody finds it before the next run has taken it
   * up; `target`, and only what the source keeps of it waits for the next run.
   */
  readonly where?: 'source' | 'under way' | 'target' | undefined;
  /** Why it failed. */
  readonly error?: LwsError | undefined;
}

/** How often a step is tried that may be repeated, and milliseconds between. */
const attempts = 3;
const pause = 100;

/** Repeats what a store could not answer. Each step of a move may be repeated. */
async function patiently<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step();
    } catch (error) {
      if (attempt === attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, attempt * pause));
    }
  }
}

function failureOf(thrown: unknown): LwsError {
  if (thrown instanceof LwsError) return thrown;
  const cause = causeOf(thrown);
  return new LwsError('ERR_STORE', `the store failed: ${cause.message}`, { cause });
}

/**
 * Moves sessions, each in three steps that may be repeated: it departs, arrives, is forgotten. Where a process dies or
 * a store fails in between, it is under way, and the next move of the same id goes on with it.
 */
export async function moveSome(
  from: MovableStore,
  to: MovableStore,
  ids: readonly string[],
): Promise<MoveResult[]> {
  const fail = (id: string, where: MoveResult['where'], error: LwsError): MoveResult => {
    return { id, status: 'failed', where, error };
  };
  let luggage: (Luggage | undefined)[];
  try {
    luggage = await patiently(() => from.transfer.depart(ids));
  } catch (error) {
    // It may have departed; if so, the next run finds it.
    return ids.map((id) => fail(id, 'source', failureOf(error)));
  }
  const departed = luggage.filter((each) => each !== undefined);
  let arrivals: Arrival[] = [];
  let failure: LwsError | undefined;
  try {
    if (departed.length > 0) arrivals = await patiently(() => to.transfer.arrive(departed));
  } catch (error) {
    failure = failureOf(error);
  }
  const arrivalOf = new Map(departed.map((each, index) => [each, arrivals[index]]));
  const unsettled = await settle(from, arrivalOf);
  return ids.map((id, index): MoveResult => {
    const each = luggage[index];
    if (each === undefined) return { id, status: 'gone' };
    if (failure !== undefined) return fail(id, 'under way', failure);
    const arrival = arrivalOf.get(each);
    if (arrival?.status === 'refused') {
      const where = unsettled.restoring === undefined ? 'source' : 'under way';
      return fail(id, where, new LwsError('ERR_STORE', `the target refused the session: ${arrival.reason}`));
    }
    if (unsettled.forgetting !== undefined) return fail(id, 'target', unsettled.forgetting);
    if (arrival?.status === 'ended') return { id, status: 'ended' };
    return { id, status: 'moved', newId: to.transfer.idOf(each.record) };
  });
}

/** The third step: what arrived is forgotten, what was refused lives on. */
async function settle(
  from: MovableStore,
  arrivals: ReadonlyMap<Luggage, Arrival | undefined>,
): Promise<{ forgetting?: LwsError; restoring?: LwsError }> {
  const those = (isRefused: boolean) =>
    [...arrivals]
      .filter(([, arrival]) => arrival !== undefined && (arrival.status === 'refused') === isRefused)
      .map(([luggage]) => luggage);
  const [arrived, refused] = [those(false), those(true)];
  const failures: { forgetting?: LwsError; restoring?: LwsError } = {};
  try {
    if (arrived.length > 0) await patiently(() => from.transfer.forget(arrived));
  } catch (error) {
    failures.forgetting = failureOf(error);
  }
  try {
    if (refused.length > 0) await patiently(() => from.transfer.restore(refused));
  } catch (error) {
    failures.restoring = failureOf(error);
  }
  return failures;
}
