// Decisions that a seed reproduces: each actor has a source of its own, so that one's haste changes no other's.

/** A 32-bit number of any text (FNV-1a, with a final mix). */
export function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A source of decisions for whoever `label` names. */
export function randomOf(label) {
  let state = hash(label);

  /** 0 to 1, 1 excluded (mulberry32). */
  function next() {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  const random = {
    label,
    next,
    /** An integer from 0, `n` excluded. */
    below: (n) => Math.floor(next() * n),
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    chance: (part) => next() < part,
    pick: (list) => list[Math.floor(next() * list.length)],
    /** A key of `{ key: weight }`. */
    weighted(weights) {
      const entries = Object.entries(weights);
      let at = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        at -= weight;
        if (at < 0) return key;
      }
      return entries.at(-1)[0];
    },
    bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(next() * 256)),
    /** Sizes as they hurt: around the limits of frame forms, rings, slabs and landings. */
    size(most = 1 << 20) {
      const around = random.pick([
        0, 1, 16, 125, 126, 127, 1024, 4096, 4097, 16_384, 65_535, 65_536, 131_072, 300_000,
      ]);
      const size = random.chance(0.6) ? random.below(200) : Math.max(0, around + random.between(-2, 2));
      return Math.min(size, most);
    },
    child: (name) => randomOf(`${label}/${name}`),
  };
  return random;
}
