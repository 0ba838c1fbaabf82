import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { startServer, turnUntil } from '../helpers/server.js';

/** A client with a thread of its own, which answers while ours is blocked. */
const client = `
  const { workerData } = require('node:worker_threads');
  new (require('ws'))(workerData);
`;

const blocked = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);

it('does not count the time in which the loop was blocked against who answered meanwhile', async () => {
  const { server, url } = await startServer({ message() {} });
  const thread = new Worker(client, { eval: true, workerData: url });
  await turnUntil(() => server.connections.size === 1);
  const closing = server.close({ timeout: 100 });
  setImmediate(blocked);
  expect(await closing).toEqual({ closed: 1, forced: 0 });
  await thread.terminate();
});
