// What is measured: one entry more is one row more in every table.
//
// name     the word for --cells
// measure  'cpu': server CPU time per message; 'memory': server RSS per connection
// per      what 'cpu' is divided by, in words: message, delivery, connection
// load     options of the load generator (bench/README.md lists them)
// role     'client': the peer's client is measured, and the load generator is its server; without: its server
// alone    only our server is measured
// server   options of the server scripts: mode (echo, broadcast), transient, keep, unix, tls, deflate, busy, threads, topics, watch
// targets  for libwebsockets, at most: `first` mark and `goal`. For 'cpu' a ratio to ws in the same run, for 'memory' bytes
// settle   'memory': milliseconds between the last upgrade and the reading

const Ki = 1024;

const echo = (name, connections, size, targets, more = {}) => ({
  name: `echo-${name}`,
  measure: 'cpu',
  per: 'message',
  load: { mode: 'echo', connections, size, ...more.load },
  server: { mode: 'echo', ...more.server },
  targets,
});

const broadcast = (name, connections, senders, targets, { size = 20, topics = 1 } = {}) => ({
  name: `broadcast-${name}`,
  measure: 'cpu',
  per: 'delivery',
  load: { mode: 'broadcast', connections, senders, size },
  server: { mode: 'broadcast', ...(topics > 1 ? { topics } : {}) },
  targets,
});

// One connection floods, so many messages in flight; the latency is that of the others, which send now and then.
const mixed = (name, depth, more = {}) => ({
  name: `mixed-${name}`,
  measure: 'cpu',
  per: 'message',
  load: { mode: 'mixed', connections: 50, senders: depth > 0 ? 1 : 0, depth: depth || 1, size: Ki, spin: 1 },
  server: { mode: 'echo', ...more.server },
  targets: {},
});

const client = (name, size, targets) => ({
  name: `client-${name}`,
  role: 'client',
  measure: 'cpu',
  per: 'message',
  load: { mode: 'echo', connections: 50, size, listen: 1 },
  server: {},
  targets,
});

const deep = { load: { depth: 16 } };
const transient = { server: { transient: true } };
const kept = { server: { keep: 100 } };
const ascii = { load: { kind: 'ascii' } };
const deflated = { load: { kind: 'words', deflate: 1 }, server: { deflate: true } };
const utf8 = { load: { kind: 'utf8' } };

export const cells = [
  echo('50x20', 50, 20, { first: 0.6, goal: 0.55 }),
  echo('500x20', 500, 20, { goal: 0.46 }),
  ...[5_000, 10_000, 19_000].map((connections) => echo(`${connections}x20`, connections, 20, {})),
  echo('50x1Ki', 50, Ki, { goal: 0.45 }),
  echo('50x16Ki', 50, 16 * Ki, { first: 0.3, goal: 0.18 }),
  echo('50x64Ki', 50, 64 * Ki, { goal: 0.115 }),
  echo('50x256Ki', 50, 256 * Ki, {}),
  echo('50x1Mi', 50, 1024 * Ki, {}),
  echo('50x20-deep16', 50, 20, { first: 0.1, goal: 0.055 }, deep),
  echo('50x1Ki-deep16', 50, Ki, { goal: 0.075 }, deep),
  echo('50x16Ki-transient', 50, 16 * Ki, { goal: 0.17 }, transient),
  echo('50x64Ki-transient', 50, 64 * Ki, { goal: 0.1 }, transient),
  echo('50x16Ki-kept100', 50, 16 * Ki, { goal: 0.18 }, kept),
  echo('50x64Ki-kept100', 50, 64 * Ki, { goal: 0.115 }, kept),
  echo('50x20-ascii', 50, 20, {}, ascii),
  echo('50x1Ki-ascii', 50, Ki, {}, ascii),
  echo('50x1Ki-utf8', 50, Ki, {}, utf8),
  echo('50x20-unix', 50, 20, {}, { server: { unix: true } }),
  echo('1x20', 1, 20, {}),
  echo('1x20-spin', 1, 20, {}, { load: { spin: 1 } }),
  echo('1x20-spin-busy', 1, 20, {}, { load: { spin: 1 }, server: { busy: true } }),
  mixed('quiet', 0),
  mixed('flood64', 64),
  mixed('flood1024', 1024),
  ...[2, 4].map((threads) => ({
    ...echo(`50x20-threads${threads}`, 50, 20, {}, { server: { threads } }),
    alone: true,
  })),
  broadcast('1000x20-one', 1000, 1, { goal: 0.62 }),
  broadcast('100x20-all', 100, 100, { goal: 0.2 }),
  ...[10, 100, 10_000].map((connections) => broadcast(`${connections}x20-one`, connections, 1, {})),
  ...[10, 100, 1000].map((topics) => broadcast(`100x20-topics${topics}`, 100, 1, {}, { topics })),
  broadcast('100x16Ki-one', 100, 1, {}, { size: 16 * Ki }),
  echo('50x1Ki-tls', 50, Ki, { goal: 0.6 }, { load: { tls: 1 }, server: { tls: true } }),
  echo('50x16Ki-tls', 50, 16 * Ki, {}, { load: { tls: 1 }, server: { tls: true } }),
  echo('50x1Ki-deflate', 50, Ki, { goal: 0.6 }, deflated),
  echo('50x16Ki-deflate', 50, 16 * Ki, {}, deflated),
  client('50x20', 20, { goal: 0.6 }),
  client('50x16Ki', 16 * Ki, { goal: 0.4 }),
  {
    name: 'connect-50',
    measure: 'cpu',
    per: 'connection',
    load: { mode: 'connect', connections: 50 },
    server: { mode: 'echo' },
    targets: {},
  },
  {
    name: 'idle-10000',
    measure: 'memory',
    per: 'connection',
    load: { mode: 'idle', connections: 10000 },
    server: { mode: 'echo' },
    settle: 1000,
    targets: { first: 2700, goal: 2200 },
  },
  {
    name: 'idle-10000-open',
    measure: 'memory',
    per: 'connection',
    load: { mode: 'idle', connections: 10000 },
    server: { mode: 'echo', watch: true },
    settle: 1000,
    targets: {},
  },
  {
    name: 'idle-tls',
    measure: 'memory',
    per: 'connection',
    load: { mode: 'idle', connections: 5000, tls: 1 },
    server: { mode: 'echo', tls: true },
    settle: 1000,
    targets: {},
  },
];
