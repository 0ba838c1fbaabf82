import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import { audit } from './helpers/audit.js';
import { type Compiled, compileSessions } from './helpers/compile.js';
import { sleep, until } from './helpers/managers.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

const victim = fileURLToPath(new URL('fixtures/victim.mjs', import.meta.url));

/** Runs the victim; answers its output, or that it was killed. */
function run(library: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [victim, library, ...args], (error, stdout, stderr) => {
      if (error?.signal === 'SIGKILL') resolve('killed');
      else if (error) reject(new Error(stderr, { cause: error }));
      else resolve(stdout.trim());
    });
  });
}

describe('a process that is killed between any two store calls', () => {
  let server: RedisServer;
  let compiled: Compiled;

  beforeAll(async () => {
    [server, compiled] = await Promise.all([startRedis(), compileSessions()]);
  });
  afterAll(() => Promise.all([server.stop(), compiled.remove()]));

  /** Sweeps as another node would, until nothing is left. */
  async function sweepAway(store: RedisStore, prefix: string): Promise<void> {
    const isEmpty = async () => {
      await store.sweep(64);
      return (await audit(server.url, prefix)).keys.length === 0;
    };
    await until(`nothing left of ${prefix}`, isEmpty, { timeout: 20_000, pause: 500 });
  }

  test('leaves no index that lies and no record that stays, whichever call was the last', async () => {
    const library = compiled.url('redis/index.js');
    const client = await createClient({ url: server.url }).connect();
    const other = (prefix: string) => new RedisStore({ client, prefix, partitions: 3, timeout: 10_000 });
    // The first run of all also loads the functions.
    await run(library, server.url, 'first:');
    const commands = Number(await run(library, server.url, 'dry:'));
    expect(commands).toBeGreaterThan(20);
    // After each command; and every third also while it is under way, which leaves what before or after it would.
    const deaths = Array.from({ length: commands }, (_, n) => n + 1).flatMap((n) =>
      (n % 3 === 0 ? ['during', 'after'] : ['after']).map((moment) => ({
        n: `${n}`,
        moment,
        prefix: `kill-${n}-${moment}:`,
      })),
    );
    const sweeping: Promise<void>[] = [];
    const die = async () => {
      for (let death = deaths.pop(); death !== undefined; death = deaths.pop()) {
        const { n, moment, prefix } = death;
        expect(await run(library, server.url, prefix, n, moment), prefix).toBe('killed');
        const { contradictions } = await audit(server.url, prefix);
        expect(contradictions, prefix).toEqual([]);
        const swept = sweepAway(other(prefix), prefix);
        // Waited for at the end; until then a failure is not unhandled.
        swept.catch(() => undefined);
        sweeping.push(swept);
      }
    };
    await Promise.all([die(), die(), die()]);
    await Promise.all([...sweeping, sweepAway(other('dry:'), 'dry:'), sweepAway(other('first:'), 'first:')]);
    client.destroy();
  }, 60_000);

  test('a sweeper that is killed loses at most the events of its batch, never a session twice or for ever', async () => {
    const client = await createClient({ url: server.url }).connect();
    const store = new RedisStore({ client, prefix: 'sweep:' });
    const made = await Promise.all(
      Array.from({ length: 1500 }, (_, n) => store.create({ ttl: 50, userId: `u${n}` })),
    );
    const ids = made.map((result) => (result.status === 'created' ? result.record.id : ''));
    await sleep(100);
    const program = fileURLToPath(new URL('fixtures/sweeper.mjs', import.meta.url));
    const folder = compiled.url('').replace(/\/$/, '');
    const told = await new Promise<string[]>((resolve) => {
      execFile(process.execPath, [program, folder, server.url, 'sweep:', '300'], (_error, stdout) => {
        resolve(stdout.trim().split('\n'));
      });
    });
    expect(told).toHaveLength(300);
    const rest: string[] = [];
    for (let more = true; more; ) {
      const swept = await store.sweep(256);
      rest.push(...swept.records.map(({ id }) => id));
      ({ more } = swept);
    }
    const all = [...told, ...rest];
    expect(new Set(all).size).toBe(all.length);
    const lost = ids.filter((id) => !all.includes(id));
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(256);
    expect((await audit(server.url, 'sweep:')).keys).toEqual([]);
    client.destroy();
  });

  test('[D-N8] no timer of a manager keeps its process alive, with or without connections', async () => {
    const idle = fileURLToPath(new URL('fixtures/idle.mjs', import.meta.url));
    const ended = await new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [idle, compiled.url('sessions/index.js')],
        { timeout: 15_000 },
        (error, stdout) => {
          if (error) reject(error);
          else resolve(stdout);
        },
      );
    });
    expect(ended).toBe('attached\n');
  });
});
