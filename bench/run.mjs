// npm run bench: measures cells over peers in interleaved rounds, prints tables, writes JSON. bench/README.md explains.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { cells as allCells } from './cells.mjs';
import { peers as allPeers } from './peers.mjs';
import { describeCommit, describeMachine, resultName } from './runner/machine.mjs';
import { help, readOptions } from './runner/options.mjs';
import { built, compile, preparePeer, project } from './runner/prepare.mjs';
import { withServer } from './runner/processes.mjs';
import { cellTable, targetTable } from './runner/report.mjs';
import { sample } from './runner/sample.mjs';
import { foreignShare, isBusy, judge, summarizeCell } from './runner/statistics.mjs';

async function preparePeers(options) {
  const ready = [];
  for (const peer of options.peers) {
    const prepared = await preparePeer(peer);
    // A server that does not start shall be known before an hour is measured.
    prepared.version = peer.script
      ? await withServer(prepared, { mode: 'echo' }, options.cores.server, ({ version }) => version)
      : process.versions.node;
    ready.push(prepared);
  }
  return ready;
}

/**
 * Takes a sample again while the machine was busy: what is thrown away depends on the work of others and never on the
 * figure. Of nothing but busy ones the least disturbed is kept.
 */
async function patientSample(context, cell, peer) {
  let best;
  for (let again = 0; again <= context.patience; again++) {
    const taken = await sample(context, cell, peer);
    if (!best || foreignShare(taken) < foreignShare(best)) best = taken;
    best.again = again;
    if (!isBusy(foreignShare(best))) break;
  }
  return best;
}

async function measureCell(context, cell, peers, rounds) {
  const able = peers.filter(
    (peer) =>
      (!cell.alone || peer.name === 'lws') &&
      (cell.role === 'client' ? peer.client : peer.script) &&
      (peer.only?.includes(cell.name) ?? !peer.lacks?.some((option) => option in cell.server)),
  );
  const samples = Object.fromEntries(able.map((peer) => [peer.name, []]));
  const failures = [];
  for (let round = 0; round < rounds; round++) {
    for (const peer of able) {
      try {
        samples[peer.name][round] = await patientSample(context, cell, peer);
      } catch (error) {
        samples[peer.name][round] = undefined;
        failures.push({ peer: peer.name, round, message: error.message });
      }
    }
  }
  return { samples, failures, summary: summarizeCell(cell, samples) };
}

function freeName(folder, name) {
  for (let number = 1; ; number++) {
    const file = join(folder, `${name}${number === 1 ? '' : `-${number}`}.json`);
    if (!existsSync(file)) return file;
  }
}

/**
 * Only a run that can stand for the package is kept among the results: whole, of full length, without failures.
 * True: there were failures.
 */
function write(options, date, result) {
  const failed = result.cells.some(({ failures }) => failures.length > 0);
  const whole =
    result.cells.length === allCells.length && 'lws' in result.versions && 'ws' in result.versions;
  const kept = whole && !options.quick && !failed;
  const folder = join(project, 'bench', 'results');
  const file =
    options.out ?? (kept ? freeName(folder, resultName(date, result.machine)) : join(built, 'last.json'));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
  return failed;
}

async function main() {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) return console.log(help);
  if (options.list) {
    console.log(`cells\n${allCells.map(({ name }) => `  ${name}`).join('\n')}`);
    return console.log(`peers\n${allPeers.map(({ name, title }) => `  ${name}  ${title}`).join('\n')}`);
  }
  if (process.platform !== 'linux') throw new Error('the bench needs Linux: it reads CPU times from /proc');
  if (availableParallelism() < 2)
    throw new Error('the bench needs two cores: one for the server, one for the load');

  const date = new Date();
  const { cores, warmup, seconds, rounds, patience, quick } = options;
  const context = { load: await compile('load'), cores, warmup, seconds, patience, count: 0 };
  const peers = await preparePeers(options);
  const versions = Object.fromEntries(peers.map(({ name, title, version }) => [name, { title, version }]));
  const result = {
    date: date.toISOString(),
    machine: describeMachine(),
    node: process.version,
    ...describeCommit(),
    versions,
    settings: { rounds, warmup, seconds, patience, quick },
    cells: [],
    targets: [],
  };
  console.log(peers.map(({ name, title, version }) => `${name}: ${title} ${version}`).join('\n'));

  for (const cell of options.cells) {
    const measured = await measureCell(context, cell, peers, rounds);
    const { failures, summary, samples } = measured;
    console.log(`\n${cellTable(cell, summary, failures)}`);
    result.cells.push({ ...cell, summary, failures, samples });
    result.targets.push(...judge(cell, summary));
  }
  console.log(`\n${targetTable(result.targets)}`);
  if (write(options, date, result)) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
