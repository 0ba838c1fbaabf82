import type * as contract from '../sessions/store.js';
import type { Argument } from './link.js';
import { listOf, numberOf, type Reply, recordOf, textOf } from './reply.js';

const noLimit = ['0', 'reject'];

export function fenceOf(fence: contract.Fence | undefined): [string, string] {
  return fence === undefined ? ['', ''] : [`${fence.generation}`, fence.connectionId];
}

export function limitOf(limit: contract.UserLimit | undefined): string[] {
  return limit === undefined ? noLimit : [`${limit.max}`, limit.onExcess === 'reject' ? 'reject' : 'evict'];
}

export function optional(value: Argument | undefined): [string, Argument] {
  return value === undefined ? ['0', ''] : ['1', value];
}

/** `evicted`: what the limit removed for it. */
export function createResult(
  reply: Reply,
  evicted: readonly contract.SessionRecord[],
): contract.RegenerateResult & contract.CreateResult {
  const [status, detail] = listOf(reply);
  const outcome = textOf(status) as contract.CreateResult['status'];
  if (outcome === 'created') return { status: outcome, record: recordOf(detail), evicted };
  return outcome === 'limit' ? { status: outcome, count: numberOf(detail) } : { status: outcome };
}

/** The user's sessions, where some of them have to go and the call was not told which. */
export function crowdOf(reply: Reply): string[] | undefined {
  const [status, ids] = listOf(reply);
  return textOf(status) === 'crowd' ? listOf(ids).map(textOf) : undefined;
}

/** What a call that stored a session evicted for it. */
export function evictedOf(reply: Reply): string[] {
  const [status, , ids] = listOf(reply);
  return textOf(status) === 'created' ? listOf(ids).map(textOf) : [];
}

export function chunksOf<T>(list: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < list.length; start += size) chunks.push(list.slice(start, start + size));
  return chunks;
}
