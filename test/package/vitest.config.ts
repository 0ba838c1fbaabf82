import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** The tests of the packed package, apart from the suite: npm run test:package prepares what they need. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '..', '..'),
    include: ['test/package/**/*.pack.ts'],
    pool: 'forks',
    // Vitest leaves a core to itself: of two it would use one. Each file has a folder of its own.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 120_000,
    hookTimeout: 120_000,
    retry: 0,
    passWithNoTests: false,
  },
});
