import type { SessionBus } from './bus.js';

/** Listens on both; tells on the first, and on the second where nobody hears it: nodes may know either or both. */
export function bothBuses(
  first: SessionBus | undefined,
  second: SessionBus | undefined,
): SessionBus | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return {
    async publish(nodeId, message) {
      return (await first.publish(nodeId, message)) || second.publish(nodeId, message);
    },
    subscribe(nodeId, receive, missed, failed) {
      const both = [first, second].map((bus) => bus.subscribe(nodeId, receive, missed, failed));
      return {
        ready: Promise.all(both.map(({ ready }) => ready)).then(() => undefined),
        async close() {
          await Promise.all(both.map((subscription) => subscription.close()));
        },
      };
    },
  };
}
