import { protocol } from 'libwebsockets';

const INTERVAL = 1000;
const SAMPLES_MAX = 60;

/**
 * The handlers of the subprotocol `stats`: what the last minute was on open, then a sample each second.
 *
 * @param {() => import('libwebsockets').ServerStats} read
 */
export function statsProtocol(read) {
  const watchers = new Set();
  /** @type {object[]} */
  const samples = [];
  /** @type {{ at: number, stats: import('libwebsockets').ServerStats } | undefined} */
  let last;

  function take() {
    const at = performance.now();
    const stats = read();
    const seconds = last === undefined ? 0 : (at - last.at) / 1000;
    const rate = (key) => (last === undefined ? 0 : (stats[key] - last.stats[key]) / seconds);
    const sample = {
      at: Date.now(),
      received: rate('messagesReceived'),
      sent: rate('messagesSent'),
      connections: stats.connections,
    };
    last = { at, stats };
    samples.push(sample);
    if (samples.length > SAMPLES_MAX) samples.shift();
    const text = JSON.stringify({ type: 'sample', sample, stats });
    for (const watcher of watchers) watcher.send(text);
  }

  const timer = setInterval(take, INTERVAL).unref();

  return {
    protocol: protocol({
      open(connection) {
        watchers.add(connection);
        connection.send(JSON.stringify({ type: 'minute', samples, stats: read() }));
      },
      message(connection) {
        connection.close(1008, 'Nothing is expected here.');
      },
      close(connection) {
        watchers.delete(connection);
      },
    }),
    stop() {
      clearInterval(timer);
    },
  };
}
