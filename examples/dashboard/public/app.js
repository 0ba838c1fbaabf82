import { createBars, createLines, shorten } from './charts.js';
import { createLoad } from './load.js';

const POINTS = 60;
/** The histogram shows so many seconds together. */
const WINDOW = 10;

const byId = (id) => document.getElementById(id);
const url = new URL('/', location.href.replace(/^http/, 'ws'));

const counts = createLines(byId('counts'), 'Now open', POINTS, [
  { label: 'connections', read: ({ connections }) => connections },
  { label: 'sessions', read: ({ sessions }) => sessions },
]);
const rates = createLines(byId('rates'), 'Messages per second', POINTS, [
  { label: 'in', read: ({ rates }) => rates.messagesReceived },
  { label: 'out', read: ({ rates }) => rates.messagesSent },
]);
const bytes = createLines(byId('bytes'), 'Bytes per second', POINTS, [
  { label: 'in', read: ({ rates }) => rates.bytesReceived },
  { label: 'out', read: ({ rates }) => rates.bytesSent },
]);

let samples = [];
let bounds = [];
let histogram;

/** The upper end of the bucket in which a share of all counts is reached. */
function percentile(latency, share) {
  const all = latency.reduce((sum, count) => sum + count, 0);
  if (all === 0) return '–';
  let seen = 0;
  const bucket = latency.findIndex((count) => {
    seen += count;
    return seen >= all * share;
  });
  return bucket < bounds.length ? `≤ ${bounds[bucket]}` : `> ${bounds.at(-1)}`;
}

function show() {
  const last = samples.at(-1);
  if (last === undefined) return;
  const latency = bounds
    .concat(0)
    .map((_, i) => samples.slice(-WINDOW).reduce((sum, one) => sum + one.latency[i], 0));
  byId('connections').textContent = last.connections;
  byId('sessions').textContent = last.sessions;
  byId('received').textContent = shorten(Math.round(last.rates.messagesReceived));
  byId('sent').textContent = shorten(Math.round(last.rates.messagesSent));
  byId('p50').textContent = percentile(latency, 0.5);
  byId('p99').textContent = percentile(latency, 0.99);
  counts(samples);
  rates(samples);
  bytes(samples);
  histogram(latency);
}

function watch() {
  const socket = new WebSocket(url, 'dashboard');
  socket.onopen = () => state('open', 'Live');
  socket.onmessage = ({ data }) => {
    const told = JSON.parse(data);
    if (told.bounds !== undefined) {
      ({ bounds } = told);
      samples = [];
      histogram ??= createBars(byId('latency'), `Round trips of the last ${WINDOW} s, up to … ms`, [
        ...bounds,
        '∞',
      ]);
    }
    samples = [...samples, ...told.samples].slice(-POINTS);
    show();
  };
  socket.onclose = ({ code }) => {
    state('lost', `Lost (${code}); trying again`);
    setTimeout(watch, 500 + Math.random() * 1500);
  };
}

function state(name, text) {
  byId('state').dataset.state = name;
  byId('state').textContent = text;
}

const load = createLoad(url, (clients) => {
  byId('clients').textContent = clients === 1 ? '1 client' : `${clients} clients`;
  byId('none').disabled = clients === 0;
  byId('more').disabled = clients >= load.most;
});
byId('more').onclick = () => load.add(10);
byId('none').onclick = () => load.clear();

watch();
