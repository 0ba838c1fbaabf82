// What is promised, and whether it was kept: of each connection, of each peer, of each server.
import { message } from './wire.mjs';

/** Connections that a handler was told of, and what they have said, once a `Life` each. */
export class Life {
  constructor(oracle, name, ledger, side) {
    this.oracle = oracle;
    this.name = name;
    this.ledger = ledger;
    this.side = side;
    this.settled = false;
    this.weClosed = false;
    this.paused = false;
    this.closes = 0;
    this.pieces = undefined;
  }

  fail(text) {
    this.oracle.fail(`${this.side} connection ${this.name}: ${text}`);
  }

  /** Any event but `close`. */
  event(kind) {
    this.oracle.trace(`${this.side} ${this.name} ${kind}`);
    if (this.closes > 0) this.fail(`${kind} after close`);
  }

  /** A whole message, or the parts of one. Returns what it is by the peer's ledger, where it is known. */
  received(data, info) {
    this.event(info ? 'fragment' : 'message');
    if (!this.settled) this.fail('a message before open had settled');
    if (this.weClosed) this.fail('a message after close() or terminate()');
    if (this.paused) this.fail('a message after pause()');
    if (!info) return this.ledger?.arrivedUp(this, data);
    if (info.first !== (this.pieces === undefined)) this.fail(`first is ${info.first} in the wrong place`);
    this.pieces ??= [];
    this.pieces.push(Buffer.from(data));
    if (!info.final) return undefined;
    const whole = Buffer.concat(this.pieces);
    this.pieces = undefined;
    return this.ledger?.arrivedUp(this, info.text ? whole.toString() : whole);
  }

  closed(connection, info) {
    this.oracle.trace(`${this.side} ${this.name} close ${info.code} ${info.clean} ${info.reason}`);
    if (++this.closes > 1) this.fail('close for the second time');
    if (connection.isOpen) this.fail('isOpen inside close');
    if (!Number.isInteger(info.code) || info.code < 1000 || info.code > 4999) this.fail(`code ${info.code}`);
    if (info.clean && info.code === 1006) this.fail('a clean end with 1006');
  }

  /** What `send` answered. */
  sent(connection, wasOpen, item, result) {
    if (!wasOpen && result !== 'closed') this.fail(`send answered '${result}' where isOpen was false`);
    if (wasOpen && result === 'closed' && connection.isOpen) this.fail(`'closed' where isOpen stays true`);
    if (result === 'closed') return;
    if (result !== 'dropped') this.ledger?.accepted(item);
  }
}

/** Both directions between one peer and the connection of its name. */
export class Ledger {
  constructor(oracle, name) {
    this.oracle = oracle;
    this.name = name;
    this.up = [];
    this.taken = 0;
    this.down = [];
    this.seen = 0;
    this.closeSeen = undefined;
    this.cut = false; /* terminated, or forced by a timeout: the rest may be lost */
    this.lastPublication = -1;
  }

  fail(text) {
    this.oracle.fail(`peer ${this.name}: ${text}`);
  }

  /** The next message of the peer, to be written now. */
  plan(random, most) {
    const item = { seq: this.up.length, size: random.size(most), text: random.chance(0.5) };
    this.up.push(item);
    return { item, data: message(this.name, item) };
  }

  arrivedUp(life, data) {
    const item = this.up[this.taken++];
    if (item === undefined) life.fail(`message ${this.taken} of ${this.up.length}`);
    const expected = message(this.name, item);
    if (same(data, expected)) return item;
    return life.fail(
      `message ${item.seq} was ${describe(expected)} and came as ${difference(data, expected)}`,
    );
  }

  /** The next message to the peer. */
  answer(random, most) {
    const item = { seq: this.down.length, size: random.size(most), text: random.chance(0.5) };
    return { item, data: message(`s${this.name}`, item) };
  }

  accepted(item) {
    if (item) this.down.push(item);
  }

  arrivedDown(data) {
    if (this.closeSeen !== undefined) this.fail('a message behind the close frame');
    if (this.publication(data)) return;
    const item = this.down[this.seen++];
    if (item === undefined) this.fail(`received ${describe(data)}, which nobody sent`);
    const expected = message(`s${this.name}`, item);
    if (!same(data, expected))
      this.fail(`expected ${describe(expected)} but received ${difference(data, expected)}`);
  }

  publication(data) {
    const text = typeof data === 'string' ? data : data.toString('latin1', 0, 24);
    const found = /^P(\d+)\|/.exec(text);
    if (!found) return false;
    const number = Number(found[1]);
    if (number <= this.lastPublication) this.fail(`publication ${number} after ${this.lastPublication}`);
    this.lastPublication = number;
    return true;
  }

  /** A peer that read everything has everything that was accepted for it. */
  judge(how) {
    this.oracle.trace(
      `peer ${this.name} ended by ${how}, ${this.seen} of ${this.down.length}, close ${this.closeSeen}`,
    );
    if (this.cut || this.seen === this.down.length) return;
    this.fail(
      `${this.down.length} messages were accepted for it, ${this.seen} arrived before ` +
        (this.closeSeen === undefined ? how : `the close frame ${this.closeSeen}`),
    );
  }
}

function same(a, b) {
  if (typeof a !== typeof b) return false;
  return typeof a === 'string' ? a === b : Buffer.compare(a, b) === 0;
}

function describe(data) {
  const text = typeof data === 'string' ? `'${data.slice(0, 24)}'` : `<${data.toString('latin1', 0, 24)}>`;
  return `${text} of ${data.length}`;
}

/** What differs, and from where to where. */
function difference(data, expected) {
  const differs = (i) => data[i] !== expected[i];
  let from = 0;
  while (from < expected.length && !differs(from)) from++;
  let to = Math.min(data.length, expected.length);
  while (to > from && !differs(to - 1)) to--;
  const part = typeof data === 'string' ? data.slice(from, to) : data.subarray(from, to);
  return `${describe(data)}; from ${from} to ${to} it has ${describe(part)}`;
}

const TRACED = 80;

/** Everything of one round; `fail` ends the process with the last of what happened. */
export class Oracle {
  constructor(title, fail) {
    this.title = title;
    this.lives = new Map();
    this.ledgers = new Map();
    this.opened = 0;
    this.last = [];
    this.traced = 0;
    this.tell = fail;
  }

  trace(text) {
    this.traced++;
    this.last.push(text);
    if (this.last.length > TRACED) this.last.shift();
  }

  fail(text) {
    this.tell(`${text}\n  in ${this.title}\n  lately:\n    ${this.last.join('\n    ')}`);
  }

  ledger(name) {
    const ledger = new Ledger(this, name);
    this.ledgers.set(name, ledger);
    return ledger;
  }

  open(connection, name, side) {
    if (this.lives.has(connection)) this.fail(`${side} connection ${name} opened for the second time`);
    const life = new Life(this, name, this.ledgers.get(name), side);
    this.lives.set(connection, life);
    if (side === 'server') this.opened++;
    life.event('open');
    return life;
  }

  of(connection, kind) {
    const life = this.lives.get(connection);
    if (life === undefined) this.fail(`${kind} of a connection that never opened`);
    return life;
  }

  /** At the end of a round, when nobody is there any more. */
  balance(stats) {
    for (const life of this.lives.values())
      if (life.closes !== 1) life.fail(`told ${life.closes} times that it closed`);
    const left = ['transports', 'connections', 'topics', 'subscriptions'].filter((key) => stats[key] !== 0);
    if (left.length > 0) this.fail(`left behind: ${left.map((key) => `${stats[key]} ${key}`).join(', ')}`);
    if (stats.opened !== stats.closed || stats.opened !== this.opened)
      this.fail(`${this.opened} opens were told, stats say ${stats.opened} opened, ${stats.closed} closed`);
    if (stats.accepted < stats.opened) this.fail(`${stats.accepted} accepted, ${stats.opened} opened`);
    const taken = [...this.ledgers.values()].reduce((sum, ledger) => sum + ledger.taken, 0);
    if (stats.messagesReceived < taken)
      this.fail(`${taken} messages were told, stats say ${stats.messagesReceived}`);
  }
}
