/**
 * What Node gives every program, bound when this module is loaded: fake timers, a DOM in place of Node's globals, or
 * somebody's `delete globalThis.setImmediate` change nothing here afterwards.
 */
import buffer from 'node:buffer';
import perf from 'node:perf_hooks';
import nodeProcess from 'node:process';
import timers from 'node:timers';
import url from 'node:url';
import util from 'node:util';
import { runInThisContext } from 'node:vm';

export const { Buffer } = buffer;
export const { URL, URLSearchParams } = url;
export const { TextDecoder } = util;
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers;
export const process = nodeProcess;
export const nextTick = nodeProcess.nextTick.bind(nodeProcess);

const { performance: clock } = perf;
const { now } = clock;
/** Milliseconds since the process began, that nobody sets. */
export const performance = { now: (): number => now.call(clock) };

/** Node's own, which its other parts take for a signal; no module exports it by name. */
export const AbortController = util.transferableAbortController()
  .constructor as typeof globalThis.AbortController;

const realm = runInThisContext('globalThis') as typeof globalThis;
const response =
  Object.getOwnPropertyDescriptor(globalThis, 'Response') ??
  Object.getOwnPropertyDescriptor(realm, 'Response');

/** The WHATWG class, loaded when it is first needed, which takes long. Undefined where there is none, or no longer. */
export function responseClass(): typeof globalThis.Response | undefined {
  try {
    return response?.get === undefined ? response?.value : response.get.call(realm);
  } catch {
    return undefined; /* what Node loads for it needs globals of its own */
  }
}
