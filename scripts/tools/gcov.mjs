import { existsSync, readdirSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { attempt, Failure, root } from './run.mjs';

/**
 * How often each line of native/core ran, over several builds with `--coverage`:
 * file → line → count. A line that any build ran has run.
 */
export function coreLines(builds) {
  const files = new Map();
  for (const build of builds) {
    const objects = join(build, 'CMakeFiles', 'lwsn_core.dir', 'native', 'core');
    const data = existsSync(objects)
      ? readdirSync(objects, { recursive: true }).filter((name) => name.endsWith('.gcda'))
      : [];
    if (data.length === 0) throw new Failure(`${build} holds no counts: nothing ran there to its end`);
    for (const name of data) read(join(objects, name), files);
  }
  return files;
}

function read(data, files) {
  const result = attempt('gcov', ['--json-format', '--stdout', data], { cwd: join(root, 'build') });
  if (!result.ok) throw new Failure(`gcov failed for ${basename(data)}: ${result.stderr.trim()}`);
  for (const { file, lines } of JSON.parse(result.stdout).files) {
    const name = relative(root, file);
    if (!name.startsWith(join('native', 'core'))) continue;
    const counts = files.get(name) ?? new Map();
    files.set(name, counts);
    for (const { line_number: line, count } of lines)
      counts.set(line, Math.max(counts.get(line) ?? 0, count));
  }
}
