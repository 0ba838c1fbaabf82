/**
 * A token bucket: `burst` at once, then `perSecond`.
 *
 * @param {number} perSecond
 * @param {number} burst
 */
export function createBucket(perSecond, burst) {
  let tokens = burst;
  let last = performance.now();
  return {
    /** Takes one token; false when there is none. */
    take() {
      const now = performance.now();
      tokens = Math.min(burst, tokens + ((now - last) / 1000) * perSecond);
      last = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
