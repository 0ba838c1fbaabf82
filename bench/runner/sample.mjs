// One sample: a fresh server of one peer under the load of one cell.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { built } from './prepare.mjs';
import { residentMemory, startLoad, stolenTime, withServer } from './processes.mjs';

const spare = 60_000; // milliseconds a load generator may take beyond its window: connecting, draining

async function runLoad(context, target, options) {
  const load = startLoad(context.load, { ...target, ...options }, context.cores.load);
  try {
    const result = await load.next(((options.warmup ?? 0) + (options.seconds ?? 0)) * 1000 + spare);
    await load.stop();
    return result;
  } catch (error) {
    load.kill();
    throw error;
  }
}

async function sampleCpu(context, cell, server, target) {
  const { warmup, seconds } = context;
  const cores = [context.cores.server, context.cores.load];
  const began = performance.now();
  const stolen = stolenTime(cores);
  const result = await runLoad(context, target, { ...cell.load, pid: server.pid, warmup, seconds });
  const stolenShare = (stolenTime(cores) - stolen) / (performance.now() - began);
  return {
    value: result.cpu / result.messages / 1000, // microseconds per message
    rate: result.messages / result.seconds,
    messages: result.messages,
    seconds: result.seconds,
    verified: result.verified,
    times: result.times,
    loadCpu: result.loadCpu / result.messages / 1000,
    // Shares of the time in which other work of this machine, or of its host, had the core.
    waited: result.loadWait / (result.seconds * 1e9),
    stolen: stolenShare,
  };
}

async function sampleMemory(context, cell, server, target) {
  // Code and caches that the first connections bring are no cost of one more connection.
  await runLoad(context, target, { mode: 'connect', connections: 20, warmup: 0, seconds: 5, messages: 200 });
  const read = async () => {
    await sleep(cell.settle);
    await server.collect();
    return residentMemory(server.pid);
  };
  const before = await read();
  const load = startLoad(context.load, { ...target, ...cell.load, seconds: 60 }, context.cores.load);
  try {
    const { open, seconds } = await load.next(spare);
    const after = await read();
    load.release(); // each connection now echoes once, which proves that it was alive
    const { verified } = await load.next(spare);
    await load.stop();
    if (verified !== open) throw new Error(`${open - verified} of ${open} idle connections were dead`);
    return {
      value: (after - before) / open,
      rate: open / seconds,
      verified,
      before,
      after,
      waited: 0,
      stolen: 0,
    };
  } catch (error) {
    load.kill();
    throw error;
  }
}

/** Measures once; `context` holds the load program, the cores and the times. */
export async function sample(context, cell, peer) {
  const { unix, ...options } = cell.server;
  const path = unix ? join(built, `${process.pid}-${context.count++}.sock`) : undefined;
  const measure = cell.measure === 'memory' ? sampleMemory : sampleCpu;
  try {
    return await withServer(
      peer,
      path ? { ...options, path } : options,
      context.cores.server,
      async (server) => {
        const measured = await measure(context, cell, server, path ? { path } : { port: server.port });
        return { ...measured, version: server.version };
      },
    );
  } finally {
    if (path) rmSync(path, { force: true });
  }
}
