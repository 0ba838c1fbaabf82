import { readFileSync } from 'node:fs';

const nobody = new Int32Array(new SharedArrayBuffer(4));

/**
 * Milliseconds of processor time that the main thread has used: how long a step held the event loop up by itself,
 * however busy other programs keep the machine. Linux; elsewhere the time that passed.
 */
export function threadTime(): number {
  // The kernel brings the figure up to date when a thread sleeps; else only at its own ticks, 4 ms apart.
  Atomics.wait(nobody, 0, 0, 0.01);
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    return performance.now();
  }
}
