import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { ready } from './children.js';

/** A worker with everything it will tell, listened to before it can tell it. */
export interface Told {
  readonly worker: Worker;
  readonly exit: Promise<number>;
  readonly error: Promise<Error>;
  /** Its first message. */
  readonly message: Promise<unknown>;
}

/** Starts a fixture as a worker, which ends with the test. */
export async function startWorker(name: string, workerData: object = {}): Promise<Told> {
  const worker = new Worker(await ready(name), { workerData, env: process.env, execArgv: [] });
  onTestFinished(async () => void (await worker.terminate()));
  const first = <T>(event: string) => new Promise<T>((resolve) => worker.once(event, resolve));
  return { worker, exit: first('exit'), error: first('error'), message: first('message') };
}

/** What `echo-worker.mjs` posts. */
export interface EchoNews {
  readonly event: 'listening' | 'open' | 'message' | 'closed';
  readonly value: unknown;
}

export interface EchoWorker extends Told {
  readonly port: number;
  readonly news: EchoNews[];
  /** Resolves when the `nth` news of `event` has come. */
  until(event: EchoNews['event'], nth: number): Promise<void>;
}

/** A worker with an echo server. */
export async function startEcho(workerData: object = {}): Promise<EchoWorker> {
  const told = await startWorker('echo-worker.mjs', workerData);
  const news: EchoNews[] = [];
  const waiting: (() => void)[] = [];
  told.worker.on('message', (each: EchoNews) => {
    news.push(each);
    for (const check of waiting.splice(0)) check();
  });
  const until = (event: EchoNews['event'], nth: number) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (news.filter((each) => each.event === event).length >= nth) resolve();
        else waiting.push(check);
      };
      check();
    });
  await until('listening', 1);
  return { ...told, port: news[0]!.value as number, news, until };
}
