import { Buffer } from '../shared/ambient.js';
import { describe, unexpected } from '../shared/checks.js';

/** A node to choose, by its name alone or with a weight. */
export type Weighted = string | { readonly name: string; readonly weight?: number | undefined };

/** 52 bits of FNV-1a over UTF-8 in two halves, each finished by a mix; the same on every machine and in every version. */
function fraction(text: string): number {
  let high = 0x811c9dc5;
  let low = 0x9747b28c;
  for (const byte of Buffer.from(text)) {
    high = Math.imul(high ^ byte, 0x01000193);
    low = Math.imul(low ^ byte, 0x85ebca6b);
  }
  return (mixed(high) * 2 ** 20 + (mixed(low) >>> 12) + 0.5) / 2 ** 52;
}

/** The finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function read(node: Weighted): { name: string; weight: number } {
  const { name, weight = 1 } = typeof node === 'string' ? { name: node } : (node ?? {});
  if (typeof name !== 'string' || name === '')
    throw unexpected('a name', 'a node of rendezvous()', describe(typeof node === 'string' ? node : name));
  if (typeof weight !== 'number' || !(weight > 0) || weight === Number.POSITIVE_INFINITY)
    throw unexpected('a weight above 0', `the node "${name}" of rendezvous()`, describe(weight));
  return { name, weight };
}

/**
 * The nodes in the order in which a key prefers them, by rendezvous hashing: everybody who knows the same nodes comes to
 * the same order, keys spread by weight, and a node that comes or goes moves only the keys that prefer it. The first is
 * the one to ask, the second the one when it is gone.
 *
 * @param key What stays together, as a session id, a user or a room.
 * @param nodes Names, or names with weights above 0 (default 1).
 * @throws LwsError ERR_INVALID_ARGUMENT for anything else.
 */
export function rendezvous<N extends Weighted>(key: string, nodes: readonly N[]): N[] {
  if (typeof key !== 'string') throw unexpected('a string', 'the key of rendezvous()', describe(key));
  if (!Array.isArray(nodes)) throw unexpected('an array', 'the nodes of rendezvous()', describe(nodes));
  const scored = nodes.map((node) => {
    const { name, weight } = read(node);
    /* -w / ln(u) orders by weight exactly: the chance to be first is the node's share of all weights */
    return { node, name, score: -weight / Math.log(fraction(`${name}\0${key}`)) };
  });
  scored.sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1));
  return scored.map(({ node }) => node);
}
