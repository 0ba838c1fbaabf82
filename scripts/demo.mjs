// npm run demo: builds what is out of date and starts the chat, which prints its address.
import { buildNative } from './build.mjs';
import { buildLib } from './build-lib.mjs';
import { main } from './tools/run.mjs';

await main(async () => {
  await buildNative();
  await buildLib();
  await import('../examples/chat/server.mjs');
});
