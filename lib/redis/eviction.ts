import { Buffer, process } from '../shared/ambient.js';
import { isUint8Array } from '../shared/realms.js';
import type { RedisLink } from './link.js';

/**
 * Warns where Redis may remove sessions by itself to make room: whoever has one is closed then, although nothing ended
 * it. Who may not ask is told nothing.
 */
export async function warnOfEviction(link: RedisLink): Promise<void> {
  const outcomes = await link.sendToMasters(['INFO', 'memory']).catch(() => []);
  for (const outcome of outcomes) {
    const text = outcome.status === 'fulfilled' ? textOf(outcome.value) : '';
    const policy = /^maxmemory_policy:([\w-]+)/m.exec(text)?.[1];
    const hasLimit = /^maxmemory:[1-9]/m.test(text);
    if (policy === undefined || policy === 'noeviction' || !hasLimit) continue;
    const message =
      `Redis removes keys when its memory is full (maxmemory-policy ${policy}): sessions vanish then and their ` +
      'connections are closed. Set maxmemory-policy noeviction for them';
    process.emitWarning(message, { code: 'LWS_REDIS_EVICTS' });
    return;
  }
}

function textOf(reply: unknown): string {
  if (typeof reply === 'string') return reply;
  return isUint8Array(reply) ? Buffer.from(reply).toString('latin1') : '';
}
