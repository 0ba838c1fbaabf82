import { cells } from '../cells.mjs';
import { peers, usual } from '../peers.mjs';

export const help = `npm run bench [-- options]
  --peers=a,b   ${peers.map((peer) => peer.name).join(', ')}, or all; without: ${usual.join(', ')}
  --cells=a,b   names of cells, * stands for any characters; without: all
  --rounds=n    rounds per cell, 1 to 50; without: 5
  --quick       3 rounds and short windows; the JSON goes to build/bench/last.json
  --seconds=s   measured window, 0.1 to 60; without: 1.5
  --warmup=s    before it, 0 to 60; without: 0.7
  --patience=n  take a sample again, up to n times, when other work had a core meanwhile, 0 to 100; without: 0
  --cores=a,b   core of the server and of the load generator; without: 0,1
  --out=file    where the JSON goes
  --list        prints the names of cells and peers`;

function number(name, value, least, most) {
  const parsed = Number(value);
  if (value === '' || !(parsed >= least && parsed <= most)) {
    throw new Error(`--${name}: expected a number from ${least} to ${most}, got "${value}"`);
  }
  return parsed;
}

function whole(name, value, least, most) {
  const parsed = number(name, value, least, most);
  if (!Number.isInteger(parsed)) throw new Error(`--${name}: expected a whole number, got "${value}"`);
  return parsed;
}

function choosePeers(value, environment) {
  if (value === undefined || value === 'all') {
    return peers.filter((peer) =>
      peer.from ? environment[peer.from] : value === 'all' || usual.includes(peer.name),
    );
  }
  return value.split(',').map((name) => {
    const peer = peers.find((candidate) => candidate.name === name);
    if (!peer)
      throw new Error(`--peers: expected ${peers.map((p) => p.name).join(', ')} or all, got "${name}"`);
    if (peer.from && !environment[peer.from])
      throw new Error(`--peers: ${name} needs its folder in ${peer.from}`);
    return peer;
  });
}

function chooseCells(value) {
  if (value === undefined) return cells;
  const chosen = new Set();
  for (const pattern of value.split(',')) {
    const expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
    const matching = cells.filter((cell) => expression.test(cell.name));
    if (matching.length === 0) throw new Error(`--cells: no cell is called "${pattern}" (--list shows them)`);
    for (const cell of matching) chosen.add(cell);
  }
  return cells.filter((cell) => chosen.has(cell));
}

/** Reads the command line; throws an Error with a sentence for whoever typed it. */
export function readOptions(argv, environment) {
  const given = {};
  for (const argument of argv) {
    const [, name, value] = /^--([a-z]+)(?:=(.*))?$/s.exec(argument) ?? [];
    const flag = name === 'quick' || name === 'list' || name === 'help';
    const known =
      flag || ['peers', 'cells', 'rounds', 'seconds', 'warmup', 'patience', 'cores', 'out'].includes(name);
    if (!known || flag !== (value === undefined)) throw new Error(`"${argument}" is not understood\n${help}`);
    given[name] = value ?? true;
  }
  const quick = given.quick === true;
  const cores = (given.cores ?? '0,1').split(',').map((core) => whole('cores', core, 0, 4095));
  if (cores.length !== 2 || cores[0] === cores[1])
    throw new Error('--cores: expected two different cores, as in 0,1');
  return {
    help: given.help === true,
    list: given.list === true,
    quick,
    peers: choosePeers(given.peers, environment),
    cells: chooseCells(given.cells),
    rounds: given.rounds === undefined ? (quick ? 3 : 5) : whole('rounds', given.rounds, 1, 50),
    seconds: given.seconds === undefined ? (quick ? 0.6 : 1.5) : number('seconds', given.seconds, 0.1, 60),
    warmup: given.warmup === undefined ? (quick ? 0.5 : 0.7) : number('warmup', given.warmup, 0, 60),
    patience: given.patience === undefined ? 0 : whole('patience', given.patience, 0, 100),
    cores: { server: cores[0], load: cores[1] },
    out: given.out,
  };
}
