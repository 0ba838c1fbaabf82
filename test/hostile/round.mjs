// One round: a server as a seed makes it, everybody who comes to it, and the count when all have gone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Hostile } from './acts.mjs';
import { attack, kinds } from './attackers.mjs';
import { victims, visitors } from './clients.mjs';
import { handlersOf, shapes } from './handlers.mjs';
import { holdings } from './memory.mjs';
import { Oracle } from './oracle.mjs';
import { Peer } from './peer.mjs';
import { randomOf } from './random.mjs';
import { answer, requests } from './requests.mjs';
import { tempers } from './tempers.mjs';

/** How long nothing at all may happen while an end is awaited; then somebody hangs. A slow machine is no hang. */
const PATIENCE = 30_000;

const offers = [
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits; server_max_window_bits=9',
  'x-unknown, permessage-deflate; nonsense=1, permessage-deflate',
];

/** Everything that the round's seed decides beforehand. */
function decide(random, fixed) {
  const temper = random.weighted({ echo: 2, calm: 3, memory: 2, violent: 3 });
  const plan = {
    transport: random.weighted({ plain: 5, tls: 4, unix: 1 }),
    shape: random.weighted({ message: 4, lent: 2, fragment: 2, loop: 2, alone: 2, unread: 1 }),
    deflate: random.chance(0.4),
    upgrade: random.weighted({ none: 4, sync: 2, async: 2, wild: 1 }),
    temper,
    peers: random.between(4, 16),
    faithful: random.pick([0.3, 0.7, 1]),
    requests: random.chance(0.4) ? random.between(1, 6) : 0,
    visitors: random.chance(0.4) ? random.between(1, 4) : 0,
    victims: random.chance(0.3) ? random.between(1, 4) : 0,
    maxPayload: random.pick([1000, 70_000, 1 << 20]),
    maxBackpressure: random.pick([20_000, 1 << 20, 16 << 20]),
    drops: random.chance(0.3),
    strict: random.chance(0.2),
    ...fixed,
  };
  return plan;
}

function optionsOf(play, plan, random, certificate) {
  const { oracle } = play;
  const shape = shapes[plan.shape];
  const options = {
    ...handlersOf(play, shape, 'server'),
    maxPayload: plan.maxPayload,
    maxBackpressure: plan.maxBackpressure,
    onBackpressure: plan.drops ? 'drop' : 'close',
    strictLifetime: plan.strict,
    memory: random.pick([0, 16, 5000]),
    keepAliveTimeout: random.pick([50, 5_000]),
    pingInterval: random.pick([0, 20, 30_000]),
    idleTimeout: 0,
    request: (request) => answer(request, play.random.child(`request/${play.requested++}`)),
    error(error) {
      const ours = (cause) => cause instanceof Hostile || /^hostile: /.test(cause?.message);
      if (error.code === 'ERR_HANDLER' && ours(error.cause)) return;
      if (/^ERR_(BODY|HANDLER|TIMEOUT|TLS)$/.test(error.code) && !error.message.includes('handler failed'))
        return;
      oracle.fail(`error was told ${error.stack}\n  because of ${error.cause?.stack}`);
    },
  };
  if (plan.deflate)
    options.perMessageDeflate = random.pick([
      true,
      { threshold: 0 },
      { contextTakeover: true, peerContextTakeover: true, threshold: 0 },
      { level: 0, threshold: 100 },
      { windowBits: 9, memLevel: 1, threshold: 0 },
    ]);
  if (plan.upgrade !== 'none') options.upgrade = (request) => decideUpgrade(plan, request, play);
  if (plan.transport === 'tls') options.tls = certificate;
  return options;
}

function decideUpgrade(plan, request, play) {
  const random = play.random.child(`upgrade${request.path}`);
  if (plan.upgrade === 'wild') {
    if (random.chance(0.1)) throw new Hostile('upgrade throws');
    if (random.chance(0.2)) return { status: 403, body: 'no' };
  }
  const answered = { headers: { 'X-Round': 'yes' } };
  return plan.upgrade === 'sync' ? answered : sleep(random.below(40), answered);
}

/** True within the patience, or false. */
async function soon(holds, patience = PATIENCE) {
  const until = Date.now() + patience;
  while (!holds()) {
    if (Date.now() > until) return false;
    await sleep(2);
  }
  return true;
}

async function within(promise, oracle, what) {
  let settled = false;
  const end = promise.finally(() => {
    settled = true;
  });
  let seen = -1;
  while (!settled) {
    if (oracle.traced === seen) return oracle.fail(what());
    seen = oracle.traced;
    const timer = new AbortController();
    await Promise.race([end, sleep(PATIENCE, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
  return end;
}

/**
 * Plays the round of `seed`. `library`: the package; `fixed`: what is decided already; `fail` is told what was broken
 * and ends the process; `send` takes transferred memory to another thread.
 */
export async function playRound({ seed, library, certificate, fixed = {}, fail, send, began, exitAfter }) {
  const random = randomOf(seed);
  const plan = decide(random.child('plan'), fixed);
  const title = `round ${seed}: ${JSON.stringify(plan)}`;
  const oracle = new Oracle(title, fail);
  const play = {
    random,
    oracle,
    holdings: holdings(send),
    temper: tempers[plan.temper],
    lent: plan.shape === 'lent' || plan.shape === 'fragment',
    strict: plan.strict,
    maxPayload: plan.maxPayload,
    most: plan.maxPayload,
    mostDown: plan.temper === 'violent' ? 1 << 20 : 300_000,
    publications: 0,
    requested: 0,
    exitAfter /* so many acts, if not undefined: in the next one the process, or the worker, exits */,
    closeServer,
  };
  const folder = plan.transport === 'unix' ? mkdtempSync(join(tmpdir(), 'lwsn-')) : undefined;
  const options = optionsOf(play, plan, random.child('options'), certificate);
  const at = folder ? { socketPath: join(folder, 's') } : { host: '127.0.0.1' };
  const server = library.createServer({ ...options, ...at });
  play.server = server;
  let closing;
  function closeServer(how) {
    if (closing) return;
    const timeout = how.pick([0, 100, 4_000]);
    if (timeout < 1_000) for (const ledger of oracle.ledgers.values()) ledger.cut = true;
    closing = server.close({ timeout, code: how.pick([1001, 1012]) });
  }
  play.offer = (by) => (plan.deflate && by.chance(0.8) ? by.pick(offers) : undefined);
  const { port } = await server.listen();
  play.where = { port, path: at.socketPath, tls: plan.transport === 'tls' };
  began?.(port);

  const peers = [];
  play.closing = plan.temper === 'violent' ? { throws: 0.5, rejects: 0.5 } : {};
  function visit(i) {
    const own = random.child(`peer${i}`);
    const faithful = own.chance(plan.faithful);
    const kind = own.pick(faithful ? kinds.faithful : kinds.faithless);
    const peer = new Peer(own, play.where, `p${i}`, oracle.ledger(`p${i}`));
    peer.kind = kind;
    if (closing) peer.ledger.cut = true;
    peers.push(peer);
    return attack(kind, peer, own, play);
  }
  async function come(i) {
    await sleep(random.child(`delay${i}`).below(200));
    await visit(i);
  }
  async function ask(i) {
    const own = random.child(`request${i}`);
    const peer = new Peer(own, play.where, `q${i}`);
    peers.push(peer);
    await sleep(own.below(200));
    await requests(peer, own);
  }
  const count = (n, each) => Array.from({ length: n }, (_, i) => each(i));
  const scheme = play.where.tls ? 'wss' : 'ws';
  const more = {
    ...(folder && { socketPath: at.socketPath }),
    ...(play.where.tls && { tls: { ca: certificate.cert, serverName: undefined } }),
    perMessageDeflate: plan.deflate,
    strictLifetime: plan.strict,
    error: options.error,
  };
  const everybody = [
    ...count(plan.peers, come),
    ...count(plan.requests, ask),
    visitors(play, library.connect, `${scheme}://localhost:${port}`, plan.visitors, more),
    victims(play, library.connect, plan.victims, options.error),
  ];
  await within(Promise.all(everybody), oracle, () => {
    const hang = peers.filter((peer) => peer.alive).map((peer) => `${peer.name} (${peer.kind ?? 'http'})`);
    return `peers hang: ${hang.join(', ') || 'clients of ours'}`;
  });
  const gone = () => server.stats().transports === 0 || closing;
  if (!(await soon(gone)))
    oracle.fail(`${server.stats().transports} transports are left when all peers have gone`);
  const stats = server.stats();
  closing ??= server.close();
  await within(closing, oracle, () => 'server.close() does not end');
  const told = () => [...oracle.lives.values()].every((life) => life.closes > 0);
  if (!(await soon(told, 5_000))) oracle.trace('somebody was not told of its close');
  oracle.balance(server.stats());
  play.holdings.touch(random.child('end'), (text) => oracle.fail(text));
  play.holdings.forget();
  if (folder) rmSync(folder, { recursive: true, force: true });
  return { plan, stats };
}
