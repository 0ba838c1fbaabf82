/**
 * The ids, or connection keys, that this one may have become since the number of partitions was one of `former`: the
 * part behind the dot is the same, and of the partitions only those come into question that a name of the old one can
 * have now.
 */
export function idsNow(id: string, count: number, former: readonly number[]): string[] {
  const match = /^(0|[1-9]\d{0,3})\.([\s\S]+)$/.exec(id);
  if (match === null) return [];
  const [, number = '', tail = ''] = match;
  const old = Number(number);
  const found = new Set<string>();
  for (const before of former) {
    if (old >= before) continue;
    const step = divisor(before, count);
    for (let now = old % step; now < count; now += step) if (now !== old) found.add(`${now}.${tail}`);
  }
  return [...found];
}

/** The greatest that divides both. */
function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
