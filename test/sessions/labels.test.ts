import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/**
 * What the session layer promises, by label: N for a connection and its values, M for the registry, G for stored
 * sessions, L for memory of a connection, K for liveness, S for sessions behind logins; D- for a known defect of other
 * implementations that ours must not have. A test that shows one carries its label.
 */
const promised = [
  ...range('N', 1, 10),
  ...range('M', 1, 9),
  'M11',
  ...range('G', 1, 13),
  ...range('L', 1, 10),
  ...range('K', 1, 2),
  ...range('S', 1, 6),
  // D-N2 hid data races of threads from a checker; here no two threads share a session.
  'D-N1',
  ...range('D-N', 3, 8),
  ...range('D-M', 1, 7),
  ...range('D-G', 1, 15),
  ...range('D-L', 1, 3),
  'D-K1',
  ...range('D-S', 1, 7),
  'D-A1',
];

function range(letter: string, from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, n) => `${letter}${from + n}`);
}

/** The text of all tests in a folder; of those of this one, of the suite for stores, and of the core. */
function textOf(folder: string): string {
  const path = fileURLToPath(new URL(`../../${folder}`, import.meta.url));
  const names = readdirSync(path).filter((name) => /\.(test\.ts|c)$/.test(name) || folder.startsWith('lib'));
  return names.map((name) => readFileSync(`${path}/${name}`, 'utf8')).join('\n');
}

test('every promise has a test that carries its label, and every label is one of a promise', () => {
  const text = ['test/sessions', 'lib/sessions/conformance', 'test/native'].map(textOf).join('\n');
  const carried = [...text.matchAll(/\[((?:D-)?[A-Z]\d{1,2})\]/g)].map(([, label]) => label);
  expect(promised.filter((label) => !carried.includes(label))).toEqual([]);
  expect(carried.filter((label) => !promised.includes(label!))).toEqual([]);
});
