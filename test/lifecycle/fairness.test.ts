import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { createServer } from '../../lib/index.js';
import { connectRaw } from '../helpers/raw-client.js';

/*
 * The quiet client lives in the server's thread: its question and the answer take three turns of the loop, each of at
 * most five batches, and before the question is read each flooder may have one more visit. No machine is too slow.
 */
const mostBetween = (flooders: number) => (3 * 5 + flooders) * 4096;

test.each([1, 12])(
  '%i connections that flood delay a quiet one by a bounded number of messages',
  async (flooders) => {
    let flooded = 0;
    const server = createServer({
      port: 0,
      host: '127.0.0.1',
      message(connection, data) {
        if (typeof data === 'string') connection.send(data);
        else flooded++;
      },
    });
    const { port } = await server.listen();
    const workerData = { port, connections: flooders };
    const thread = new Worker(new URL('./fixtures/flooder.mjs', import.meta.url), { workerData });
    onTestFinished(async () => {
      await thread.terminate();
      await server.close({ timeout: 100 });
    });
    await once(thread, 'message');
    const client = await connectRaw(port);
    onTestFinished(() => client.destroy());
    await client.handshake();
    while (flooded < 50_000) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 20; i++) {
      const before = flooded;
      client.text(`question ${i}`);
      expect((await client.frame()).payload.toString()).toBe(`question ${i}`);
      expect(flooded - before).toBeLessThan(mostBetween(flooders));
    }
  },
);
