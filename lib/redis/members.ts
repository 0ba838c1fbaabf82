import { expiries, sessionName } from './names.js';
import { chunksOf } from './operands.js';
import { type Partitions, sessionsPerCall } from './partitions.js';
import { allStored, listOf, type Stored, textOf } from './reply.js';

/** More sessions than that are no longer read in one step. */
const membersInOneStep = 2048;

/** What sessions are found by: a user, a login, a group. */
export type Kind = 'u' | 'l' | 'g';

/** Reads the sessions of one partition that are found by it: in one step, or in several where they are many. */
export async function membersIn(
  parts: Partitions,
  place: string,
  kind: Kind,
  name: string,
): Promise<Stored[]> {
  const ids = await idsIn(parts, place, kind, name);
  if (ids.length === 0) return [];
  const keys = [expiries, `${kind}:${name}`];
  if (ids.length <= membersInOneStep) {
    const believed = ids.map(sessionName);
    return allStored(await parts.call(place, 'members', keys, [kind, name], { believed }));
  }
  return (await read(parts, place, ids, kind, name)).flat();
}

/** The ids of the same. */
export async function idsIn(parts: Partitions, place: string, kind: Kind, name: string): Promise<string[]> {
  const keys = [expiries, `${kind}:${name}`];
  return listOf(await parts.call(place, 'ids', keys, [kind, name])).map(textOf);
}

/** Reads the sessions of these ids that live and, where `kind` is not '', are still found by it. */
export function read(
  parts: Partitions,
  place: string,
  ids: readonly string[],
  kind: Kind | '',
  name: string,
): Promise<Stored[][]> {
  return Promise.all(
    chunksOf(ids, sessionsPerCall).map(async (chunk) => {
      const keys = [expiries, ...chunk.map(sessionName)];
      return allStored(await parts.call(place, 'read', keys, [`${chunk.length}`, kind, name]));
    }),
  );
}
