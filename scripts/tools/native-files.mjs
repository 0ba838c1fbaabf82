import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

/** The C and C++ files of these folders, relative to the repository. */
export function nativeFiles(folders, extensions) {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true })
        .filter((name) => extensions.some((extension) => name.endsWith(extension)))
        .map((name) => join(folder, name)),
    )
    .filter((name) => !/(?:^|\/)(?:build|node_modules)\//.test(name))
    .sort();
}

/** Every file that clang-format keeps. */
export const formatted = () =>
  nativeFiles(['native', 'test/native', 'test/fuzz', 'bench'], ['.c', '.h', '.cc']);
