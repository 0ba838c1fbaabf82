import { createHash } from 'node:crypto';
import { recordFields } from './fields.js';
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
const freeing = new Set(['touch', 'detach', 'destroy', 'finish', 'sweep', 'orphans', 'settle']);
const reading = new Set(['get', 'members', 'connection', 'heir', 'list', 'count']);

const fieldList = recordFields.map((name) => `'${name}'`).join(', ');
const source = `local FIELDS = {${fieldList}}\n${records}${operations}`;

export const program: Program = makeProgram();

/** The name of the function that runs `operation`, with the right flags. */
export function functionOf(operation: string): string {
  if (reading.has(operation)) return `${program.libraryName}_read`;
  return freeing.has(operation) ? `${program.libraryName}_free` : `${program.libraryName}_write`;
}

function makeProgram(): Program {
  const libraryName = `lws_sessions_${createHash('sha1').update(source).digest('hex').slice(0, 12)}`;
  const register = (kind: string, flags: string) =>
    `redis.register_function{function_name='${libraryName}_${kind}', flags={${flags}},\n` +
    '  callback=function(keys, args) return call(keys[1], args) end}\n';
  const library =
    `#!lua name=${libraryName}\n${source}` +
    register('write', '') +
    register('free', "'allow-oom'") +
    register('read', "'no-writes'");
  const script = `${source}return call(KEYS[1], ARGV)\n`;
  return { library, libraryName, script, scriptSha: createHash('sha1').update(script).digest('hex') };
}
