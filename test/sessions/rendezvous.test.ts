import { describe, expect, test } from 'vitest';
import { rendezvous } from '../../lib/sessions/index.js';

const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
const five = ['a', 'b', 'c', 'd', 'e'];

function shares(
  nodes: readonly (string | { name: string; weight: number })[],
  place = 0,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const node = rendezvous(key, nodes)[place]!;
    const name = typeof node === 'string' ? node : node.name;
    counts.set(name, (counts.get(name) ?? 0) + 1 / keys.length);
  }
  return counts;
}

describe('rendezvous()', () => {
  test('is the same order for everybody, however the nodes are listed', () => {
    for (const key of keys.slice(0, 500))
      expect(rendezvous(key, [...five].reverse())).toEqual(rendezvous(key, five));
  });

  test('is the same on every machine and in every version', () => {
    expect(['', 'x', 'user-1', 'grüße', '🙂'].map((key) => rendezvous(key, five).join(''))).toEqual([
      'daecb',
      'adecb',
      'abcde',
      'adecb',
      'badce',
    ]);
  });

  test.each([0, 1, 4])('spreads keys evenly at place %i', (place) => {
    for (const share of shares(five, place).values()) expect(Math.abs(share - 0.2)).toBeLessThan(0.012);
  });

  test('spreads keys by weight', () => {
    const counts = shares([
      { name: 'small', weight: 1 },
      { name: 'large', weight: 3 },
    ]);
    expect(Math.abs(counts.get('large')! - 0.75)).toBeLessThan(0.012);
  });

  test('moves only the keys of a node that goes, each to its second choice', () => {
    const rest = five.filter((name) => name !== 'c');
    for (const key of keys.slice(0, 5000)) {
      const before = rendezvous(key, five);
      expect(rendezvous(key, rest)).toEqual(before.filter((name) => name !== 'c'));
    }
  });

  test('moves no more than its share to a node that comes', () => {
    const moved = keys.filter((key) => rendezvous(key, [...five, 'f'])[0] !== rendezvous(key, five)[0]);
    expect(Math.abs(moved.length / keys.length - 1 / 6)).toBeLessThan(0.012);
    for (const key of moved) expect(rendezvous(key, [...five, 'f'])[0]).toBe('f');
  });

  test('gives back what it was given', () => {
    const nodes = [
      { name: 'a', port: 1 },
      { name: 'b', weight: 2, port: 2 },
    ];
    expect(rendezvous('k', nodes).every((node) => nodes.includes(node))).toBe(true);
    expect(rendezvous('k', [])).toEqual([]);
  });

  test.each([
    [5, five, 'a string for the key of rendezvous() but got the number 5'],
    ['k', 'a', 'an array for the nodes of rendezvous()'],
    ['k', [''], 'a name for a node of rendezvous()'],
    ['k', [null], 'a name for a node of rendezvous()'],
    ['k', [{ name: 'a', weight: 0 }], 'a weight above 0 for the node "a" of rendezvous()'],
    ['k', [{ name: 'a', weight: Number.NaN }], 'a weight above 0'],
  ])('%j of %j is refused', (key, nodes, says) => {
    expect(() => rendezvous(key as string, nodes as string[])).toThrow(says);
  });
});
