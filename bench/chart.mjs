// Draws docs/images/bench-*.svg from a file of results: node bench/chart.mjs [results.json]...; without: the newest day's.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cells } from './cells.mjs';
import { project } from './runner/prepare.mjs';
import { inWords } from './words.mjs';

const folder = join(project, 'bench', 'results');
const width = 760;
const colours = {
  lws: 'mark',
  ws: 'soft',
  floor: 'line',
  bun: 'warm',
  deno: 'cool',
  uws: 'deep',
  wsn: 'dim',
  node: 'dim',
};

const style = `<style>
    :root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #afb8c1; --mark: #0969da; --warm: #bc4c00; --cool: #1a7f37; --deep: #8250df; --dim: #818b98; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #f0f6fc; --soft: #9198a1; --line: #656c76; --mark: #4493f8; --warm: #f0883e; --cool: #3fb950; --deep: #ab7df8; --dim: #656c76; }
    }
    text { font: 12.5px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }
    .soft { fill: var(--soft); font-size: 11.5px; }
    .end { text-anchor: end; }
    .mid { text-anchor: middle; }
    .grid { stroke: var(--line); stroke-width: 1; stroke-dasharray: 2 4; }
    polyline { fill: none; stroke-width: 2; }
  </style>`;

const escaped = (words) => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function picture(height, title, description, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">
  <title id="title">${escaped(title)}</title>
  <desc id="desc">${escaped(description)}</desc>
  ${style}
  ${parts.join('\n  ')}
</svg>
`;
}

const text = (x, y, words, kind = '') =>
  `<text x="${round(x)}" y="${round(y)}"${kind && ` class="${kind}"`}>${escaped(words)}</text>`;
const round = (value) => Math.round(value * 10) / 10;
const fill = (peer) => `var(--${colours[peer]})`;
const short = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(2));

/** One row a cell: each peer's CPU time (or memory) as a share of that of ws, on a logarithmic scale. */
function ratios({ cells, versions }) {
  const rows = cells
    .map(({ name, summary }) => ({
      name,
      points: Object.entries(summary).flatMap(([peer, { to }]) =>
        peer === 'ws' ? [] : to.ws ? [{ peer, ratio: to.ws.median }] : [],
      ),
    }))
    .filter(({ points }) => points.some(({ peer }) => peer === 'lws'));
  const [left, right, top, step] = [262, 60, 54, 21];
  const least = 0.03;
  const scale = (ratio) =>
    left +
    ((Math.log(Math.max(ratio, least)) - Math.log(least)) / (Math.log(2) - Math.log(least))) *
      (width - left - right);
  const bottom = top + rows.length * step;
  const parts = [0.05, 0.1, 0.2, 0.5, 1].flatMap((at) => [
    `<line class="grid" x1="${round(scale(at))}" x2="${round(scale(at))}" y1="${top - 8}" y2="${bottom}"/>`,
    text(scale(at), top - 14, at === 1 ? 'ws' : String(at), 'soft mid'),
  ]);
  const shown = new Set();
  for (const [i, { name, points }] of rows.entries()) {
    const y = top + i * step + step / 2;
    parts.push(text(left - 12, y + 4, inWords(name), 'end'));
    for (const { peer, ratio } of points.toSorted((a) => (a.peer === 'lws' ? 1 : -1))) {
      shown.add(peer);
      const own = peer === 'lws';
      parts.push(
        `<circle cx="${round(scale(ratio))}" cy="${round(y)}" r="${own ? 5 : 3.5}" fill="${fill(peer)}"/>`,
      );
      if (own) parts.push(text(width - right + 12, y + 4, short(ratio)));
    }
  }
  parts.push(...legend([...shown], versions, 18));
  return picture(
    bottom + 12,
    'CPU time and memory against ws',
    'Each row is a cell of the bench; left is less.',
    parts,
  );
}

function legend(peers, versions, y) {
  let x = 12;
  return peers.flatMap((peer) => {
    const words =
      peer === 'floor' ? 'raw epoll server in C' : `${versions[peer].title} ${versions[peer].version}`;
    const mark = [
      `<circle cx="${x}" cy="${y - 4}" r="4.5" fill="${fill(peer)}"/>`,
      text(x + 10, y, words, 'soft'),
    ];
    x += 34 + words.length * 6.2;
    return mark;
  });
}

const curves = [
  { title: 'connections, 20 B, one in flight each', cell: /^echo-(\d+)x20$/, at: Number },
  { title: 'bytes of a message, 50 connections', cell: /^echo-50x(\d+(?:Ki|Mi)?)$/, at: bytes },
  { title: 'subscribers of a topic, 20 B', cell: /^broadcast-(\d+)x20-one$/, at: Number, per: 'delivery' },
  {
    title: 'topics of each of 100 subscribers, 20 B',
    cell: /^broadcast-100x20-(?:topics(\d+)|one)$/,
    at: (count = '1') => Number(count),
    per: 'delivery',
  },
];

function bytes(word) {
  const [, number, unit] = /^(\d+)(Ki|Mi)?$/.exec(word);
  return Number(number) * ({ Ki: 1024, Mi: 1024 * 1024 }[unit] ?? 1);
}

function series(cells, curve) {
  const lines = {};
  for (const { name, summary } of cells) {
    const match = curve.cell.exec(name);
    if (!match) continue;
    for (const [peer, { value }] of Object.entries(summary))
      lines[peer] = [...(lines[peer] ?? []), { at: curve.at(match[1]), value: value.median }];
  }
  for (const line of Object.values(lines)) line.sort((a, b) => a.at - b.at);
  return lines;
}

const decades = (from, to) => {
  const all = [];
  for (let power = Math.ceil(Math.log10(from)); 10 ** power <= to; power++) all.push(10 ** power);
  return all;
};

function plot(lines, { title, per = 'message' }, top) {
  const [left, height] = [60, 170];
  const points = Object.values(lines).flat();
  const span = (key) => [Math.min(...points.map((p) => p[key])), Math.max(...points.map((p) => p[key]))];
  const [x0, x1] = span('at');
  const [y0, y1] = span('value');
  const share = (value, from, to) =>
    (Math.log(value) - Math.log(from)) / (Math.log(to) - Math.log(from) || 1);
  const x = (value) => left + share(value, x0, x1) * (width - left - 24);
  const y = (value) => top + height - share(value, y0 / 1.2, y1 * 1.2) * height;
  return [
    text(left, top - 10, `µs of CPU per ${per} by ${title}`),
    ...decades(y0 / 1.2, y1 * 1.2).flatMap((at) => [
      `<line class="grid" x1="${left}" x2="${width - 24}" y1="${round(y(at))}" y2="${round(y(at))}"/>`,
      text(left - 8, y(at) + 4, String(at), 'soft end'),
    ]),
    ...[...new Set(points.map((p) => p.at))].map((at) =>
      text(x(at), top + height + 18, label(at), 'soft mid'),
    ),
    ...Object.entries(lines).map(
      ([peer, line]) =>
        `<polyline stroke="${fill(peer)}" points="${line.map((p) => `${round(x(p.at))},${round(y(p.value))}`).join(' ')}"/>`,
    ),
  ];
}

const label = (value) =>
  value >= 1 << 20 && value % (1 << 20) === 0
    ? `${value / (1 << 20)} Mi`
    : value >= 1024 && value % 1024 === 0
      ? `${value / 1024} Ki`
      : value.toLocaleString('en');

function growth({ cells, versions }) {
  const drawn = curves.map((curve) => ({ curve, lines: series(cells, curve) }));
  const parts = drawn.flatMap(({ curve, lines }, i) => plot(lines, curve, 60 + i * 240));
  const peers = [...new Set(drawn.flatMap(({ lines }) => Object.keys(lines)))];
  return picture(
    60 + drawn.length * 240,
    'How cost grows',
    'CPU time per message over the number of connections, the size of messages, subscribers and topics; all axes logarithmic.',
    [...legend(peers, versions, 18), ...parts],
  );
}

/** All files of the newest day: a run may be taken in parts. */
function newest() {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
  const day = names.at(-1)?.slice(0, 10);
  return names.filter((name) => name.startsWith(day)).map((name) => join(folder, name));
}

const given = process.argv.slice(2);
const files = given.length > 0 ? given : newest();
if (files.length === 0) {
  console.error('expected a file of results: npm run bench writes one');
  process.exitCode = 1;
} else {
  const parts = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
  const place = ({ name }) => cells.findIndex((cell) => cell.name === name);
  const result = {
    versions: Object.assign({}, ...parts.map(({ versions }) => versions)),
    cells: parts
      .flatMap((part) => part.cells)
      .filter(({ name }, i, all) => all.findIndex((cell) => cell.name === name) === i)
      .sort((a, b) => place(a) - place(b)),
  };
  for (const [name, draw] of Object.entries({ ratios, growth })) {
    const target = join(project, 'docs', 'images', `bench-${name}.svg`);
    writeFileSync(target, draw(result));
    console.log(`drew ${target.slice(project.length + 1)}`);
  }
}
