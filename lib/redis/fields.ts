/**
 * The fields of a record's hash, in the order in which the operations answer them behind the session's id. The Lua
 * source gets this list, so that it is written once.
 */
export const recordFields = [
  'uid', // the user
  'lid', // the login
  'node', // the owner's node
  'conn', // the owner's connection
  'gen',
  'ver',
  'born', // microseconds
  'la', // the last activity
  'exp',
  'ends', // the end of its absolute age
  'ttl',
  'attr',
  'ext',
  'net', // when Redis removes the hash by itself
  'grp',
] as const;

export type RecordField = (typeof recordFields)[number];

/** Where each stands in what `reply()` of the Lua source makes: the id comes first. */
export const fieldAt = Object.fromEntries(recordFields.map((name, index) => [name, index + 1])) as Readonly<
  Record<RecordField, number>
>;
