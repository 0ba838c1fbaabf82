import { causeOf } from '../sessions/cause.js';
import { clearTimeout, setTimeout } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { LwsError } from '../shared/errors.js';
import type { Argument, RedisLink } from './link.js';
import { functionOf, program } from './program.js';
import type { Reply } from './reply.js';

/** Runs what a call that was given up did after all back; gets its reply. */
export type Undo = (late: Reply) => Promise<unknown>;

export interface Caller {
  /**
   * Runs one operation in the slot of `key`. Rejects with `ERR_STORE` when Redis fails or does not answer in time;
   * if its answer comes later still, `undo` is run with it.
   */
  call(key: string, operation: string, args: readonly Argument[], undo?: Undo): Promise<Reply>;
}

/**
 * Calls the operations as functions, or as scripts where Redis has no functions for us. What a server lacks, after
 * a restart or on a new node of the cluster, is loaded when a call finds it missing.
 */
export function createCaller(link: RedisLink, timeout: number): Caller {
  const queue = readyQueue(link);
  let functions = true;
  let loading: Promise<void> | undefined;

  /** Brings the library to every master. Refused everywhere: there will be no functions for us. */
  async function load(): Promise<void> {
    const outcomes = await link.sendToMasters(['FUNCTION', 'LOAD', program.library]);
    functions = !outcomes.every((outcome) => outcome.status === 'rejected' && isRefusal(outcome.reason));
  }

  /** A master that is away keeps the calls to the others waiting for a part of their time only. */
  async function loadInTime(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeout / 4);
    });
    await Promise.race([load().catch(() => undefined), late]);
    clearTimeout(timer);
    loading = undefined;
  }

  async function callFunction(key: string, operation: string, args: readonly Argument[]): Promise<Reply> {
    const command = ['FCALL', functionOf(operation), '1', key, operation, ...args];
    try {
      return await link.send(key, command);
    } catch (error) {
      if (isRefusal(error)) functions = false;
      else if (!isMissing(error)) throw error;
    }
    if (functions) {
      loading ??= loadInTime();
      await loading;
    }
    try {
      if (functions) return await link.send(key, command);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    // It could not be loaded, or not yet where the key is now: a script works anywhere.
    return callScript(key, operation, args);
  }

  async function callScript(key: string, operation: string, args: readonly Argument[]): Promise<Reply> {
    try {
      return await link.send(key, ['EVALSHA', program.scriptSha, '1', key, operation, ...args]);
    } catch (error) {
      if (!wordsOf(error).startsWith('NOSCRIPT')) throw error;
      return link.send(key, ['EVAL', program.script, '1', key, operation, ...args]);
    }
  }

  function run(key: string, operation: string, args: readonly Argument[]): Promise<Reply> {
    return functions ? callFunction(key, operation, args) : callScript(key, operation, args);
  }

  function call(key: string, operation: string, args: readonly Argument[], undo?: Undo): Promise<Reply> {
    return new Promise((resolve, reject) => {
      let waiting = true;
      // What is not sent yet when time is up is not sent at all: the client's own queue would do it later.
      const stopWaiting = link.isReady() ? undefined : queue.wait(start);
      const timer = setTimeout(() => {
        waiting = false;
        stopWaiting?.();
        const why = stopWaiting === undefined ? 'did not answer' : 'was not connected';
        const cause = new LwsError('ERR_TIMEOUT', `no answer within ${timeout} ms`);
        reject(new LwsError('ERR_STORE', `Redis ${why} within ${timeout} ms (${operation})`, { cause }));
      }, timeout);
      function start(): void {
        run(key, operation, args).then(
          (reply) => {
            clearTimeout(timer);
            if (waiting) resolve(reply);
            // Best effort: without it, the session ends by its time to live.
            else undo?.(reply).catch(() => undefined);
          },
          (thrown: unknown) => {
            clearTimeout(timer);
            const cause = causeOf(thrown, args);
            reject(new LwsError('ERR_STORE', `Redis failed: ${cause.message} (${operation})`, { cause }));
          },
        );
      }
      if (stopWaiting === undefined) start();
    });
  }

  return { call };
}

/** Calls that wait for the connection, behind one listener for all of them. */
function readyQueue(link: RedisLink): { wait(start: () => void): () => void } {
  const waiting = new Set<() => void>();
  let stopListening: (() => void) | undefined;
  return {
    wait(start) {
      waiting.add(start);
      stopListening ??= link.onceReady(() => {
        stopListening = undefined;
        const starting = [...waiting];
        waiting.clear();
        for (const begin of starting) begin();
      });
      return () => {
        waiting.delete(start);
        if (waiting.size > 0) return;
        stopListening?.();
        stopListening = undefined;
      };
    },
  };
}

/** Redis before 7, or an access list without functions. */
function isRefusal(error: unknown): boolean {
  return /unknown command|NOPERM/i.test(wordsOf(error));
}

function isMissing(error: unknown): boolean {
  return /Function not found/i.test(wordsOf(error));
}
