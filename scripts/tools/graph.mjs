import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** The files below `folder` whose names end so, relative to `top`. */
export function filesBelow(top, folder, endings) {
  return readdirSync(join(top, folder), { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => join(folder, name))
    .sort();
}

/**
 * Which unit names which, as a Map from each unit to a Map of those it names to where it does (`file:line`). `names(text)`
 * yields what a file names, with its line; what is found at none of `places(file)` is somebody else's.
 */
export function graphOf({ top, files, unit, names, places }) {
  const graph = new Map(files.map((file) => [unit(file), new Map()]));
  for (const file of files) {
    const from = unit(file);
    for (const { name, line } of names(readFileSync(join(top, file), 'utf8'))) {
      const found = places(file, name).find((place) => existsSync(join(top, place)));
      const to = found && unit(relative('.', found));
      if (!to || to === from || !graph.has(to)) continue;
      if (!graph.get(from).has(to)) graph.get(from).set(to, `${file}:${line}`);
    }
  }
  return graph;
}

/** The units that reach themselves through others, those that reach each other together. */
export function circlesOf(graph) {
  const reach = new Map([...graph.keys()].map((unit) => [unit, reachable(graph, unit)]));
  const circles = [];
  const seen = new Set();
  for (const unit of graph.keys()) {
    if (seen.has(unit) || !reach.get(unit).has(unit)) continue;
    const circle = [...graph.keys()].filter(
      (other) => reach.get(unit).has(other) && reach.get(other).has(unit),
    );
    for (const member of circle) seen.add(member);
    circles.push(circle.sort());
  }
  return circles;
}

function reachable(graph, start) {
  const found = new Set();
  const open = [start];
  for (let unit = open.pop(); unit !== undefined; unit = open.pop()) {
    for (const next of graph.get(unit)?.keys() ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      open.push(next);
    }
  }
  return found;
}

function* matches(text, pattern) {
  for (const [at, line] of text.split('\n').entries()) {
    const name = pattern.exec(line)?.[1];
    if (name !== undefined) yield { name, line: at + 1 };
  }
}

/** What the C and C++ files of `folder` include, a pair of header and source being one unit. */
export function includes(top, folder, roots) {
  return graphOf({
    top,
    files: filesBelow(top, folder, ['.c', '.cc', '.h']),
    unit: (file) => file.replace(/\.[^./]+$/, ''),
    names: (text) => matches(text, /^\s*#\s*include\s+"([^"]+)"/),
    places: (file, name) => [dirname(file), ...roots].map((place) => join(place, name)),
  });
}

/** What the TypeScript files of `folder` import and export again, types included. */
export function imports(top, folder) {
  return graphOf({
    top,
    files: filesBelow(top, folder, ['.ts']),
    unit: (file) => file,
    names: (text) => matches(text, /(?:\bfrom|\bimport|\bimport\()\s*['"](\.[^'"]+)['"]/),
    places: (file, name) =>
      [name, `${name}.ts`, name.replace(/\.[cm]?js$/, '.ts'), `${name}/index.ts`].map((path) =>
        join(dirname(file), path),
      ),
  });
}
