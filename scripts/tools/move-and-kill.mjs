// Moves many sessions from one store in Redis to another by a process that is killed on the way, and counts afterwards
// in which of both stores each session is.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';

const mover = fileURLToPath(new URL('../../test/sessions/fixtures/mover.mjs', import.meta.url));
let runs = 0;

/**
 * @param {{
 *   library: [redis: string, sessions: string], url: string, sessions: number, kills: number,
 *   tell?: (text: string) => void,
 * }} options `library`: the URLs of both modules
 */
export async function moveAndKill({ library, url, sessions, kills, tell = () => undefined }) {
  const { RedisStore } = await import(library[0]);
  const client = await createClient({ url }).connect();
  const name = `killed${++runs}`;
  const open = (prefix, partitions) =>
    new RedisStore({ client, prefix: `${prefix}:`, partitions, timeout: 60_000 });
  const [from, to] = [open(name, 16), open(`${name}-target`, 64)];
  try {
    const tails = await fill(from, sessions);
    tell(`${sessions} sessions are in the source`);
    let killed = 0;
    let movedBeforeTheLast = 0;
    for (let kill = 1; kill <= kills; kill++) {
      // Far enough from each other that every one finds some under way and some that are not.
      const enough = Math.round((sessions * kill) / (kills + 1));
      if (await runUntil(url, library, name, async () => (await to.count()) >= enough)) killed++;
      movedBeforeTheLast = await to.count();
      const aside = (await from.transfer.underWay(10_000)).length;
      tell(
        `killed: ${movedBeforeTheLast} in the target, ${await from.count()} in the source, ${aside} under way`,
      );
    }
    const began = performance.now();
    await runUntil(url, library, name, async () => false);
    const seconds = (performance.now() - began) / 1000;
    const [inSource, inTarget] = [await tailsOf(from), await tailsOf(to)];
    const underWay = (await from.transfer.underWay(10_000)).length;
    const both = tails.filter((tail) => inSource.has(tail) && inTarget.has(tail)).length;
    const none = tails.filter((tail) => !inSource.has(tail) && !inTarget.has(tail)).length;
    return {
      killed,
      movedBeforeTheLast,
      inBoth: both,
      inNone: none,
      inTarget: inTarget.size,
      inSource: inSource.size,
      underWay,
      perSecond: Math.round((sessions - movedBeforeTheLast) / seconds),
    };
  } finally {
    client.destroy();
  }
}

const tailOf = (id) => id.slice(id.indexOf('.') + 1);

async function fill(store, count) {
  const tails = [];
  for (let start = 0; start < count; start += 1000) {
    const some = Array.from({ length: Math.min(1000, count - start) }, async (_, index) => {
      const n = start + index;
      const { record } = await store.create({
        ttl: 3_600_000,
        userId: n % 4 === 0 ? undefined : `user${n % (count / 4)}`,
        loginId: `login${n % (count / 2)}`,
        owner: n % 2 === 0 ? { nodeId: `node${n % 4}`, connection: `c${n}` } : undefined,
        attributes: new Uint8Array(200).fill(n % 256),
      });
      return tailOf(record.id);
    });
    tails.push(...(await Promise.all(some)));
  }
  return tails;
}

async function tailsOf(store) {
  const found = new Set();
  let cursor;
  do {
    const page = await store.list(cursor, 1000);
    for (const { id } of page.records) found.add(tailOf(id));
    ({ cursor } = page);
  } while (cursor !== undefined);
  return found;
}

/** Resolves to whether it was killed, as soon as `isTime` says so. */
async function runUntil(url, library, name, isTime) {
  const child = spawn(process.execPath, [mover, ...library, url, `${name}:16`, `${name}-target:64`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let isOver = false;
  const exited = new Promise((resolve) => {
    child.once('exit', (_code, signal) => {
      isOver = true;
      resolve(signal === 'SIGKILL');
    });
  });
  while (!isOver && !(await isTime())) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGKILL');
  return exited;
}
