// node scripts/prerequisites.mjs build test ...: installs or names what is missing for these steps.
import { need } from './tools/prerequisites.mjs';
import { Failure, main } from './tools/run.mjs';

await main((names) => {
  if (names.length === 0)
    throw new Failure(
      'usage: node scripts/prerequisites.mjs <build|cross|test|sanitize|fuzz|browser|redis|proxies|lint>...',
    );
  need(...names);
});
