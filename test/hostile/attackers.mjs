// Peers of a server, each of another bad kind. A faithful one reads everything and ends in order: it must have got
// whatever was accepted for it.
import { setTimeout as sleep } from 'node:timers/promises';
import { closeBody, compress } from './wire.mjs';

/** Handshakes, with some messages perhaps in the same segment; false when it was refused. */
async function enter(peer, random, play) {
  if (!(await peer.connect())) return false;
  const behind = random.chance(0.3)
    ? Array.from({ length: random.between(1, 4) }, () => peer.next(play.most))
    : [];
  /* compressed frames need an answer first */
  const status = await peer.upgrade({ offer: play.offer(random), behind: Buffer.concat(behind) });
  if (status === 101) return true;
  await leave(peer);
  return false;
}

/** Waits for the end of the other side, and ends its own. */
async function leave(peer) {
  await peer.over;
  peer.fin();
}

/** Some messages, one write each; stops when the other side closes. */
async function talk(peer, random, play, count = random.between(1, 20)) {
  for (let i = 0; i < count && peer.alive && peer.closeCode === undefined; i++) {
    await peer.write(peer.next(play.most));
    if (random.chance(0.3)) await sleep(random.below(10));
  }
}

/** Messages as one piece of bytes. */
function burst(peer, random, play, count = random.between(0, 8)) {
  return Buffer.concat(Array.from({ length: count }, () => peer.next(play.most)));
}

/** Answers the close frame that comes, or sends one after a while; then waits for the end. */
async function part(peer, random) {
  const until = Date.now() + random.between(0, 300);
  while (peer.alive && peer.closeCode === undefined && Date.now() < until) await sleep(5);
  if (peer.alive && !peer.closeWritten) peer.put(peer.closeFrame());
  await leave(peer);
}

/** Frames that end a connection (RFC 6455 5, RFC 7692), by what is wrong with them. */
const violations = {
  reservedBit: (peer) => peer.frame(1, Buffer.from('x'), { rsv: 1 }),
  reservedOpcode: (peer) => peer.frame(3, Buffer.from('x')),
  reservedControl: (peer) => peer.frame(11, Buffer.from('x')),
  unmasked: (peer) => peer.frame(2, Buffer.from('x'), { mask: undefined }),
  longControl: (peer) => peer.frame(9, Buffer.alloc(126)),
  partedControl: (peer) => peer.frame(9, Buffer.from('x'), { fin: false }),
  strayContinuation: (peer) => peer.frame(0, Buffer.from('x')),
  interrupted: (peer) =>
    Buffer.concat([peer.frame(1, Buffer.from('a'), { fin: false }), peer.frame(2, Buffer.from('b'))]),
  badText: (peer) => peer.frame(1, Buffer.from([0x61, 0xff, 0xfe])),
  badCloseCode: (peer) => peer.frame(8, closeBody(1005)),
  shortClose: (peer) => peer.frame(8, Buffer.from([3])),
  badCloseText: (peer) => peer.frame(8, Buffer.from([3, 0xe8, 0xff])),
  tooLarge: (peer) => peer.frame(2, Buffer.from('x'), { length: 0x7fff_ffff }),
  impossible: (peer) => peer.frame(2, Buffer.from('x'), { length: 2 ** 52 }),
  /* a block of the type that is none (RFC 1951 3.2.3) */
  badDeflate: (peer, { random }) => {
    const bytes = random.bytes(random.between(1, 300));
    bytes[0] |= 6;
    return peer.frame(2, bytes, { rsv: 4 });
  },
  bomb: (peer, { play }) => peer.frame(2, compress(Buffer.alloc(play.maxPayload + 1)), { rsv: 4 }),
};

const faithful = {
  async polite(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    await talk(peer, random, play);
    await part(peer, random);
  },
  async closesAtOnce(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    peer.put(Buffer.concat([burst(peer, random, play), peer.closeFrame()]));
    if (random.chance(0.5)) peer.fin();
    await leave(peer);
  },
  async finBehind(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    peer.put(burst(peer, random, play));
    peer.fin();
    await leave(peer);
  },
  async violates(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    const kind = random.pick(Object.keys(violations));
    const bytes = violations[kind](peer, { random, play });
    peer.ledger.oracle.trace(`peer ${peer.name} violates: ${kind}`);
    const before = burst(peer, random, play);
    if (random.chance(0.5)) peer.put(Buffer.concat([before, bytes]));
    else {
      await peer.write(before);
      if (peer.alive && peer.closeCode === undefined) peer.put(bytes);
    }
    await part(peer, random);
  },
  async slowReader(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    peer.socket.pause();
    await talk(peer, random, play, random.between(1, 6));
    await sleep(random.below(200));
    peer.socket.resume();
    await part(peer, random);
  },
  async floods(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    const count = random.between(200, 1500);
    const most = random.pick([0, 10, 200]);
    peer.put(Buffer.concat(Array.from({ length: count }, () => peer.next(Math.min(most, play.most)))));
    await part(peer, random);
  },
};

const faithless = {
  async resets(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    if (random.chance(0.5)) await talk(peer, random, play, random.below(4));
    peer.put(burst(peer, random, play));
    if (random.chance(0.5)) await sleep(random.below(20));
    peer.reset();
  },
  async stopsInFrame(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    peer.answersPings = false; /* a pong would be the rest of the frame */
    const bytes = peer.frame(random.pick([1, 2, 9]), Buffer.alloc(random.size(play.most), 'x'));
    peer.put(bytes.subarray(0, random.below(bytes.length)));
    await sleep(random.below(50));
    if (random.chance(0.4)) peer.fin();
    else peer.reset();
    await peer.over;
  },
  async neverReads(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    peer.socket.pause();
    await talk(peer, random, play, random.between(3, 30));
    await sleep(random.below(300));
    peer.reset();
  },
  async pingsOnly(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    const count = random.between(1, 400);
    const pings = Array.from({ length: count }, () => peer.frame(9, random.bytes(random.below(126))));
    await peer.write(Buffer.concat(pings));
    if (random.chance(0.5)) peer.reset();
    else await part(peer, random);
  },
  async goesBeforeTheAnswer(peer, random, play) {
    if (!(await peer.connect())) return;
    void peer.upgrade({ offer: play.offer(random) });
    if (random.chance(0.5)) await sleep(random.below(20));
    if (random.chance(0.5)) peer.reset();
    else peer.fin();
    await peer.over;
  },
  async garbage(peer, random) {
    if (!(await peer.connect())) return;
    await peer.write(Buffer.from(random.bytes(random.size(4096))));
    if (random.chance(0.5)) peer.fin();
    else await sleep(random.below(50));
    peer.reset();
  },
  async garbageForTls(peer, random, play) {
    peer.where = { ...peer.where, plainly: true };
    if (!(await peer.connect())) return;
    const hello = Buffer.from(random.bytes(random.size(600)));
    if (random.chance(0.5)) Buffer.from([22, 3, 1, 0, 200, 1, 0, 0]).copy(hello);
    await peer.write(play.where.tls ? hello : Buffer.concat([Buffer.from('GET / HTTP/1.1\r\n'), hello]));
    if (random.chance(0.5)) peer.fin();
    else peer.reset();
  },
  async wrongFramesAtOnce(peer, random, play) {
    if (!(await peer.connect())) return;
    const kinds = Array.from({ length: random.between(1, 5) }, () => random.pick(Object.keys(violations)));
    const behind = Buffer.concat(kinds.map((kind) => violations[kind](peer, { random, play })));
    await peer.upgrade({ offer: play.offer(random), behind });
    if (random.chance(0.5)) await sleep(random.below(30));
    peer.reset();
  },
  async breaksTls(peer, random, play) {
    if (!(await enter(peer, random, play))) return;
    await talk(peer, random, play, random.below(3));
    if (play.where.tls) peer.plain.write(random.bytes(random.between(1, 200)));
    await sleep(random.below(30));
    peer.reset();
  },
};

/** Names by kind. */
export const kinds = { faithful: Object.keys(faithful), faithless: Object.keys(faithless) };

/** Plays one peer to its end. */
export async function attack(kind, peer, random, play) {
  await (faithful[kind] ?? faithless[kind])(peer, random, play);
  if (faithful[kind] && peer.status === 101) peer.ledger.judge(peer.ended);
  peer.destroy();
}
