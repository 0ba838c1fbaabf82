// npm run format: formats every source in place.
import { join } from 'node:path';
import { formatLua } from './tools/lua-files.mjs';
import { formatted } from './tools/native-files.mjs';
import { need } from './tools/prerequisites.mjs';
import { main, root, run } from './tools/run.mjs';

await main(async () => {
  need('lint');
  run(join(root, 'node_modules', '.bin', 'biome'), ['check', '--write']);
  run('clang-format', ['-i', ...formatted()]);
  await formatLua(false);
});
