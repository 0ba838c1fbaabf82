import { onTestFinished } from 'vitest';
import type { Connection, Server, ServerOptions } from '../../lib/index.js';
import type { RawClient, RequestFields } from './raw-client.js';
import { type Recorder, recorder, startServer } from './server.js';

/** One peer and the server's end of it. */
export interface Seat {
  readonly client: RawClient;
  readonly connection: Connection;
}

export interface Audience extends Recorder {
  readonly server: Server;
  readonly url: string;
  /** Connects one more, subscribed to the topics. */
  join(topics?: readonly string[], fields?: RequestFields): Promise<Seat>;
  /** Connects so many, each subscribed to `topic`. */
  seats(count: number, topic?: string): Promise<Seat[]>;
}

/** A server that records what its handlers are told, and peers that are subscribed to topics of it. */
export async function audience(
  options: ServerOptions = {},
  cleanUp: (end: () => Promise<void>) => void = onTestFinished,
): Promise<Audience> {
  const record = recorder();
  const { server, url, open } = await startServer({ ...record.handlers, ...options }, cleanUp);
  const join = async (topics: readonly string[] = [], fields?: RequestFields) => {
    const client = await open(fields);
    const connection = await record.opened.next();
    for (const topic of topics) connection.subscribe(topic);
    return { client, connection };
  };
  return {
    ...record,
    server,
    url,
    join,
    async seats(count, topic = 'news') {
      const all: Seat[] = [];
      for (let i = 0; i < count; i++) all.push(await join([topic]));
      return all;
    },
  };
}

/** The payload of the next frame as text. */
export const heard = async ({ client }: Seat): Promise<string> => (await client.frame()).payload.toString();
