import { closePayload } from '../shared/arguments.js';
import { type Check, checkTable, DAY, describe, integer, unexpected, wrong } from '../shared/checks.js';
import type { Server } from './api.js';

/** Options of {@link drain}. Times are milliseconds. */
export interface DrainOptions {
  /**
   * How long it goes on as before, but not ready, so that whoever sends clients here can stop to. Default 0, at most a
   * day.
   */
  delay?: number | undefined;
  /** Over how long the open connections are closed, evenly. Default 10 s, at most a day. */
  over?: number | undefined;
  /** When, from the call on, what is left is cut. Default: `delay`, `over` and the server's `closeTimeout`. */
  deadline?: number | undefined;
  /** Close code told to connections. Default 1012, service restart. */
  code?: number | undefined;
  /**
   * How many clients per second the others can take. Each is told to come back so that no more do. Default: as they are
   * closed. A client waits no longer than its own bound allows, `maxDelay` in {@link reconnect}.
   */
  rate?: number | undefined;
}

/** How {@link drain} went. */
export interface DrainResult {
  /** Connections that were open when it began, or opened meanwhile. */
  closed: number;
  /** Those of them that had to be cut. */
  forced: number;
}

/** What a server does for it, all values being checked. */
export type Drainer = (options: CheckedDrain) => Promise<DrainResult>;

export interface CheckedDrain {
  readonly delay: number;
  readonly over: number;
  readonly deadline: number | undefined;
  readonly code: number;
  readonly rate: number | undefined;
}

const checks: Record<string, Check> = {
  delay: integer(0, DAY),
  over: integer(0, DAY),
  deadline: integer(0, 3 * DAY),
  code: (_, value) => void closePayload(value as number, ''),
  rate: integer(1, 1_000_000_000),
};

const drainers = new WeakMap<object, Drainer>();

/** Lets {@link drain} find what belongs to a server. */
export function registerDrainer(server: object, drainer: Drainer): void {
  drainers.set(server, drainer);
}

/** @throws LwsError as {@link drain}, for what was given. */
export function checkDrain(server: unknown, options: DrainOptions): Drainer {
  const drainer = typeof server === 'object' && server !== null ? drainers.get(server) : undefined;
  if (drainer === undefined) throw unexpected('a server of createServer()', 'drain()', describe(server));
  checkTable(options, checks, '');
  const { delay = 0, over = 10_000, deadline } = options;
  if (deadline !== undefined && deadline < delay + over)
    throw wrong('deadline', `at least "delay" and "over" together, ${delay + over}`, deadline);
  return drainer;
}

/**
 * Ends a server so that nobody notices more than a short break: it is not ready from now on (`server.isReady`), refuses
 * upgrades with 503 and `Retry-After`, closes its connections one after the other, each behind what was sent to it and
 * with the time to come back in its close reason, and closes itself when they are gone, or at the deadline. It listens
 * until then, so that health checks and proxies are answered. Sessions stay and are resumed elsewhere.
 *
 * `server.close()` meanwhile ends it at once. A second call joins the first.
 *
 * @throws LwsError ERR_INVALID_ARGUMENT for anything but a server or for a code that may not be sent, ERR_INVALID_OPTION
 *   for bad options.
 */
export async function drain(
  // biome-ignore lint/suspicious/noExplicitAny: a server of whatever data
  server: Server<any, any>,
  options: DrainOptions = {},
): Promise<DrainResult> {
  const drainer = checkDrain(server, options);
  const { delay = 0, over = 10_000, deadline, code = 1012, rate } = options;
  return drainer({ delay, over, deadline, code, rate });
}
