import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisStore } from '../../lib/redis/index.js';
import { migrateSessions } from '../../lib/sessions/index.js';
import { moveAndKill } from '../../scripts/tools/move-and-kill.mjs';
import { audit } from './helpers/audit.js';
import { type Compiled, compileSessions } from './helpers/compile.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

const mover = fileURLToPath(new URL('fixtures/mover.mjs', import.meta.url));

describe('a migration that is killed', () => {
  let server: RedisServer;
  let compiled: Compiled;
  let library: [string, string];
  let client: ReturnType<typeof createClient>;

  beforeAll(async () => {
    [server, compiled] = await Promise.all([startRedis(), compileSessions()]);
    library = [compiled.url('redis/index.js'), compiled.url('sessions/index.js')];
    client = createClient({ url: server.url });
    await client.connect();
  });
  afterAll(async () => {
    client.destroy();
    await Promise.all([server.stop(), compiled.remove()]);
  });

  function run(...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [mover, ...library, server.url, ...args], (error, stdout, stderr) => {
        if (error?.signal === 'SIGKILL') resolve('killed');
        else if (error) reject(new Error(stderr, { cause: error }));
        else resolve(stdout.trim());
      });
    });
  }

  const store = (prefix: string, partitions: number) =>
    new RedisStore({ client: client as never, prefix: `${prefix}:`, partitions, timeout: 10_000 });

  /** A session of each kind. */
  async function fill(from: RedisStore): Promise<string[]> {
    const owner = { nodeId: 'node', connection: 'c1' };
    const made = await Promise.all([
      from.create({ ttl: 60_000, userId: 'ann', loginId: 'login', group: 'group', owner }),
      from.create({ ttl: 60_000, id: from.newId(undefined, 'anonymous') }),
      from.create({ ttl: 60_000, userId: 'bob' }),
    ]);
    return made.map((result) => (result.status === 'created' ? result.record.id : ''));
  }

  const tail = (id: string) => id.slice(id.indexOf('.') + 1);

  async function tails(of: RedisStore): Promise<string[]> {
    const [{ records }, aside] = [await of.list(undefined, 100), await of.transfer.underWay(100)];
    const pages = [...records.map(({ id }) => id), ...aside];
    return pages.map(tail);
  }

  async function everything(of: RedisStore): Promise<string[]> {
    const found: string[] = [];
    for (const name of ['ann', 'bob']) found.push(...(await of.byUser(name)).map(({ id }) => tail(id)));
    return found;
  }

  test('after each command, or during it, has every session in one store after the next run', async () => {
    await fill(store('first', 2));
    await run('first:2', 'first-target:3');
    await fill(store('dry', 2));
    const [commands, moved] = (await run('dry:2', 'dry-target:3')).split(' ').map(Number);
    expect([commands !== undefined && commands > 10, moved]).toEqual([true, 3]);
    const deaths = Array.from({ length: commands ?? 0 }, (_, n) => n + 1).flatMap((n) =>
      (['during', 'after'] as const).map((moment) => ({ n: `${n}`, moment })),
    );
    const die = async () => {
      for (let death = deaths.pop(); death !== undefined; death = deaths.pop()) {
        const name = `kill-${death.n}-${death.moment}`;
        const [from, to] = [store(name, 2), store(`${name}-target`, 3)];
        const ids = (await fill(from)).map(tail).sort();
        expect(await run(`${name}:2`, `${name}-target:3`, death.n, death.moment), name).toBe('killed');
        for (const prefix of [`${name}:`, `${name}-target:`])
          expect((await audit(server.url, prefix)).contradictions, name).toEqual([]);
        // Nothing is lost, and nothing is found in both: what the source keeps of it, nobody finds.
        const live = [...(await everything(from)), ...(await everything(to))];
        expect(new Set(live).size, name).toBe(live.length);
        expect(await migrateSessions(from, to), name).toMatchObject({ failed: 0, isComplete: true });
        expect((await audit(server.url, `${name}:`)).keys, name).toEqual([]);
        expect((await audit(server.url, `${name}-target:`)).contradictions, name).toEqual([]);
        let cursor: string | undefined;
        const there: string[] = [];
        do {
          const page = await to.list(cursor, 100);
          there.push(...page.records.map(({ id }) => tail(id)));
          ({ cursor } = page);
        } while (cursor !== undefined);
        expect(there.sort(), name).toEqual(ids);
        expect((await to.byLogin('login', 'ann')).length, name).toBe(1);
      }
    };
    await Promise.all([die(), die(), die()]);
    expect(await tails(store('dry', 2))).toEqual([]);
  }, 120_000);

  // `npm run migration` does the same with 100,000.
  test('[seed] twice on the way has 2,000 sessions in exactly one store afterwards', async () => {
    const found = await moveAndKill({ library, url: server.url, sessions: 2000, kills: 2 });
    expect(found).toMatchObject({
      killed: 2,
      inBoth: 0,
      inNone: 0,
      inTarget: 2000,
      inSource: 0,
      underWay: 0,
    });
    expect(found.movedBeforeTheLast).toBeGreaterThan(0);
  }, 60_000);
});
