import { join } from 'node:path';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.js';

/** The suite, counting the lines of lib/ that run: npm run coverage. */
export default mergeConfig(
  base,
  defineConfig({
    test: {
      root: join(import.meta.dirname, '..', '..'),
      setupFiles: ['test/coverage/flush.ts'],
      coverage: {
        enabled: true,
        provider: 'v8',
        include: ['lib/**/*.ts'],
        reporter: ['json'],
        reportsDirectory: 'build/coverage-lib',
        reportOnFailure: true,
      },
    },
  }),
);
