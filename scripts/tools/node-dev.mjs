import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from './run.mjs';

/** Node's own headers: beside the executable, or where `NODE_INCLUDE_DIR` says. */
export function nodeInclude() {
  const set = process.env.NODE_INCLUDE_DIR;
  const folder = set || join(dirname(realpathSync(process.execPath)), '..', 'include', 'node');
  const missing = ['node_version.h', 'node_api.h', 'uv.h', 'openssl/ssl.h', 'zlib.h'].filter(
    (header) => !existsSync(join(folder, header)),
  );
  if (missing.length > 0) {
    throw new Failure(
      `The headers of Node ${process.version} are not complete in ${folder} (${missing.join(', ')} missing); set ` +
        'NODE_INCLUDE_DIR to the include/node folder of the Node distribution from nodejs.org.',
    );
  }
  const text = readFileSync(join(folder, 'node_version.h'), 'utf8');
  const major = /define NODE_MAJOR_VERSION (\d+)/.exec(text)?.[1];
  if (!set && major !== process.versions.node.split('.')[0]) {
    throw new Failure(
      `${folder} holds the headers of Node ${major}, but this is Node ${process.version}; set NODE_INCLUDE_DIR ` +
        'to the include/node folder that belongs to it.',
    );
  }
  return realpathSync(folder);
}
