import { describe, expect, test } from 'vitest';
import type { Connection } from '../../lib/index.js';
import { Opcode } from '../helpers/frames.js';
import { startServer, turnUntil } from '../helpers/server.js';

/** How the peer goes while the server keeps what it sent behind a pause. */
const departures = {
  'has closed, and got its answer': [50, (send: (opcode: number) => void) => send(Opcode.CLOSE)],
  'has closed, and waits for its answer': [5000, (send: (opcode: number) => void) => send(Opcode.CLOSE)],
} as const;

/** What a handler does with the second of four messages that were kept; nothing may follow. */
const ends: Record<string, (connection: Connection) => void> = {
  throws() {
    throw new Error('broken');
  },
  'calls close()': (connection) => connection.close(),
  'calls terminate()': (connection) => connection.terminate(),
};

describe.each(Object.entries(departures))('when a peer %s', (_, [closeTimeout, depart]) => {
  test.each(Object.keys(ends))('and the handler of a kept message %s, no other comes', async (how) => {
    const seen: string[] = [];
    let kept!: Connection;
    let closes = 0;
    const errors: string[] = [];
    const { server, open } = await startServer({
      closeTimeout,
      message(connection, data) {
        seen.push(String(data));
        if (seen.length === 1) {
          kept = connection;
          connection.pause();
        }
        if (seen.length === 2) ends[how]!(connection);
      },
      close: () => void closes++,
      error: (error) => errors.push(error.code),
    });
    const client = await open();
    for (const text of ['1', '2', '3', '4']) client.text(text);
    depart((opcode) => client.send({ opcode, payload: '' }));
    await turnUntil(() => kept !== undefined);
    if (closeTimeout < 1000) await client.framesToEnd();
    else await turnUntil(() => server.stats().messagesReceived === 4);
    client.end();
    kept.resume();
    await turnUntil(() => closes === 1);
    expect(seen).toEqual(['1', '2']);
    expect(errors).toEqual(how === 'throws' ? ['ERR_HANDLER'] : []);
  });
});
