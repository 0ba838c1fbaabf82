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

describe('close() where only what was kept is left', () => {
  test.each(['close', 'terminate'] as const)(
    '%s() inside a handler calls no close handler inside itself',
    async (how) => {
      const told: string[] = [];
      let kept!: Connection;
      const { open } = await startServer({
        strictLifetime: true,
        message(connection, data) {
          told.push(String(data));
          if (told.length === 1) {
            kept = connection;
            connection.pause();
            return;
          }
          connection[how]();
          told.push(`${connection.isOpen} ${connection.topics.length}`);
        },
        close: () => void told.push('close'),
      });
      const client = await open();
      for (const text of ['1', '2', '3']) client.text(text);
      await turnUntil(() => kept !== undefined);
      client.reset();
      await turnUntil(() => !kept.isOpen);
      kept.resume();
      await turnUntil(() => told.includes('close'));
      expect(told).toEqual(['1', '2', 'false 0', 'close']);
    },
  );

  test('close() outside of handlers calls it soon after', async () => {
    const told: string[] = [];
    let kept!: Connection;
    const { open } = await startServer({
      message(connection) {
        kept = connection;
        connection.pause();
      },
      close: () => void told.push('close'),
    });
    const client = await open();
    for (const text of ['1', '2', '3']) client.text(text);
    await turnUntil(() => kept !== undefined);
    client.reset();
    await turnUntil(() => !kept.isOpen);
    kept.close();
    expect(told).toEqual([]);
    await kept.closed;
    expect(told).toEqual(['close']);
  });
});
