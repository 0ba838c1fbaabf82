import { lookup } from 'node:dns/promises';
import { getSystemErrorMap } from 'node:util';
import type { Native } from '../crossing/native.js';
import { defaults } from '../shared/defaults.js';
import { LwsError } from '../shared/errors.js';
import type { ListenAddress } from './api.js';
import type { ServerOptions } from './options.js';

/** An error as Node's `net` reports it, for `cause`. */
function systemError(code: string, address: string, port: number): Error {
  const text = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1] ?? 'unknown error';
  const where = port === 0 ? address : `${address}:${port}`;
  const message = `listen ${code}: ${text} ${where}`;
  return Object.assign(new Error(message), { code, syscall: 'listen', address, port });
}

/** Where the options of one server let it listen. */
export class Listening {
  readonly #native: Native;
  readonly #id: number;
  readonly #options: ServerOptions;

  constructor(native: Native, id: number, options: ServerOptions) {
    this.#native = native;
    this.#id = id;
    this.#options = options;
  }

  /** @throws LwsError ERR_LISTEN; ERR_INVALID_STATE where it is not `wanted` any more once its host was looked up. */
  async begin(wanted: () => boolean): Promise<ListenAddress> {
    const { socketPath, host } = this.#options;
    if (socketPath !== undefined) return this.#bind(null, socketPath);
    if (host === undefined) return this.#bindDualStack();
    const address = await addressOf(host);
    if (!wanted()) throw new LwsError('ERR_INVALID_STATE', 'The server was closed before it listened');
    return this.#bind(address, null);
  }

  #bind(host: string | null, path: string | null): ListenAddress {
    const { port = 0, backlog = defaults.backlog, ipv6Only = false, reusePort = false } = this.#options;
    const bound = this.#native.listen(this.#id, { host, path, port, backlog, ipv6Only, reusePort });
    if (typeof bound !== 'string') return { port: bound, address: path ?? host! };
    const cause = systemError(bound, path ?? host!, path === null ? port : 0);
    throw new LwsError('ERR_LISTEN', cause.message, { cause });
  }

  #bindDualStack(): ListenAddress {
    try {
      return this.#bind('::', null);
    } catch (error) {
      const code = ((error as LwsError).cause as NodeJS.ErrnoException).code;
      /* as Node's net: a machine without IPv6 */
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error;
      return this.#bind('0.0.0.0', null);
    }
  }
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new LwsError('ERR_LISTEN', `The host ${host} could not be resolved`, { cause });
  }
}
