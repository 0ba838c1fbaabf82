import { widest } from './statistics.mjs';

const digits = (value) =>
  value === undefined
    ? ''
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2);
const ratio = (value) => (value === undefined ? '' : value.toPrecision(value < 1 ? 2 : 3));
const range = ({ median, least, most }, write) => `${write(median)} (${write(least)}–${write(most)})`;

/** Columns as wide as their widest entry; the first is aligned left, the others right. */
export function table(rows) {
  const widths = rows[0].map((_cell, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((text, column) => (column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column])))
      .join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

const notes = (own) =>
  [own.wide ? `spread over ${widest * 100} %` : '', own.busy ? 'machine busy' : '']
    .filter(Boolean)
    .join(', ');

function cpuRow(name, own) {
  const { latency, to } = own;
  return [
    name,
    range(own.value, digits),
    to.ws ? range(to.ws, ratio) : '',
    to.floor ? ratio(to.floor.median) : '',
    Math.round(own.rate).toString(),
    `${digits(latency.p50)} / ${digits(latency.p99)} / ${digits(latency.p999)}`,
    notes(own),
  ];
}

const bytes = (value) => Math.round(value).toString();
const memoryRow = (name, own) => [
  name,
  range(own.value, bytes),
  own.to.ws ? ratio(own.to.ws.median) : '',
  notes(own),
];

const heads = {
  cpu: (per) => [`µs CPU per ${per}`, 'to ws', 'to floor', 'per second', 'p50 / p99 / p99.9 µs', ''],
  memory: (per) => [`bytes per ${per}`, 'to ws', ''],
};

/** The table of one cell. */
export function cellTable(cell, summary, failures) {
  const row = cell.measure === 'memory' ? memoryRow : cpuRow;
  const rows = Object.entries(summary).map(([name, own]) => row(name, own));
  const failed = failures.map(({ peer, message }) => `  ${peer} FAILED: ${message}`);
  return [table([[cell.name, ...heads[cell.measure](cell.per)], ...rows]), ...failed].join('\n');
}

/** The table of targets; a target whose cell or peer did not run is not in it. */
export function targetTable(judged) {
  const known = judged.filter(({ verdict }) => verdict);
  if (known.length === 0) return '';
  const rows = known.map(({ cell, name, target, reached, verdict, unsure }) => {
    const write = target > 100 ? bytes : ratio;
    const said = unsure ? `${verdict}, but the spread is too wide to tell` : verdict;
    return [cell, name, String(target), range(reached, write), said];
  });
  return table([['target', '', 'at most', 'reached', ''], ...rows]);
}
