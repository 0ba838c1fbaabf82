// node scripts/sanitized.mjs <program> [argument]...: runs a program of Node with the addon under ASan and UBSan.
import { buildSanitized } from './build.mjs';
import { buildLib } from './build-lib.mjs';
import { Failure, main, passThrough } from './tools/run.mjs';
import { sanitizerEnvironment } from './tools/sanitize.mjs';

await main(async (args) => {
  if (args.length === 0) throw new Failure('usage: node scripts/sanitized.mjs <program> [argument]...');
  const addon = await buildSanitized();
  await buildLib();
  return passThrough(process.execPath, args, {
    env: { ...sanitizerEnvironment(), LIBWEBSOCKETS_BINARY: addon },
  });
});
