// One port, a server in each thread. README.md says what to expect.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

const host = process.env.HOST || '127.0.0.1';
const threads = Number(process.env.THREADS || availableParallelism());
const workers = new Set();
let port = Number(process.env.PORT || 8080);
let ending = false;

/** Resolves when the thread listens; the first one finds out which port it is. */
async function start() {
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { host, port } });
  workers.add(worker);
  worker.on('error', (error) => console.error(error));
  worker.once('exit', (code) => {
    workers.delete(worker);
    if (ending || code === 0) return;
    console.error(`a thread ended with ${code}; another takes its place`);
    setTimeout(() => !ending && start(), 500); // not at once: it may fail again
  });
  [port] = await once(worker, 'message');
}

await start();
await Promise.all(Array.from({ length: threads - 1 }, start));
console.log(`${threads} threads serve ws://${host}:${port}/ (Ctrl-C ends them)`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    ending = true;
    for (const worker of workers) worker.postMessage('end');
  });
}
