// Rounds in workers, seen from the main thread: it holds what their handlers transferred, and uses it after their end.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Peer } from './peer.mjs';
import { randomOf } from './random.mjs';

/** Large messages from this thread, so that some are on their way when the worker ends. */
async function flood(random, where, i) {
  const peer = new Peer(random, where, `m${i}`);
  if (await peer.connect()) {
    await Promise.race([peer.upgrade(), peer.over]);
    for (let i = random.between(5, 80); i > 0; i--) {
      if (!peer.alive || peer.status !== 101 || peer.closeCode !== undefined) break;
      peer.put(peer.message(Buffer.alloc(random.pick([10, 3_000, 30_000, 300_000]), 'm')));
      await sleep(random.below(10));
    }
  }
  peer.destroy();
}

function use(memories, random) {
  for (const memory of memories) {
    const bytes = Buffer.from(memory);
    if (random.chance(0.5)) bytes.fill(random.below(256));
    else Buffer.from(bytes);
  }
}

/** Plays one round in a worker that ends in some way, and goes on with what it left. */
export async function playWorker({ seed, fixed, fail }) {
  const random = randomOf(`${seed}/worker`);
  const end = random.weighted({ terminate: 3, exit: 1, throws: 1, none: 1 });
  const plan = { transport: random.pick(['plain', 'tls']), maxPayload: 1 << 20, ...fixed };
  if (random.chance(0.5)) plan.temper ??= 'memory';
  const title = `round ${seed} in a worker that ends by ${end}: ${JSON.stringify(plan)}`;
  const workerData = {
    seed,
    fixed: plan,
    ...(end === 'exit' && { exitAfter: random.between(1, 150) }),
    ...(end === 'throws' && { throwAfter: random.between(20, 400) }),
  };
  const memories = [];
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const floods = [];
  worker.on('error', (error) => {
    if (!/^hostile: /.test(error?.message)) fail(`a worker failed: ${error?.stack}\n  in ${title}`);
  });
  const began = new Promise((resolve) => {
    worker.on('message', ({ port, memory, broken }) => {
      if (broken) fail(`${broken}\n  in ${title}`);
      if (memory) memories.push(memory);
      if (memories.length > 40) memories.shift();
      if (port === undefined) return;
      const where = { port, tls: plan.transport === 'tls' };
      for (let i = random.below(4); i > 0; i--) floods.push(flood(random.child(`flood${i}`), where, i));
      resolve();
    });
  });
  await Promise.race([began, ended]);
  if (end === 'terminate') {
    const patience = random.between(10, 600);
    for (let slept = 0; slept < patience && memories.length < 20; slept += 10) {
      await sleep(10);
      if (random.chance(0.1)) use(memories, random);
    }
    await worker.terminate();
  }
  await ended;
  use(memories, random);
  globalThis.gc?.();
  use(memories, random);
  await Promise.all(floods);
}
