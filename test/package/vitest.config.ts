import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** The tests of the packed package, apart from the suite: npm run test:package prepares what they need. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '..', '..'),
    include: ['test/package/**/*.pack.ts'],
    pool: 'forks',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    retry: 0,
    passWithNoTests: false,
  },
});
