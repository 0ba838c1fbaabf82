// Round trips, measured by pings and counted in a histogram.

/** Upper ends of the buckets in milliseconds; a last bucket has everything above. */
export const bounds = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128];

/** More are not asked in one second: a sample says enough. */
const MOST = 200;

export function createLatency() {
  let counts = bounds.map(() => 0).concat(0);

  return {
    /** Pings some of the connections, each time others. */
    ask(connections) {
      const all = [...connections];
      const first = Math.floor(Math.random() * all.length);
      const asked = [...all.slice(first), ...all.slice(0, first)].slice(0, MOST);
      for (const connection of asked) {
        connection.data.askedAt = performance.now();
        connection.ping();
      }
    },

    /** The handler `pong`. A pong that nobody asked for counts for nothing. */
    answered({ data }) {
      if (data.askedAt === 0) return;
      const took = performance.now() - data.askedAt;
      data.askedAt = 0;
      const bucket = bounds.findIndex((bound) => took <= bound);
      counts[bucket < 0 ? bounds.length : bucket]++;
    },

    /** The counts since the last call. */
    take() {
      const taken = counts;
      counts = counts.map(() => 0);
      return taken;
    },
  };
}
