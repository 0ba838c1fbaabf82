import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { prepareSources } from '../fetch-lws.mjs';
import { withBuildLock } from './lock.mjs';
import { attempt, root, run } from './run.mjs';

/**
 * Builds the core without Node in `build/<name>`, with `flags` for every part and further CMake `settings`;
 * returns that folder.
 */
export async function buildCore({ name, flags, settings: more = [] }) {
  const folder = join(root, 'build', name);
  await withBuildLock(async () => {
    const settings = [
      `-DLWSN_LWS_SOURCE=${await prepareSources()}`,
      '-DLWSN_TESTS=ON',
      `-DLWSN_FLAGS=${flags}`,
      `-DLWSN_JOBS=${availableParallelism()}`,
      // The sources state their own level of optimization; CMake adds none.
      '-DCMAKE_BUILD_TYPE=None',
      ...more,
    ];
    const key = createHash('sha256')
      .update(JSON.stringify([realpathSync(root), settings]))
      .digest('hex');
    const stamp = join(folder, 'configured');
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== key) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      run('cmake', ['-S', root, '-B', folder, ...generator(), ...settings], { quiet: true });
      writeFileSync(stamp, key);
    }
    run('cmake', ['--build', folder, '--parallel', String(availableParallelism())], { quiet: true });
  });
  return folder;
}

function generator() {
  return attempt('ninja', ['--version']).ok ? ['-G', 'Ninja'] : [];
}
