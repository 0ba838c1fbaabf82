import type * as contract from '../sessions/store.js';
import type { Argument } from './link.js';
import { listOf, numberOf, type Reply, recordOf, recordsOf, textOf } from './reply.js';

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

export function createResult(reply: Reply): contract.RegenerateResult & contract.CreateResult {
  const [status, detail, evicted] = listOf(reply);
  const outcome = textOf(status) as contract.CreateResult['status'];
  if (outcome === 'created')
    return { status: outcome, record: recordOf(detail), evicted: recordsOf(evicted) };
  return outcome === 'limit' ? { status: outcome, count: numberOf(detail) } : { status: outcome };
}
