import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createServer, type Server } from '../../lib/index.js';
import { between, inside } from './fixtures/stages.mjs';
import { BINARY, type Client, frame, join, TEXT } from './fixtures/wire.mjs';
import { startEcho, startWorker, type Told } from './workers.js';

const soak = process.env.LWS_SOAK !== undefined;
const rounds = soak ? 50 : 2;

let server: Server;
let witness: Client;

/* the main thread serves all the while; whatever a worker breaks, it breaks here */
beforeAll(async () => {
  server = createServer({ pingInterval: 0, message: (connection, data) => void connection.send(data) });
  witness = await join((await server.listen()).port);
});

afterAll(async () => {
  witness.reset();
  await server.close();
});

async function mainIsWell(): Promise<void> {
  witness.write(frame(TEXT, 'well?'));
  expect((await witness.next())?.payload.toString()).toBe('well?');
}

async function atStage(where: string, stage: string, ending: string): Promise<Told> {
  const watched = await startWorker('stage-worker.mjs', { where, stage, ending });
  expect(await watched.message).toBe('reached');
  return watched;
}

async function often(round: () => Promise<void>): Promise<void> {
  for (let i = 0; i < rounds; i++) await round();
  await mainIsWell();
}

describe('worker.terminate()', () => {
  test.each(Object.keys(between))('ends a worker while %s', (stage) =>
    often(async () => {
      const { worker } = await atStage('between', stage, 'terminate');
      expect(await worker.terminate()).toBe(1);
    }),
  );

  test.each(Object.keys(inside))('ends a worker inside %s', (stage) =>
    often(async () => {
      const { worker } = await atStage('inside', stage, 'terminate');
      expect(await worker.terminate()).toBe(1);
    }),
  );

  test('ends a worker in the middle of traffic, at whatever instruction', async () => {
    for (let after = 1; after <= (soak ? 400 : 16); after++) {
      const { worker, port, until } = await startEcho();
      const clients = await Promise.all([join(port), join(port), join(port)]);
      const burst = Buffer.concat([frame(TEXT, 'x'.repeat(100)), frame(BINARY, Buffer.alloc(20_000))]);
      for (const { socket } of clients) {
        socket
          .removeAllListeners('data')
          .on('data', () => socket.writableLength === 0 && socket.write(burst));
        for (let i = 0; i < 8; i++) socket.write(burst);
      }
      await until('message', after * 7);
      expect(await worker.terminate()).toBe(1);
      for (const client of clients) client.socket.destroy();
    }
    await mainIsWell();
  });
});

describe('process.exit() in a worker', () => {
  test.each(Object.keys(between))('ends only the worker while %s', (stage) =>
    often(async () => {
      const { exit } = await atStage('between', stage, 'process.exit()');
      expect(await exit).toBe(7);
    }),
  );

  test.each(Object.keys(inside))('ends only the worker inside %s', (stage) =>
    often(async () => {
      const { exit } = await atStage('inside', stage, 'process.exit()');
      expect(await exit).toBe(7);
    }),
  );
});

describe('an exception nobody catches in a worker', () => {
  test.each(Object.keys(inside))('ends only the worker inside %s', (stage) =>
    often(async () => {
      const { error, exit } = await atStage('inside', stage, 'an exception');
      expect((await error).message).toBe('nobody catches this');
      expect(await exit).toBe(1);
    }),
  );
});
