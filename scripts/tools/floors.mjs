import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { circlesOf, filesBelow, imports, includes } from './graph.mjs';

/** The rooms of native/ and of lib/, from the ground. Those of one floor do not know each other. */
export const nativeFloors = [
  ['native/core/base'],
  ['native/core/wire'],
  ['native/core/crossing', 'native/core/lws'],
  ['native/core/net'],
  ['native/core/http', 'native/core/websocket'],
  ['native/core/topics'],
  ['native/core/context'],
  ['native/binding'],
];

export const libraryFloors = [
  ['lib/shared'],
  ['lib/crossing', 'lib/proxy'],
  ['lib/tls'],
  ['lib/connection'],
  ['lib/http'],
  ['lib/handshake'],
  ['lib/client', 'lib/adopt'],
  ['lib/server'],
  ['lib/sessions'],
  ['lib/redis'],
  ['lib/cli'],
  ['lib/index.ts'],
];

/** The room of a unit, which is a folder with all in it, or a file of its own; undefined outside of all. */
function roomOf(unit, floors) {
  const rooms = floors.flat();
  for (let place = unit; place !== '.'; place = dirname(place)) if (rooms.includes(place)) return place;
  return undefined;
}

/** What breaks the rules below `top`, one finding each: `{ rule, what, where }`, of which `what` says it without a line. */
export function findings(top) {
  const native = existsSync(join(top, 'native')) ? includes(top, 'native', ['native/core']) : new Map();
  const library = existsSync(join(top, 'lib')) ? imports(top, 'lib') : new Map();
  return [
    ...judged(native, nativeFloors),
    ...externs(top),
    ...foreigners(top),
    ...judged(library, libraryFloors),
  ];
}

/** Whether the rooms of a graph keep to their floors. */
function judged(graph, floors) {
  return [...strays(graph, floors), ...upwards(graph, floors), ...circles(graph)];
}

function strays(graph, floors) {
  return [...graph.keys()]
    .filter((unit) => roomOf(unit, floors) === undefined)
    .map((unit) => ({ rule: 'in no room', what: unit, where: unit }));
}

function upwards(graph, floors) {
  const floorOf = (room) => floors.findIndex((rooms) => rooms.includes(room));
  const rises = (from, to) => from !== to && floorOf(to) >= floorOf(from);
  return [...graph].flatMap(([from, to]) =>
    [...to]
      .filter(([other]) => rises(roomOf(from, floors), roomOf(other, floors)))
      .map(([other, where]) => ({ rule: 'upwards', what: `${from} -> ${other}`, where })),
  );
}

function circles(graph) {
  return circlesOf(graph).flatMap((circle) =>
    circle.map((unit) => ({ rule: 'in a circle', what: unit, where: circle.join(', ') })),
  );
}

/** Lines of the files of native/ with these endings, outside `exempt`, that say `pattern`. */
function lines(top, endings, exempt, pattern, rule) {
  if (!existsSync(join(top, 'native'))) return [];
  return filesBelow(top, 'native', endings)
    .filter((file) => dirname(file) !== exempt)
    .flatMap((file) =>
      readFileSync(join(top, file), 'utf8')
        .split('\n')
        .flatMap((text, at) =>
          pattern.test(text) ? [{ rule, what: `${file}: ${text.trim()}`, where: `${file}:${at + 1}` }] : [],
        ),
    );
}

const externs = (top) =>
  lines(top, ['.c', '.cc'], undefined, /^\s*extern\b(?!\s*"C")/, 'extern outside a header');

/** What belongs to libwebsockets, in a room that does not know it. */
const foreigners = (top) =>
  lines(
    top,
    ['.c', '.cc', '.h'],
    'native/core/lws',
    /\b(?:lws_|LWS_)\w|\bstruct lws\b|<libwebsockets\.h>|"private-lib-/,
    'lws outside its room',
  );
