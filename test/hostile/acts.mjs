// What handlers do, as a seed decides: everything that the API allows at that moment, and some that it does not.
import { setTimeout as sleep } from 'node:timers/promises';

export class Hostile extends Error {}

/** `size` as a limit of what is sent: most answers are short. */
const ANSWER = 20_000;

function send(play, life, c, random, most = ANSWER) {
  const { item, data } = life.ledger
    ? life.ledger.answer(random, Math.min(most, play.mostDown))
    : { item: undefined, data: Buffer.alloc(random.size(most)) };
  const wasOpen = c.isOpen;
  life.sent(c, wasOpen, item, c.send(data, ...(random.chance(0.1) ? [{ compress: false }] : [])));
  if (typeof data === 'string') return;
  data.fill(0xee); /* ours again */
  if (random.chance(0.1) && data.buffer.byteLength === data.length)
    structuredClone(data.buffer, { transfer: [data.buffer] });
}

function close(life, c, random) {
  life.weClosed = true;
  c.close(random.pick([1000, 1001, 1011, 3000, 4999]), random.pick(['', 'bye', 'é'.repeat(61)]));
}

function pause(life, c, random) {
  if (!c.isOpen) return;
  c.pause();
  life.paused = true;
  const resume = () => {
    if (life.closes > 0) return;
    life.paused = false;
    c.resume();
  };
  if (random.chance(0.2)) queueMicrotask(resume);
  else if (random.chance(0.3)) setImmediate(resume);
  else setTimeout(resume, random.below(60));
}

/** Answers `closed` and does nothing, or says why it throws. */
function useDead(play, life, c) {
  const strict = play.strict && life.closes > 0;
  const use = (what) => {
    try {
      return what();
    } catch (error) {
      if (!strict || error.code !== 'ERR_CONNECTION_CLOSED') throw error;
      return undefined;
    }
  };
  const answer = use(() => c.send('late'));
  if (answer !== undefined && answer !== 'closed')
    life.fail(`send of a dead connection answered '${answer}'`);
  use(() => c.ping());
  use(() => c.close());
  use(() => c.terminate());
  use(() => c.pause());
  use(() => c.resume());
  use(() => c.requestWritable());
  use(() => c.topics);
  if (life.side === 'server') {
    use(() => c.subscribe('late'));
    use(() => c.publish('late', 'x'));
  }
  if (use(() => c.memory)?.byteLength) life.fail('the memory of a dead connection is still there');
  if (use(() => c.data) !== undefined) life.fail('the data of a dead connection is still there');
  void c.id;
  void c.request.url;
  void c.signal.aborted;
}

const TOPICS = ['a', 'b', 'c'];

function publish(play, random, on) {
  const data = `P${play.publications++}|${'p'.repeat(random.size(5000))}`;
  on.publish(random.pick(TOPICS), random.chance(0.5) ? data : Buffer.from(data));
}

function block(random) {
  const until = performance.now() + random.between(1, 25);
  while (performance.now() < until);
}

/** By name; `c` is the connection, `item` what its message is by the ledger of the peer. */
const acts = {
  nothing() {},
  send: ({ play, life, c, random }) => send(play, life, c, random),
  sendSome({ play, life, c, random }) {
    for (let i = random.between(2, 30); i > 0; i--) send(play, life, c, random, 200);
  },
  sendLarge: ({ play, life, c, random }) => send(play, life, c, random, 1 << 20),
  sendLater({ play, life, c, random }) {
    const later = () => life.closes === 0 && send(play, life, c, random);
    if (random.chance(0.5)) queueMicrotask(later);
    else setTimeout(later, random.below(30));
  },
  sendWrong({ life, c }) {
    if (life.closes > 0 || !c.isOpen) return;
    const gone = new Uint8Array(8);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    for (const wrong of [gone, 7, null, {}]) {
      try {
        c.send(wrong);
      } catch (error) {
        if (error.code === 'ERR_INVALID_ARGUMENT') continue;
        throw error;
      }
      life.fail(`send took ${wrong}`);
    }
  },
  ping: ({ c, random }) => c.ping(random.bytes(random.below(126))),
  close: ({ life, c, random }) => close(life, c, random),
  closeAndSend({ play, life, c, random }) {
    close(life, c, random);
    send(play, life, c, random);
  },
  sendAndClose({ play, life, c, random }) {
    send(play, life, c, random);
    close(life, c, random);
  },
  terminate({ life, c }) {
    life.weClosed = true;
    if (life.ledger) life.ledger.cut = true;
    c.terminate();
  },
  pause: ({ life, c, random }) => pause(life, c, random),
  wantWritable: ({ c }) => c.requestWritable(),
  subscribe: ({ life, c, random }) => life.side === 'server' && c.subscribe(random.pick(TOPICS)),
  unsubscribe: ({ life, c, random }) => life.side === 'server' && c.unsubscribe(random.pick(TOPICS)),
  publish: ({ play, life, c, random }) => publish(play, random, life.side === 'server' ? c : play.server),
  publishAll: ({ play, random }) => publish(play, random, play.server),
  throws({ life }) {
    life.weClosed = true;
    throw new Hostile('a handler throws');
  },
  async rejects({ random }) {
    if (random.chance(0.5)) await sleep(random.below(20));
    throw new Hostile('a handler rejects');
  },
  data({ life, c }) {
    if (life.closes === 0) c.data = { life };
  },
  memory({ life, c, random }) {
    if (life.closes > 0) return;
    const { memory } = c;
    if (memory.byteLength > 0) Buffer.from(memory).fill(random.below(256));
    if (memory.byteLength > 0 && random.chance(0.2)) structuredClone(memory, { transfer: [memory] });
  },
  keep({ play, life, data, item }) {
    if (!play.lent) play.holdings.keep(life.name, item, data);
  },
  steal: ({ play, random, data }) => data !== undefined && play.holdings.steal(data, random),
  clone: ({ play, data }) => data !== undefined && play.holdings.clone(data),
  touch: ({ play, life, random }) => play.holdings.touch(random, (text) => life.fail(text)),
  gc: () => globalThis.gc?.(),
  block: ({ random }) => block(random),
  watch({ life, c }) {
    void c.closed.then((info) => Number.isInteger(info.code) || life.fail('closed without a code'));
    c.signal.addEventListener('abort', () => life.closes === 1 || life.fail('signal aborted before close'));
  },
  look({ play, life, c }) {
    void [c.bufferedAmount, c.protocol, c.topics, c.request.headers.get('host'), play.server.stats()];
    if (life.side === 'server' && play.server.connections.get(c.id) !== c && life.closes === 0 && c.isOpen)
      life.fail('not among the connections of its server');
  },
  other({ play, random }) {
    const others = [...play.server.connections];
    const other = others[random.below(others.length)];
    const found = other && play.oracle.lives.get(other);
    if (!found || found.closes > 0) return;
    const name = random.pick([
      'send',
      'sendSome',
      'close',
      'terminate',
      'pause',
      'ping',
      'subscribe',
      'publish',
    ]);
    acts[name]({ play, life: found, c: other, random });
  },
  closeServer: ({ play, random }) => play.closeServer(random),
};

/** One event of a handler: an act or several. Returns what a handler returns. */
export function act(play, life, c, random, data, item) {
  const promises = [];
  for (let i = random.chance(0.8) ? 1 : random.between(0, 4); i > 0; i--) {
    const name = random.weighted(play.temper);
    play.oracle.trace(`  ${life.name} ${name}`);
    if (play.exitAfter !== undefined && play.exitAfter-- === 0) process.exit(0);
    const returned = acts[name]({ play, life, c, random, data, item });
    if (returned instanceof Promise) promises.push(returned);
    if (name === 'rejects') break;
  }
  return promises[0];
}

/** Inside `close`: everything is still readable, and nothing can be sent. */
export function actClosing(play, life, c, random) {
  if (c.send('x') !== 'closed') life.fail('send inside close');
  const { data } = c;
  if (data !== undefined && data.life !== life) life.fail('data of another connection');
  const name = random.weighted({
    nothing: 10,
    touch: 1,
    gc: 0.1,
    other: 1,
    publishAll: 1,
    block: 0.2,
    ...play.closing,
  });
  play.oracle.trace(`  ${life.name} ${name} inside close`);
  return acts[name]({ play, life, c, random });
}

/** Uses a connection that is dead, now or later. */
export function haunt(play, life, c, random) {
  if (random.chance(0.3)) setImmediate(() => useDead(play, life, c));
  if (random.chance(0.05)) setTimeout(() => useDead(play, life, c), random.below(100));
}
