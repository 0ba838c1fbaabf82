import type { SessionRecord } from '../sessions/store.js';
import { Buffer } from '../shared/ambient.js';
import { kindOf } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import { fieldAt, type RecordField, recordFields } from './fields.js';

/** What Redis answers: bulk strings as bytes, integers, nothing, lists of those. */
export type Reply = Uint8Array | string | number | null | Reply[];

/** The id, and the fields. */
const fieldCount = 1 + recordFields.length;

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

/** The names of the keys that a call needs beside its own, where it says that it lacks some. */
export function movedTo(reply: Reply): string[] | undefined {
  if (!Array.isArray(reply) || !isWord(reply[0], moved)) return undefined;
  return reply.slice(1).map(textOf);
}

const moved = Buffer.from('moved');

function isWord(reply: Reply | undefined, word: Buffer): boolean {
  return isUint8Array(reply) && word.equals(reply);
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
export function storedOf(reply: Reply | undefined): Stored {
  const fields = listOf(reply);
  if (fields.length !== fieldCount) throw unexpected(`${fieldCount} fields`, reply);
  const [id] = fields;
  const at = (name: RecordField) => fields[fieldAt[name]];
  const nodeId = textOf(at('node'));
  const owner = nodeId === '' ? undefined : { nodeId, connectionId: textOf(at('conn')) };
  const bornMicros = numberOf(at('born'));
  const record: SessionRecord = {
    id: textOf(id),
    userId: textOf(at('uid')) || undefined,
    loginId: textOf(at('lid')) || undefined,
    status: owner === undefined ? 'detached' : 'active',
    owner,
    generation: numberOf(at('gen')),
    version: numberOf(at('ver')),
    createdAt: Math.floor(bornMicros / 1000),
    lastActive: numberOf(at('la')),
    expiresAt: numberOf(at('exp')),
    endsAt: textOf(at('ends')) === '' ? undefined : numberOf(at('ends')),
    ttl: numberOf(at('ttl')),
    group: textOf(at('grp')) || undefined,
    attributes: bytesOf(at('attr')),
    extensions: bytesOf(at('ext')),
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
  return new LwsError('ERR_STORE', `Expected ${expected} for the answer of Redis but got ${came}`);
}
