// One sample: a fresh server of one peer under the load of one cell.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { built, certificate } from './prepare.mjs';
import { residentMemory, startClient, startLoad, stolenTime, withServer } from './processes.mjs';

const spare = 60_000; // milliseconds a load generator may take beyond its window: connecting, draining

/** Waits for the line of a load generator that was started, and for its end. */
async function finish(load, { warmup = 0, seconds = 0 }) {
  try {
    const result = await load.next((warmup + seconds) * 1000 + spare);
    await load.stop();
    return result;
  } catch (error) {
    load.kill();
    throw error;
  }
}

const runLoad = (context, options) => finish(startLoad(context.load, options, context.cores.load), options);

/** What `run` resolves with, and the share of its time that the hypervisor took. */
async function timed({ cores }, run) {
  const both = [cores.server, cores.load];
  const began = performance.now();
  const before = stolenTime(both);
  const result = await run();
  return { result, stolen: (stolenTime(both) - before) / (performance.now() - began) };
}

function figures({ result, stolen }) {
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
    stolen,
  };
}

async function sampleCpu(context, cell, server, target) {
  const { warmup, seconds } = context;
  const options = { ...target, ...cell.load, pid: server.pid, warmup, seconds };
  return figures(await timed(context, () => runLoad(context, options)));
}

/** The load generator listens, and learns whom to measure when the client that was given its port has started. */
async function sampleClient(context, cell, peer) {
  const { warmup, seconds } = context;
  const load = startLoad(context.load, { ...cell.load, warmup, seconds }, context.cores.load);
  let client;
  try {
    const { port } = await load.next(spare);
    client = startClient(peer, { port, connections: cell.load.connections }, context.cores.server);
    const { version } = await client.next(spare);
    load.tell(String(client.pid));
    const measured = figures(await timed(context, () => finish(load, context)));
    await client.stop();
    return { ...measured, version };
  } catch (error) {
    load.kill();
    client?.kill();
    throw error;
  }
}

async function sampleMemory(context, cell, server, target) {
  // Code and caches that the first connections bring are no cost of one more connection.
  const first = { mode: 'connect', connections: 20, warmup: 0, seconds: 5, messages: 200 };
  const { tls } = cell.load;
  await runLoad(context, { ...target, ...first, ...(tls ? { tls } : {}) });
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
  if (cell.role === 'client') return sampleClient(context, cell, peer);
  const { unix, tls, ...options } = cell.server;
  if (tls) options.tls = await certificate();
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
