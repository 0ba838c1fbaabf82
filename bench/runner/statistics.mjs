import { references } from '../peers.mjs';

/** A range wider than this share of its median says little. */
export const widest = 0.2;

/** A machine is busy when its other work, or its host's, had a core for more than this share of the time. */
const busiest = 0.05;

export const foreignShare = ({ waited, stolen }) => Math.max(waited, stolen);
export const isBusy = (share) => share > busiest;

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export function summarize(values) {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

export const spread = ({ median, least, most }) => (most - least) / Math.abs(median);

/** Ratios are taken round by round, between samples that ran one after the other, and then summarized. */
function ratios(own, other) {
  const pairs = own.flatMap((sample, round) =>
    sample && other[round] ? [sample.value / other[round].value] : [],
  );
  return pairs.length > 0 ? summarize(pairs) : undefined;
}

function latency(samples) {
  const micros = (name) => median(samples.map(({ times }) => times[name])) / 1000;
  return { p50: micros('p50'), p99: micros('p99'), p999: micros('p999') };
}

/** `rounds`: per peer name its samples, undefined where one failed. */
export function summarizeCell(cell, rounds) {
  const summary = {};
  for (const [name, samples] of Object.entries(rounds)) {
    const good = samples.filter(Boolean);
    if (good.length === 0) continue;
    const own = {
      value: summarize(good.map(({ value }) => value)),
      rate: median(good.map(({ rate }) => rate)),
      to: {},
    };
    for (const reference of references) {
      const ratio = reference === name || !rounds[reference] ? undefined : ratios(samples, rounds[reference]);
      if (ratio) own.to[reference] = ratio;
    }
    if (cell.measure === 'cpu') own.latency = latency(good);
    own.busy = isBusy(median(good.map(foreignShare)));
    own.wide = spread(own.to.ws ?? own.value) > widest;
    summary[name] = own;
  }
  return summary;
}

/** Each target of a cell against what libwebsockets reached; undefined where the run cannot tell. */
export function judge(cell, summary) {
  const own = summary.lws;
  const reached = own && (cell.measure === 'memory' ? own.value : own.to.ws);
  return Object.entries(cell.targets).map(([name, target]) => {
    const verdict = !reached ? undefined : reached.median <= target ? 'met' : 'missed';
    const unsure = reached !== undefined && own.wide && reached.least <= target && reached.most > target;
    return { cell: cell.name, name, target, reached, verdict, unsure };
  });
}
