import { kindOf } from '../sessions/ids.js';
import type { SessionRecord } from '../sessions/store.js';
import { Buffer } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';

/** What Redis answers: bulk strings as bytes, integers, nothing, lists of those. */
export type Reply = Uint8Array | string | number | null | Reply[];

/** The id, what the record shows, and `net`, which is Redis' own affair. */
const fieldCount = 16;

/** The list of a reply. Anything else means that something which is not ours answered. */
export function listOf(reply: Reply | undefined): Reply[] {
  if (Array.isArray(reply)) return reply;
  throw unexpected('a list', reply);
}

export function textOf(reply: Reply | undefined): string {
  if (typeof reply === 'string') return reply;
  if (isUint8Array(reply)) return Buffer.from(reply.buffer, reply.byteOffset, reply.length).toString();
  throw unexpected('a string', reply);
}

export function numberOf(reply: Reply | undefined): number {
  const number = typeof reply === 'number' ? reply : Number(textOf(reply));
  if (!Number.isSafeInteger(number)) throw unexpected('an integer', reply);
  return number;
}

function bytesOf(reply: Reply | undefined): Uint8Array {
  if (isUint8Array(reply)) return new Uint8Array(reply);
  throw unexpected('bytes', reply);
}

/** A record with the exact moment of its creation, which orders records of several partitions. */
export interface Stored {
  readonly record: SessionRecord;
  readonly bornMicros: number;
}

/** The record out of the list that `reply()` in the Lua source makes. */
function storedOf(reply: Reply | undefined): Stored {
  const fields = listOf(reply);
  if (fields.length !== fieldCount) throw unexpected(`${fieldCount} fields`, reply);
  const [id, uid, lid, node, conn, gen, ver, born, la, exp, ends, ttl, attributes, extensions, , grp] =
    fields;
  const nodeId = textOf(node);
  const owner = nodeId === '' ? undefined : { nodeId, connectionId: textOf(conn) };
  const bornMicros = numberOf(born);
  const record: SessionRecord = {
    id: textOf(id),
    userId: textOf(uid) || undefined,
    loginId: textOf(lid) || undefined,
    status: owner === undefined ? 'detached' : 'active',
    owner,
    generation: numberOf(gen),
    version: numberOf(ver),
    createdAt: Math.floor(bornMicros / 1000),
    lastActive: numberOf(la),
    expiresAt: numberOf(exp),
    endsAt: textOf(ends) === '' ? undefined : numberOf(ends),
    ttl: numberOf(ttl),
    group: textOf(grp) || undefined,
    attributes: bytesOf(attributes),
    extensions: bytesOf(extensions),
  };
  return { record, bornMicros };
}

export function recordOf(reply: Reply | undefined): SessionRecord {
  return storedOf(reply).record;
}

/** Those of a list that can be read: one that somebody broke costs no other. */
export function allStored(reply: Reply | undefined): Stored[] {
  return listOf(reply).flatMap((record) => {
    try {
      return [storedOf(record)];
    } catch {
      return [];
    }
  });
}

export function recordsOf(reply: Reply | undefined): SessionRecord[] {
  return allStored(reply).map(({ record }) => record);
}

function unexpected(expected: string, reply: Reply | undefined): LwsError {
  // Never what it says: it may be an id, or somebody's values.
  const came = Array.isArray(reply) ? `a list of ${reply.length}` : kindOf(reply);
  return new LwsError('ERR_STORE', `Redis answered ${came} where ${expected} was expected`);
}
