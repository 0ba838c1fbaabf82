import { Buffer } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import type { SessionRecord } from './store.js';
import type { WheelEntry } from './wheel.js';

/**
 * One session in a `MemoryStore`. Attributes are kept as one-byte strings: plain heap data without a backing store
 * of its own, which is what keeps the collector's pauses short with a hundred thousand of them.
 */
export interface Entry extends WheelEntry {
  readonly id: string;
  /** Order of creation within a millisecond. */
  readonly sequence: number;
  readonly userId: string | undefined;
  loginId: string | undefined;
  group: string | undefined;
  nodeId: string | undefined;
  connectionId: string | undefined;
  generation: number;
  version: number;
  readonly createdAt: number;
  lastActive: number;
  expiresAt: number;
  readonly endsAt: number | undefined;
  ttl: number;
  attributes: string;
  extensions: string;
}

export function packBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function unpackBytes(packed: string): Uint8Array {
  return new Uint8Array(Buffer.from(packed, 'latin1'));
}

/** A copy that nothing which happens later changes. */
export function recordOf(entry: Entry): SessionRecord {
  const { nodeId, connectionId } = entry;
  const owner = nodeId === undefined || connectionId === undefined ? undefined : { nodeId, connectionId };
  return {
    id: entry.id,
    userId: entry.userId,
    loginId: entry.loginId,
    status: owner === undefined ? 'detached' : 'active',
    owner,
    generation: entry.generation,
    version: entry.version,
    createdAt: entry.createdAt,
    lastActive: entry.lastActive,
    expiresAt: entry.expiresAt,
    endsAt: entry.endsAt,
    ttl: entry.ttl,
    group: entry.group,
    attributes: unpackBytes(entry.attributes),
    extensions: unpackBytes(entry.extensions),
  };
}

/** Entries by a name that several of them may share; a name without entries takes no memory. */
export class NameIndex {
  private readonly names = new Map<string, Set<Entry>>();

  add(name: string | undefined, entry: Entry): void {
    if (name === undefined) return;
    const entries = this.names.get(name);
    if (entries === undefined) this.names.set(name, new Set([entry]));
    else entries.add(entry);
  }

  delete(name: string | undefined, entry: Entry): void {
    if (name === undefined) return;
    const entries = this.names.get(name);
    if (entries?.delete(entry) === true && entries.size === 0) this.names.delete(name);
  }

  /** A snapshot, oldest first. */
  get(name: string): Entry[] {
    return [...(this.names.get(name) ?? [])].sort(
      (a, b) => a.createdAt - b.createdAt || a.sequence - b.sequence,
    );
  }
}

/** Counts sessions and the bytes of their values against the store's bounds. */
export class Budget {
  private bytes = 0;
  private readonly maxSessions: number;
  private readonly maxBytes: number;

  constructor(maxSessions: number, maxBytes: number) {
    this.maxSessions = maxSessions;
    this.maxBytes = maxBytes;
  }

  /** Throws `ERR_LIMIT` if `sessions` are too many, or `more` bytes do not fit; else counts them. */
  take(sessions: number, more: number): void {
    if (sessions > this.maxSessions) {
      throw new LwsError(
        'ERR_LIMIT',
        `the MemoryStore is full: it holds ${this.maxSessions} sessions (maxSessions)`,
      );
    }
    if (more > 0 && this.bytes + more > this.maxBytes) {
      throw new LwsError(
        'ERR_LIMIT',
        `the MemoryStore is full: it holds ${this.bytes} bytes of values (maxBytes)`,
      );
    }
    this.bytes += more;
  }

  give(bytes: number): void {
    this.bytes -= bytes;
  }
}
