import { createHash } from 'node:crypto';
import { recordFields } from './fields.js';
import guard from './lua/guard.lua';
import moving from './lua/moving.lua';
import operations from './lua/operations.lua';
import records from './lua/records.lua';

/**
 * The operations as Redis gets them: a function library (Redis 7) or a script (before, or where functions are
 * forbidden). Both are named after their content, so that two versions of this package can share a server.
 */
export interface Program {
  readonly library: string;
  readonly libraryName: string;
  readonly script: string;
  readonly scriptSha: string;
}

/** Operations that free memory, or hold almost none: they run also when Redis is out of it. */
const freeing = new Set([
  'touch',
  'detach',
  'destroy',
  'block',
  'finish',
  'sweep',
  'bury',
  'release',
  'settle',
  'clear',
  'depart',
  'forget',
  'restore',
  'refuse',
]);
const reading = new Set([
  'get',
  'members',
  'ids',
  'read',
  'born',
  'connection',
  'heir',
  'due',
  'owned',
  'page',
  'count',
  'aside',
]);

const fieldList = recordFields.map((name) => `'${name}'`).join(', ');
const source = `local FIELDS = {${fieldList}}\n${records}${operations}${moving}`;

export let program: Program = makeProgram(source, 'return call');

/** For tests: from now on every command on a key that its call did not declare fails the call. */
export function guardKeys(): void {
  program = makeProgram(`${guard}${source}`, 'guard(keys) return call');
}

/** Whether it changes something. */
export function isWriting(operation: string): boolean {
  return !reading.has(operation);
}

/** The name of the function that runs `operation`, with the right flags. */
export function functionOf(operation: string): string {
  if (reading.has(operation)) return `${program.libraryName}_read`;
  return freeing.has(operation) ? `${program.libraryName}_free` : `${program.libraryName}_write`;
}

/** `run`: the Lua that runs an operation, in front of its two arguments. */
function makeProgram(text: string, run: string): Program {
  const libraryName = `lws_sessions_${createHash('sha1').update(text).digest('hex').slice(0, 12)}`;
  const register = (kind: string, flags: string) =>
    `redis.register_function{function_name='${libraryName}_${kind}', flags={${flags}},\n` +
    `  callback=function(keys, args) ${run}(keys, args) end}\n`;
  const library =
    `#!lua name=${libraryName}\n${text}` +
    register('write', '') +
    register('free', "'allow-oom'") +
    register('read', "'no-writes'");
  const script = `${text}local keys, args = KEYS, ARGV\n${run}(keys, args)\n`;
  return { library, libraryName, script, scriptSha: createHash('sha1').update(script).digest('hex') };
}
