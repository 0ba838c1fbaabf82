import { expect, test } from 'vitest';
import { watch } from '../helpers/lifecycle.js';
import { CLOSE, closeFrame, frame, join, TEXT } from './fixtures/wire.mjs';
import { type EchoWorker, startEcho, startWorker } from './workers.js';

async function echoes(port: number, text: string): Promise<void> {
  const client = await join(port);
  client.write(frame(TEXT, text));
  expect((await client.next())?.payload.toString()).toBe(text);
  client.reset();
}

const opened = ({ news }: EchoWorker) =>
  news.filter(({ event }) => event === 'open').map(({ value }) => value);

test('every worker runs a server of its own, beside that of the main thread', async () => {
  const w = await watch({ message: (c, data) => void c.send(data) });
  const workers = await Promise.all([startEcho(), startEcho(), startEcho()]);
  const ports = [w.port, ...workers.map(({ port }) => port)];
  expect(new Set(ports).size).toBe(4);
  await Promise.all(
    ports.flatMap((port) => Array.from({ length: 20 }, (_, i) => echoes(port, `message ${i} to ${port}`))),
  );
  expect(workers.map((worker) => opened(worker).length)).toEqual([20, 20, 20]);
  expect(w.calls.filter(({ event }) => event === 'open')).toHaveLength(20);
  const ids = [...workers.flatMap(opened), ...w.calls.map(({ connection }) => connection!.id)];
  expect(new Set(ids).size).toBe(80);
});

test('reusePort lets workers share a port, and every one gets connections', async () => {
  const first = await startEcho({ reusePort: true });
  const { port } = first;
  const others = await Promise.all([
    startEcho({ reusePort: true, port }),
    startEcho({ reusePort: true, port }),
  ]);
  const all = [first, ...others];
  await Promise.all(Array.from({ length: 120 }, (_, i) => echoes(port, `message ${i}`)));
  const counts = all.map((worker) => opened(worker).length);
  expect(counts.reduce((sum, count) => sum + count)).toBe(120);
  expect(Math.min(...counts)).toBeGreaterThan(0);
});

test('a shared port stays served when one of its workers is terminated', async () => {
  const first = await startEcho({ reusePort: true });
  const second = await startEcho({ reusePort: true, port: first.port });
  await first.worker.terminate();
  await Promise.all(Array.from({ length: 30 }, (_, i) => echoes(first.port, `message ${i}`)));
  expect(opened(second)).toHaveLength(30);
});

test('without reusePort a second worker may not have the port', async () => {
  const first = await startEcho();
  const { error } = await startWorker('echo-worker.mjs', { port: first.port });
  expect(await error).toMatchObject({ code: 'ERR_LISTEN' });
});

test('a worker whose server was closed ends by itself', async () => {
  const echo = await startEcho();
  const client = await join(echo.port);
  client.write(frame(TEXT, 'a'));
  await client.next();
  echo.worker.postMessage('close');
  const close = (await client.next())!;
  expect([close.opcode, close.payload.readUInt16BE()]).toEqual([CLOSE, 1001]);
  client.write(closeFrame(1001));
  client.shut();
  expect(await echo.exit).toBe(0);
  expect(echo.news.at(-1)).toEqual({ event: 'closed', value: { closed: 1, forced: 0 } });
});
