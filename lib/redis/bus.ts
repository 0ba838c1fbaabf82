import type { SessionBus } from '../sessions/bus.js';
import { causeOf } from '../sessions/cause.js';
import { LwsError } from '../shared/errors.js';
import type { RedisLink } from './link.js';

/** Messages between nodes, each on a channel of its own behind the application's prefix. */
export function redisBus(link: RedisLink, prefix: string): SessionBus {
  const channel = (nodeId: string) => `${prefix}node:${nodeId}`;
  return {
    async publish(nodeId, message) {
      try {
        return (await link.publish(channel(nodeId), message)) > 0;
      } catch (thrown) {
        throw failure('publishing', thrown);
      }
    },
    subscribe: (nodeId, receive, missed = () => undefined, failed = () => undefined) =>
      link.subscribe(channel(nodeId), receive, {
        missed,
        failed: (thrown) => failed(failure('subscribing', thrown)),
      }),
  };
}

/** Without what the client knows about the command: its message, an id of a session in it. */
function failure(doing: string, thrown: unknown): LwsError {
  const cause = causeOf(thrown);
  return new LwsError('ERR_STORE', `Redis failed: ${cause.message} (${doing})`, { cause });
}
