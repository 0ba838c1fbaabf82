// node scripts/floors.mjs [folder]: prints every include and import that leads upwards or across, every circle, types
// included, and every extern outside a header. Fails for what scripts/floors.json does not know; that list may only get
// shorter.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findings } from './tools/floors.mjs';
import { main, root } from './tools/run.mjs';

await main(async ([folder = root]) => {
  const top = resolve(folder);
  const list = join(top, 'scripts', 'floors.json');
  const known = new Set(existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []);
  const found = new Map(
    findings(top).map(({ rule, what, where }) => [`${rule}: ${what}`, `${rule}: ${what} (${where})`]),
  );
  const fresh = [...found].filter(([key]) => !known.has(key));
  const gone = [...known].filter((key) => !found.has(key));
  for (const [, line] of fresh) console.log(line);
  for (const key of gone) console.log(`no longer there, so no longer to be listed: ${key}`);
  console.log(`floors: ${fresh.length + gone.length} to mend, ${found.size - fresh.length} known`);
  return fresh.length + gone.length > 0 ? 1 : 0;
});
