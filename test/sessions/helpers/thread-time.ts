import { readFileSync } from 'node:fs';

/**
 * Milliseconds of processor time that the main thread has used: how long a step held the event loop up by itself,
 * however busy other programs keep the machine. Linux; elsewhere the time that passed.
 */
export function threadTime(): number {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    return performance.now();
  }
}
