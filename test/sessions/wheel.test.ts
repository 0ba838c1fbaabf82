import { describe, expect, test } from 'vitest';
import { Wheel, type WheelEntry } from '../../lib/sessions/wheel.js';

interface Named extends WheelEntry {
  readonly name: number;
}

const named = (name: number): Named => ({ name, due: 0, next: undefined, previous: undefined });

/** A repeatable sequence of numbers below `bound`. */
function random(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

function due(wheel: Wheel<Named>, now: number): number[] {
  const names: number[] = [];
  for (let done = false; !done; ) done = wheel.advance(now, 1000, ({ name }) => names.push(name) > 0);
  return names;
}

describe('timer wheel', () => {
  test.each([1, 63, 64, 65, 4095, 4096, 4097, 262_144, 20_000_000])(
    'an entry %i ticks away is due then, not before',
    (ticks) => {
      for (const start of [0, 1, 63, 64, 5000]) {
        const wheel = new Wheel<Named>();
        wheel.schedule(named(0), 1e9);
        due(wheel, start);
        wheel.schedule(named(1), start + ticks);
        expect(due(wheel, start + ticks - 1)).toEqual([]);
        expect(due(wheel, start + ticks)).toEqual([1]);
        expect(wheel.size).toBe(1);
      }
    },
  );

  test('an entry in the past is due at once', () => {
    const wheel = new Wheel<Named>();
    due(wheel, 100);
    wheel.schedule(named(1), 5);
    expect(due(wheel, 100)).toEqual([1]);
  });

  test('an entry beyond its reach of 2^36 ticks waits its whole time', () => {
    const wheel = new Wheel<Named>();
    const far = named(1);
    wheel.schedule(far, 2 ** 40);
    expect(wheel.advance(10_000, 1000, () => true)).toBe(true);
    expect([wheel.size, far.due]).toEqual([1, 2 ** 40]);
  });

  test('it agrees with a plain list over a hundred thousand random steps', () => {
    const next = random(7);
    const wheel = new Wheel<Named>();
    const entries = Array.from({ length: 300 }, (_, name) => named(name));
    const model = new Map<number, number>();
    let now = 0;
    for (let step = 0; step < 100_000; step++) {
      const entry = entries[next(entries.length)] as Named;
      const action = next(10);
      if (action < 5) {
        const at = now + next(2 ** next(20));
        wheel.schedule(entry, at);
        model.set(entry.name, at);
      } else if (action < 7) {
        wheel.cancel(entry);
        model.delete(entry.name);
      } else {
        now += next(2 ** next(13));
        const expected = [...model].filter(([, at]) => at <= now).map(([name]) => name);
        for (const name of expected) model.delete(name);
        expect(due(wheel, now).sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      }
      expect(wheel.size).toBe(model.size);
    }
  });

  test('one advance does a bounded number of steps, however many entries come up together', () => {
    const wheel = new Wheel<Named>();
    for (let n = 0; n < 10_000; n++) wheel.schedule(named(n), 5000);
    let calls = 0;
    let taken = 0;
    for (let done = false; !done; calls++) {
      let inThisCall = 0;
      done = wheel.advance(5000, 100, () => ++inThisCall > 0);
      expect(inThisCall).toBeLessThanOrEqual(100);
      taken += inThisCall;
    }
    expect(taken).toBe(10_000);
    expect(calls).toBeGreaterThan(100);
    expect(wheel.size).toBe(0);
  });

  test('it stops after the entry at which it is told to, and goes on there', () => {
    const wheel = new Wheel<Named>();
    for (let n = 0; n < 5; n++) wheel.schedule(named(n), 3);
    const seen: number[] = [];
    expect(wheel.advance(9, 100, ({ name }) => seen.push(name) < 2)).toBe(false);
    expect(seen).toEqual([0, 1]);
    expect(due(wheel, 9)).toEqual([2, 3, 4]);
  });

  test('an entry may be scheduled again from within its own turn', () => {
    const wheel = new Wheel<Named>();
    const entry = named(1);
    wheel.schedule(entry, 1);
    let turns = 0;
    const again = (due: Named) => {
      if (++turns < 5) wheel.schedule(due, turns * 70);
      return true;
    };
    for (let done = false; !done; ) done = wheel.advance(1000, 100, again);
    expect([turns, wheel.size]).toEqual([5, 0]);
  });
});
