import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { circlesOf, filesBelow, imports, includes } from './graph.mjs';

/** The rooms of native/, from the ground. Those of one floor do not know each other. */
export const floors = [
  ['native/core/base'],
  ['native/core/wire'],
  ['native/core/crossing', 'native/core/lws'],
  ['native/core/net'],
  ['native/core/http', 'native/core/websocket'],
  ['native/core/topics'],
  ['native/core/context'],
  ['native/binding'],
];

const floorOf = (unit) => floors.findIndex((rooms) => rooms.includes(dirname(unit)));

/** What breaks the rules below `top`, one finding each: `{ rule, what, where }`, of which `what` says it without a line. */
export function findings(top) {
  const graph = includes(top, 'native', ['native/core']);
  return [...strays(graph), ...upwards(graph), ...circles(graph), ...externs(top)];
}

/** The circles of lib/, types included. */
export const libraryCircles = (top) => circlesOf(imports(top, 'lib'));

function strays(graph) {
  return [...graph.keys()]
    .filter((unit) => floorOf(unit) < 0)
    .map((unit) => ({ rule: 'in no room', what: unit, where: unit }));
}

function upwards(graph) {
  return [...graph].flatMap(([from, to]) =>
    [...to]
      .filter(([other]) => dirname(other) !== dirname(from) && floorOf(other) >= floorOf(from))
      .map(([other, where]) => ({ rule: 'upwards', what: `${from} -> ${other}`, where })),
  );
}

function circles(graph) {
  return circlesOf(graph).flatMap((circle) =>
    circle.map((unit) => ({ rule: 'in a circle', what: unit, where: circle.join(', ') })),
  );
}

function externs(top) {
  return filesBelow(top, 'native', ['.c', '.cc']).flatMap((file) =>
    readFileSync(join(top, file), 'utf8')
      .split('\n')
      .flatMap((text, at) =>
        /^\s*extern\b(?!\s*"C")/.test(text)
          ? [{ rule: 'extern outside a header', what: `${file}: ${text.trim()}`, where: `${file}:${at + 1}` }]
          : [],
      ),
  );
}
