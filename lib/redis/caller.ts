import { causeOf } from '../sessions/cause.js';
import { clearTimeout, performance, setTimeout } from '../shared/ambient.js';
import { wordsOf } from '../shared/arguments.js';
import { LwsError } from '../shared/errors.js';
import { type Durable, Unconfirmed } from './durable.js';
import type { Argument, RedisLink } from './link.js';
import { functionOf, isWriting, program } from './program.js';
import { movedTo, type Reply } from './reply.js';

/** Runs what a call that was given up did after all back; gets its reply. */
export type Undo = (late: Reply) => Promise<unknown>;

/** One operation in one partition. */
export interface Call {
  /** In front of the name of each key. */
  readonly base: string;
  readonly operation: string;
  /** The names of the keys that the operation always has, in its order. */
  readonly keys: readonly string[];
  /** Further ones that it probably needs; which it does, it says itself. Default: none. */
  readonly believed?: readonly string[];
  /**
   * Asked anew for each attempt: some tell how long ago something was, and some change what is wanted after so many
   * rounds in which the keys were others.
   */
  args(round: number): readonly Argument[];
  /** Run when the answer comes after the call was given up. */
  readonly undo?: Undo | undefined;
  /** When it is given up, by `performance.now()`. Default: the caller's `timeout` from now. */
  readonly deadline?: number | undefined;
  /** What Redis refuses since the slot is moving fails at once. Default: it is tried until the call is given up. */
  readonly isImpatient?: boolean | undefined;
}

export interface Caller {
  /**
   * Runs one operation. Rejects with `ERR_STORE` when Redis fails or does not answer in time; if its answer comes
   * later still, `undo` is run with it.
   */
  call(call: Call): Promise<Reply>;
  /** Whether calls with this base were refused a moment ago since their slot is moving. */
  isMoving(base: string): boolean;
}

/** How often a call is told other keys than it has until it fails. */
const maxRounds = 16;
/** Keys and arguments of one call: the least that a server takes which bounds them is 3999. */
const maxOperands = 3000;
/** Milliseconds between the first two attempts while a slot moves, and at most between any two. */
const firstPause = 5;
const longestPause = 100;
/** A partition counts as moving for so long after its last refusal: touches that were refused are to come first. */
const movingTime = 2000;

/**
 * Calls the operations as functions, or as scripts where Redis has no functions for us. What a server lacks, after
 * a restart or on a new node of the cluster, is loaded when a call finds it missing. With `durable`, what writes counts when
 * a replica has it.
 */
export function createCaller(link: RedisLink, timeout: number, durable?: Durable): Caller {
  const queue = readyQueue(link);
  const moving = new Map<string, number>();
  let functions = link.lacksFunctions !== true;
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

  async function callFunction(operation: string, operands: readonly Argument[], send: Send): Promise<Reply> {
    const command = ['FCALL', functionOf(operation), ...operands];
    try {
      return await send(command);
    } catch (error) {
      if (isRefusal(error)) functions = false;
      else if (!isMissing(error)) throw error;
    }
    if (functions) {
      loading ??= loadInTime();
      await loading;
    }
    try {
      if (functions) return await send(command);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    // It could not be loaded, or not yet where the key is now: a script works anywhere.
    return callScript(operands, send);
  }

  async function callScript(operands: readonly Argument[], send: Send): Promise<Reply> {
    try {
      return await send(['EVALSHA', program.scriptSha, ...operands]);
    } catch (error) {
      if (!wordsOf(error).startsWith('NOSCRIPT')) throw error;
      return send(['EVAL', program.script, ...operands]);
    }
  }

  /** One attempt, with these keys. */
  function run(call: Call, { names, round, isRetry }: Attempt): Promise<Reply> {
    const { base, operation } = call;
    const keys = names.map((name) => base + name);
    const operands = [`${keys.length}`, ...keys, operation, ...call.args(round)];
    if (operands.length > maxOperands)
      throw new Error(`${operands.length} keys and arguments are more than ${maxOperands}`);
    const way = durable !== undefined && isWriting(operation) ? durable : link;
    const send: Send = (command) => way.send(keys[0] as string, command, isRetry);
    return functions ? callFunction(operation, operands, send) : callScript(operands, send);
  }

  /** Attempts while the slot moves. Nothing is sent any more once the call was given up. */
  async function runPatiently(
    call: Call,
    names: readonly string[],
    round: number,
    state: State,
  ): Promise<Reply> {
    for (let pause = firstPause, isRetry = false; ; pause = Math.min(2 * pause, longestPause)) {
      if (!state.isWaiting) throw new Error('given up');
      try {
        return await run(call, { names, round, isRetry });
      } catch (error) {
        if (!isMove(error)) throw error;
        noteMove(call.base);
        state.refusal = error;
        if (call.isImpatient === true) throw error;
      }
      isRetry = true;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async function runWithKeys(call: Call, state: State): Promise<Reply> {
    let further = call.believed ?? [];
    for (let round = 0; round < maxRounds; round++) {
      // A batch may name a session twice.
      const names = [...call.keys, ...new Set(further.filter((name) => !call.keys.includes(name)))];
      const reply = await runPatiently(call, names, round, state);
      const needed = movedTo(reply);
      if (needed === undefined) return reply;
      further = needed;
    }
    throw new Error(`what it is about was changed in each of ${maxRounds} rounds`);
  }

  function call(call: Call): Promise<Reply> {
    const { operation, undo, deadline = performance.now() + timeout } = call;
    return new Promise((resolve, reject) => {
      const state: State = { isWaiting: true, refusal: undefined };
      const fail = (thrown: unknown) => {
        const cause = causeOf(thrown, [...call.keys, ...call.args(0)]);
        reject(new LwsError('ERR_STORE', `Redis failed: ${cause.message} (${operation})`, { cause }));
      };
      // What is not sent yet when time is up is not sent at all: the client's own queue would do it later.
      const stopWaiting = link.isReady() ? undefined : queue.wait(start);
      const giveUp = () => {
        state.isWaiting = false;
        stopWaiting?.();
        if (state.refusal !== undefined) {
          fail(state.refusal);
          return;
        }
        const why = stopWaiting === undefined ? 'did not answer' : 'was not connected';
        const cause = new LwsError('ERR_TIMEOUT', `no answer within ${timeout} ms`);
        reject(new LwsError('ERR_STORE', `Redis ${why} within ${timeout} ms (${operation})`, { cause }));
      };
      const timer = setTimeout(giveUp, Math.max(0, deadline - performance.now()));
      function start(): void {
        runWithKeys(call, state).then(
          (reply) => {
            clearTimeout(timer);
            if (state.isWaiting) resolve(reply);
            // Best effort: without it, the session ends by its time to live.
            else undo?.(reply).catch(() => undefined);
          },
          (thrown: unknown) => {
            clearTimeout(timer);
            fail(thrown);
            if (thrown instanceof Unconfirmed) undo?.(thrown.reply).catch(() => undefined);
          },
        );
      }
      if (stopWaiting === undefined) start();
    });
  }

  function noteMove(base: string): void {
    moving.set(base, performance.now() + movingTime);
  }

  function isMoving(base: string): boolean {
    const until = moving.get(base);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    moving.delete(base);
    return false;
  }

  return { call, isMoving };
}

type Send = (command: readonly Argument[]) => Promise<Reply>;

interface Attempt {
  readonly names: readonly string[];
  readonly round: number;
  readonly isRetry: boolean;
}

interface State {
  isWaiting: boolean;
  /** Why the last attempt was refused. */
  refusal: unknown;
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

/** A cluster ran nothing of it, since its keys are on their way from one node to another, or the client lost them. */
export function isMove(error: unknown): boolean {
  return /^(?:Too many Cluster redirections\. Last error: (?:\w*Error: )?)?(?:TRYAGAIN|ASK|MOVED)\b/.test(
    wordsOf(error),
  );
}
