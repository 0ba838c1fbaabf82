import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { createServer, drainOnSignal } from '../../lib/index.js';
import { Opcode } from '../helpers/frames.js';
import { connectRaw, type RawClient } from '../helpers/raw-client.js';
import { start } from './children.js';

async function serve(options: object) {
  const child = await start('drained-server.mjs', [JSON.stringify(options)]);
  const port = Number(await child.line());
  const client = await connectRaw(port);
  await client.handshake();
  return { child, port, client };
}

async function answerClose(client: RawClient): Promise<number> {
  const { payload } = await client.frame();
  client.send({ opcode: Opcode.CLOSE, payload: payload.subarray(0, 2) });
  client.end();
  return payload.readUInt16BE(0);
}

test('SIGTERM drains, and the process ends by itself', async () => {
  const { child, client } = await serve({ over: 0 });
  child.kill('SIGTERM');
  expect(await answerClose(client)).toBe(1012);
  expect(JSON.parse((await child.line())!)).toEqual([{ closed: 1, forced: 0 }]);
  expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
});

test('a second signal cuts who is left', async () => {
  const { child, client } = await serve({ over: 0 });
  child.kill('SIGTERM');
  expect((await client.frame()).opcode).toBe(Opcode.CLOSE);
  child.kill('SIGTERM');
  await client.ended;
  expect(JSON.parse((await child.line())!)).toEqual([{ closed: 1, forced: 1 }]);
  expect(await child.ended).toMatchObject({ code: 0, signal: null });
});

test('one more ends the process as if nobody listened', async () => {
  const { child, client } = await serve({ over: 0, held: true });
  child.kill('SIGTERM');
  await answerClose(client);
  await child.line();
  /* signals of one kind that meet are one: the second and the third may */
  const again = setInterval(() => child.kill('SIGTERM'), 50);
  onTestFinished(() => clearInterval(again));
  expect(await child.ended).toMatchObject({ code: null, signal: 'SIGTERM' });
});

test.each(['SIGUSR2', 'SIGHUP'])('other signals may be named: %s', async (signal) => {
  const { child, client } = await serve({ over: 0, signals: [signal] });
  child.kill(signal as NodeJS.Signals);
  expect(await answerClose(client)).toBe(1012);
  expect(await child.ended).toMatchObject({ code: 0, signal: null });
});

test.each([
  [{ signals: [] }, 'an array of names of signals for the option "signals"'],
  [{ signals: ['TERM'] }, 'a name like \'SIGTERM\' for the option "signals[0]"'],
  [{ drained: 1 }, 'a function for the option "drained"'],
  [{ ovr: 1 }, 'did you mean "over"?'],
  [{ rate: -1 }, 'for the option "rate"'],
])('%j is refused, and nobody listens', async (options, says) => {
  const server = createServer();
  const before = process.listenerCount('SIGTERM');
  expect(() => drainOnSignal(server, options as never)).toThrow(says);
  expect(process.listenerCount('SIGTERM')).toBe(before);
  await server.close();
});

test('what it returns stops listening', async () => {
  const server = createServer();
  const before = process.listenerCount('SIGTERM');
  const stop = drainOnSignal([server]);
  expect(process.listenerCount('SIGTERM')).toBe(before + 1);
  stop();
  expect(process.listenerCount('SIGTERM')).toBe(before);
  await server.close();
});

test('a worker is told that no signal reaches it', async () => {
  const worker = new Worker(
    `import('libwebsockets').then(({ createServer, drainOnSignal }) => {
       try { drainOnSignal(createServer()); } catch (error) { require('node:worker_threads').parentPort.postMessage(error.message); }
     });`,
    { eval: true },
  );
  const message = await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  expect(message).toContain('Expected the main thread for drainOnSignal() but this is a worker');
});
