import type { Connection } from '../connection/connection.js';
import type { Dispatcher } from '../connection/dispatch.js';
import { readConnectionId } from '../connection/ids.js';
import { shown } from '../shared/shown.js';
import type { Connections } from './api.js';
import type { Life } from './life.js';

/** The connections of one server that have opened and not ended. */
export class Members {
  readonly #open = new Set<Connection>();
  #whenNone: (() => void)[] = [];

  get size(): number {
    return this.#open.size;
  }

  has(connection: Connection): boolean {
    return this.#open.has(connection);
  }

  add(connection: Connection): void {
    this.#open.add(connection);
  }

  remove(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    for (const tell of this.#whenNone.splice(0)) tell();
  }

  /** A snapshot. */
  list(): Connection[] {
    return [...this.#open];
  }

  /** Resolves when none is there any more. */
  async none(): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenNone.push(resolve);
    });
  }
}

/** All of them, also those that the native side accepted alone and has not told of: they are made for it. */
export function everybody(hub: Dispatcher, id: number, members: Members, life: Life, alone: boolean) {
  if (alone && life.state !== 'closed') hub.introduce(id);
  return members.list();
}

/** `server.connections`. */
export function connectionsOf(
  hub: Dispatcher,
  id: number,
  members: Members,
  life: Life,
  alone: boolean,
): Connections {
  const connections: Connections = {
    get size() {
      const untold = alone && life.state !== 'closed' ? hub.crossing.native.unknown(id) : 0;
      return members.size + untold;
    },
    get(connectionId) {
      const handle = readConnectionId(connectionId);
      if (handle === undefined) return undefined;
      const connection = hub.connections[handle.slot];
      return connection?.generation === handle.generation && members.has(connection) ? connection : undefined;
    },
    [Symbol.iterator]: () => everybody(hub, id, members, life, alone)[Symbol.iterator](),
  };
  return shown(connections, 'Connections', ({ size }) => ({ size }));
}
