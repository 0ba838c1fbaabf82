import { isMainThread } from 'node:worker_threads';
import { surface } from '../connection/host.js';
import { process } from '../shared/ambient.js';
import { checkNames, type, wrong } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import type { Server } from './api.js';
import { checkDrain, type DrainOptions, type DrainResult, drain } from './drain.js';

/** Options of {@link drainOnSignal}. */
export interface DrainOnSignalOptions extends DrainOptions {
  /** Which signals begin it. Default SIGTERM and SIGINT. */
  signals?: readonly NodeJS.Signals[] | undefined;
  /**
   * Called when all are drained: the place to end what else keeps the process alive, such as a session manager and its
   * client of Redis. Then nothing of the package does.
   */
  drained?: ((results: DrainResult[]) => unknown) | undefined;
}

function checkSignals(signals: unknown): void {
  if (!Array.isArray(signals) || signals.length === 0)
    throw wrong('signals', 'an array of names of signals', signals);
  for (const [at, name] of signals.entries())
    if (typeof name !== 'string' || !/^SIG[A-Z0-9]{2,10}$/.test(name))
      throw wrong(`signals[${at}]`, "a name like 'SIGTERM'", name);
}

/**
 * Drains servers when the process is told to end, as systemd, Kubernetes and Docker do with SIGTERM. The second signal
 * cuts what is left, a third one ends the process as if nobody listened. It ends by itself as soon as nothing keeps it
 * alive; nothing here calls `process.exit`.
 *
 * @returns a function that stops listening for signals.
 * @throws LwsError as {@link drain}, and ERR_INVALID_STATE in a worker, which no signal reaches.
 */
export function drainOnSignal(
  // biome-ignore lint/suspicious/noExplicitAny: servers of whatever data
  server: Server<any, any> | readonly Server<any, any>[],
  options: DrainOnSignalOptions = {},
): () => void {
  checkNames(options, ['signals', 'drained', 'delay', 'over', 'deadline', 'code', 'rate'], '');
  const { signals = ['SIGTERM', 'SIGINT'], drained, ...how } = options;
  checkSignals(signals);
  if (drained !== undefined) type('function')('drained', drained);
  const servers = Array.isArray(server) ? (server as readonly Server[]) : [server as Server];
  for (const one of servers) checkDrain(one, how);
  if (!isMainThread)
    throw new LwsError(
      'ERR_INVALID_STATE',
      'Expected the main thread for drainOnSignal() but this is a worker',
    );
  let seen = 0;

  async function end(): Promise<void> {
    try {
      const results = await Promise.all(servers.map((one) => drain(one, how)));
      await drained?.(results);
    } catch (cause) {
      surface(cause);
    } finally {
      stop();
    }
  }
  function onSignal(): void {
    if (++seen === 1) void end();
    else if (seen === 2) {
      stop();
      for (const one of servers) void one.close({ timeout: 0 });
    }
  }
  function stop(): void {
    for (const name of signals) process.off(name, onSignal);
  }
  for (const name of signals) process.on(name, onSignal);
  return stop;
}
