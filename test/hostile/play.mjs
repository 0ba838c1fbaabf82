// One process of the hostile suite: rounds one after the other, until the time is up or something is broken.
// node --expose-gc test/hostile/play.mjs --seed=S [--seconds=N | --round=N] [--workers] [--exit-after=N]
// [--fixed=JSON]; the addon is that of LIBWEBSOCKETS_BINARY.
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { certificate } from './certificate.mjs';
import { randomOf } from './random.mjs';
import { playRound } from './round.mjs';
import { playWorker } from './workers.mjs';

/** What a broken promise ends the process with. */
const BROKEN = 3;
/** Rounds after which everything that is made once was made. */
const WARM = 3;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    round: { type: 'string' },
    /** All rounds in workers; else some. */
    workers: { type: 'boolean', default: false },
    /** The process exits in a handler, after so many acts. */
    'exit-after': { type: 'string' },
    fixed: { type: 'string', default: '{}' },
  },
});

function fail(text) {
  console.error(`BROKEN: ${text}`);
  process.exit(BROKEN);
}

/* whatever arrives here nobody threw on purpose */
process.on('uncaughtException', (error) => fail(`uncaught: ${error?.stack ?? error}`));
process.on('unhandledRejection', (error) => fail(`unhandled: ${error?.stack ?? error}`));

const descriptors = () => readdirSync('/proc/self/fd').length;

const library = await import('../../dist/index.mjs');
const secrets = certificate();
const fixed = JSON.parse(values.fixed);
const one = values.round !== undefined;
const exitAfter = values['exit-after'] === undefined ? undefined : Number(values['exit-after']);
const until = Date.now() + Number(values.seconds) * 1000;
const counts = { rounds: 0, workers: 0, connections: 0 };
let before;
for (
  let number = one ? Number(values.round) : 0;
  counts.rounds === 0 || (!one && Date.now() < until);
  number++
) {
  const seed = `${values.seed}.${number}`;
  if (values.workers || (exitAfter === undefined && randomOf(`${seed}/kind`).chance(0.15))) {
    await playWorker({ seed, fixed, fail });
    counts.workers++;
  } else {
    const { stats } = await playRound({ seed, library, certificate: secrets, fixed, fail, exitAfter });
    counts.connections += stats.opened;
  }
  counts.rounds++;
  if (counts.rounds === WARM) before = descriptors();
}
if (before !== undefined && descriptors() > before + 10)
  fail(`${descriptors()} descriptors are open, ${before} were after the first rounds of ${values.seed}`);
console.log(
  `${counts.rounds} rounds, ${counts.workers} of them in workers, ${counts.connections} connections`,
);
process.exit(0);
