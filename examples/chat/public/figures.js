// The live figures of the server, over a WebSocket of their own with the subprotocol "stats".
import { createChart, shorten } from './chart.js';
import { openLink } from './link.js';

const POINTS = 60;

function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 * 1024) return `${(value / 1024).toFixed(1)} KiB`;
  return `${(value / 1024 / 1024).toFixed(1)} MiB`;
}

const totals = [
  ['Messages received', (stats) => shorten(stats.messagesReceived)],
  ['Messages sent', (stats) => shorten(stats.messagesSent)],
  ['Bytes received', (stats) => bytes(stats.bytesReceived)],
  ['Bytes sent', (stats) => bytes(stats.bytesSent)],
  ['Connections so far', (stats) => shorten(stats.opened)],
  ['Requests', (stats) => shorten(stats.requests)],
];

export function showFigures() {
  const card = document.querySelector('#figures');
  const state = document.querySelector('#figures-state');
  const messages = createChart(document.querySelector('#chart-messages'), {
    title: 'Messages per second',
    points: POINTS,
    series: [
      { key: 'received', label: 'in' },
      { key: 'sent', label: 'out' },
    ],
  });
  const connections = createChart(document.querySelector('#chart-connections'), {
    title: 'Connections',
    points: POINTS,
    series: [{ key: 'connections', label: 'open' }],
  });
  const list = document.querySelector('#totals');
  const rows = totals.map(([name, format]) => {
    const term = document.createElement('dt');
    term.textContent = name;
    const value = document.createElement('dd');
    value.textContent = '–';
    const row = document.createElement('div');
    row.append(term, value);
    list.append(row);
    return (stats) => {
      value.textContent = format(stats);
    };
  });

  openLink({
    protocols: () => ['stats'],
    onMessage(message) {
      for (const chart of [messages, connections]) {
        if (message.type === 'minute') chart.set(message.samples);
        else chart.push(message.sample);
      }
      for (const show of rows) show(message.stats);
    },
    onState({ name }) {
      card.dataset.live = String(name === 'open');
      state.textContent = name === 'open' ? 'live' : 'waiting';
    },
  });
}
