import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** What the build does with the Lua of the sessions. */
const luaAsText = {
  name: 'lua-as-text',
  transform: (code: string, id: string) =>
    id.endsWith('.lua') ? { code: `export default ${JSON.stringify(code)};`, map: null } : undefined,
};

export default defineConfig({
  plugins: [luaAsText],
  test: {
    include: ['test/**/*.test.ts'],
    // A process per file: a crash of the addon costs one file, and its state is fresh in each.
    pool: 'forks',
    // Most files wait for sockets: two fit a core's idle time, so a machine of two cores is used whole.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    execArgv: ['--expose-gc'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 10_000,
    // A test that fails once has failed.
    retry: 0,
    passWithNoTests: false,
  },
});
