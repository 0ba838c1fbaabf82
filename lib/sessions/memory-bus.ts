import { setImmediate } from '../shared/ambient.js';
import type { SessionBus, Subscription } from './bus.js';

/** A {@link SessionBus} among the managers that share one `MemoryStore`, in one process. */
export function memoryBus(): SessionBus {
  const nodes = new Map<string, Set<(message: Uint8Array) => void>>();
  return {
    async publish(nodeId, message) {
      const receivers = nodes.get(nodeId);
      if (receivers === undefined) return false;
      // Later, as over a network: nobody's call is entered from within the publisher's.
      for (const receive of receivers) {
        const copy = Uint8Array.from(message);
        setImmediate(() => receivers.has(receive) && receive(copy));
      }
      return true;
    },

    subscribe(nodeId, receive): Subscription {
      const receivers = nodes.get(nodeId) ?? new Set();
      nodes.set(nodeId, receivers.add(receive));
      return {
        ready: Promise.resolve(),
        async close() {
          receivers.delete(receive);
          if (receivers.size === 0 && nodes.get(nodeId) === receivers) nodes.delete(nodeId);
        },
      };
    },
  };
}
