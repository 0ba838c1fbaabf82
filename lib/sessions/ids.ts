import { randomFillSync } from 'node:crypto';
import { Buffer } from '../shared/ambient.js';
import { kindOf, unexpected } from '../shared/checks.js';
import { maxIdLength } from './store.js';

const randomBytesPerId = 18;
const pool = Buffer.alloc(randomBytesPerId * 128);
let used = pool.length;

/** 144 random bits as 24 URL-safe characters. */
export function randomTail(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const tail = pool.toString('base64url', used, used + randomBytesPerId);
  pool.fill(0, used, used + randomBytesPerId);
  used += randomBytesPerId;
  return tail;
}

/** FNV-1a over UTF-8, finished by a mix: spreads short, similar names evenly, and is the same everywhere. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The id that both stores make: the partition of the user (or else of the tail), a dot, the tail. */
export function makeId(partitions: number, userId: string | undefined, tail: string | undefined): string {
  if (tail !== undefined && !(typeof tail === 'string' && /^[\w\-,.]{1,200}$/.test(tail))) {
    throw unexpected('1 to 200 characters of A-Z a-z 0-9 _ - , .', 'the tail of a session id', kindOf(tail));
  }
  const end = tail ?? randomTail();
  return `${hashName(userId ?? end) % partitions}.${end}`;
}

/** The partition in front of a session id or connection key; `undefined` if it has none below `partitions`. */
export function partitionOf(id: unknown, partitions: number): number | undefined {
  if (typeof id !== 'string' || id.length > maxIdLength + 5) return undefined;
  const match = /^(0|[1-9]\d{0,3})\.[\s\S]/.exec(id);
  const partition = match === null ? partitions : Number(match[1]);
  return partition < partitions ? partition : undefined;
}

/**
 * The name under which a connection is known to stores and to other nodes: the partition of its session in front
 * of the connection's own id.
 */
export function connectionKey(sessionId: string, connection: string): string {
  return sessionId.slice(0, sessionId.indexOf('.') + 1) + connection;
}

/** The connection's own id out of a {@link connectionKey}. */
export function connectionOfKey(key: string): string {
  return key.slice(key.indexOf('.') + 1);
}

/** The id of a session that was moved to a store with other partitions differs in their number. */
export function isSameSession(a: string, b: string): boolean {
  return connectionOfKey(a) === connectionOfKey(b);
}

/** Whether UTF-8 can carry the text: it has no lone surrogate. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
