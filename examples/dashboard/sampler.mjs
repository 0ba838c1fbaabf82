// The last minute in samples, and who wants to know.
import { bounds } from './latency.mjs';

const SAMPLES = 60;
const rated = ['messagesReceived', 'messagesSent', 'bytesReceived', 'bytesSent', 'opened', 'closed'];

/** @param {() => object} read what there is to know now: counters and gauges */
export function createSampler(read) {
  const watchers = new Set();
  const samples = [];
  let last;

  function take() {
    const at = performance.now();
    const now = read();
    const seconds = last === undefined ? 1 : (at - last.at) / 1000;
    const rates = rated.map((name) => [
      name,
      last === undefined ? 0 : (now[name] - last.now[name]) / seconds,
    ]);
    last = { at, now };
    const { connections, sessions, latency } = now;
    const sample = { connections, sessions, latency, rates: Object.fromEntries(rates) };
    samples.push(sample);
    if (samples.length > SAMPLES) samples.shift();
    const text = JSON.stringify({ samples: [sample] });
    for (const watcher of watchers) {
      // A page that cannot keep up gets the next sample: old ones are of no use to it.
      if (watcher.bufferedAmount === 0) watcher.send(text);
    }
  }

  return {
    take,
    join(watcher) {
      watchers.add(watcher);
      watcher.send(JSON.stringify({ bounds, samples }));
    },
    leave: (watcher) => void watchers.delete(watcher),
  };
}
