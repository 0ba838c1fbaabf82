import type { IncomingMessage } from 'node:http';
import type { Connection } from '../connection/connection.js';
import type { Adopted } from '../connection/transport.js';
import { LwsError } from '../shared/errors.js';

function ignore(): void {}

/** A stream of Node on its way to a connection, and who waits for that. Lives on its transport. */
export class Adoption implements Adopted {
  /** What `connection.data` is unless `upgrade` gives another. */
  readonly data: unknown;
  /** The request as Node took it in; undefined for a stream of HTTP/2. */
  readonly raw: IncomingMessage | undefined;
  /** The connection once it is open. Whoever does not look at it meets no unhandled rejection. */
  readonly opening: Promise<Connection>;
  #resolve!: (connection: Connection) => void;
  #reject!: (error: LwsError) => void;

  constructor(data: unknown, raw: IncomingMessage | undefined) {
    this.data = data;
    this.raw = raw;
    this.opening = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.opening.catch(ignore);
  }

  opened(connection: Connection): void {
    this.#resolve(connection);
  }

  /** It becomes no connection. The first reason counts; after the connection opened none does. */
  failed(why: string, status?: number): void {
    const cause = status === undefined ? undefined : { cause: Object.assign(new Error(why), { status }) };
    this.#reject(new LwsError('ERR_HANDSHAKE', `The upgrade came to nothing: ${why}`, cause));
  }
}
