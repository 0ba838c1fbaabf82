// The handlers of a round, in each shape that a program can give them.
import { setTimeout as sleep } from 'node:timers/promises';
import { act, actClosing, haunt } from './acts.mjs';

/** Which handlers there are, and whether messages are lent for the call only. */
export const shapes = {
  message: { open: true, message: true },
  lent: { open: true, message: true, binaryType: 'transient' },
  fragment: { open: true, fragment: true },
  loop: { loop: true },
  /* accepted by the native side alone */
  alone: { message: true },
  /* nobody reads: messages are discarded */
  unread: { open: true },
};

/** The label of a connection's decisions, and what its peer is called. */
const nameOf = (c) => c.request.path.slice(1);

/** Handlers of `shape` for one side. `nameOf` is asked once, at the first event. */
export function handlersOf(play, shape, side, called = nameOf) {
  const { oracle } = play;
  const sources = new WeakMap();

  function enter(c) {
    const life = oracle.open(c, called(c), side);
    life.lent = play.lent;
    sources.set(c, play.random.child(`${side}/${life.name}`));
    return life;
  }

  /** The life of a connection that has no open handler. */
  function lifeOf(c, kind) {
    if (!oracle.lives.has(c) && !shape.open && !shape.loop) enter(c).settled = true;
    return oracle.of(c, kind);
  }

  function received(c, data, info) {
    const life = lifeOf(c, info ? 'fragment' : 'message');
    const random = sources.get(c);
    const item = life.received(data, info);
    if (info && !info.final && random.chance(0.7)) return undefined;
    /* both sides answer: what each message brings forth must be less than one */
    if (side === 'client' && random.chance(0.9)) return undefined;
    return act(play, life, c, random, data, item);
  }

  function opened(c) {
    const life = enter(c);
    const random = sources.get(c);
    life.settled = true;
    if (random.chance(0.1)) c.data = { life };
    const first = act(play, life, c, random);
    if (!(first instanceof Promise) && !random.chance(0.15)) return undefined;
    life.settled = false;
    const settle = () => {
      life.settled = true;
    };
    return Promise.all([first, sleep(random.below(40))]).then(settle, (error) => {
      settle();
      throw error;
    });
  }

  async function loop(c) {
    const life = enter(c);
    const random = sources.get(c);
    life.loops = true;
    let left = false;
    for await (const data of c) {
      const item = life.ledger?.arrivedUp(life, data);
      if (life.closes === 0 && (side === 'server' || random.chance(0.1)))
        await act(play, life, c, random, data, item);
      if (random.chance(0.3)) await sleep(random.below(20));
      left = random.chance(0.02);
      if (left) break;
    }
    /* who left the loop holds the rest until the next one */
    if (!c.isOpen || (!left && random.chance(0.5))) return;
    life.weClosed = true;
    c.close();
  }

  return {
    ...(shape.open && { open: opened }),
    ...(shape.loop && { open: loop }),
    ...(shape.message && { message: (c, data) => received(c, data) }),
    ...(shape.fragment && { fragment: (c, data, info) => received(c, data, info) }),
    ...(shape.binaryType && { binaryType: shape.binaryType }),
    writable(c) {
      const life = lifeOf(c, 'writable');
      life.event('writable');
      if (sources.get(c).chance(0.3)) return act(play, life, c, sources.get(c));
      return undefined;
    },
    pong(c, data) {
      const life = lifeOf(c, 'pong');
      life.event('pong');
      if (data.length > 125) life.fail(`a pong of ${data.length} bytes`);
      const random = sources.get(c);
      if (random.chance(0.3)) play.holdings.steal(data, random);
      return undefined;
    },
    close(c, info) {
      const life = lifeOf(c, 'close');
      life.closed(c, info);
      haunt(play, life, c, sources.get(c));
      return actClosing(play, life, c, sources.get(c));
    },
  };
}
