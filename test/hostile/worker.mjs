// A round in a thread that ends in the middle of it. What its handlers gave away lives on in the main thread.
import { parentPort, workerData } from 'node:worker_threads';
import { certificate } from './certificate.mjs';
import { playRound } from './round.mjs';

const { seed, fixed, exitAfter, throwAfter } = workerData;

function fail(text) {
  parentPort.postMessage({ broken: text });
  process.exit(1);
}

if (throwAfter !== undefined)
  setTimeout(() => {
    throw new Error('hostile: a worker throws');
  }, throwAfter);
else {
  process.on('uncaughtException', (error) => fail(`uncaught: ${error?.stack ?? error}`));
  process.on('unhandledRejection', (error) => fail(`unhandled: ${error?.stack ?? error}`));
}

await playRound({
  seed,
  fixed,
  exitAfter,
  fail,
  library: await import('../../dist/index.mjs'),
  certificate: certificate(),
  send: (memory) => memory && parentPort.postMessage({ memory }, [memory]),
  began: (port) => parentPort.postMessage({ port }),
});
/* what is held ends with the thread */
process.exit(0);
