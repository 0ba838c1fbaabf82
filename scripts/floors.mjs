// node scripts/floors.mjs [folder]: prints every include and import that leads upwards or across, every circle, types
// included, every extern outside a header, and libwebsockets outside its room. Fails where there is one.
import { resolve } from 'node:path';
import { findings } from './tools/floors.mjs';
import { main, root } from './tools/run.mjs';

await main(async ([folder = root]) => {
  const found = findings(resolve(folder));
  for (const { rule, what, where } of found) console.log(`${rule}: ${what} (${where})`);
  console.log(`floors: ${found.length} to mend`);
  return found.length > 0 ? 1 : 0;
});
