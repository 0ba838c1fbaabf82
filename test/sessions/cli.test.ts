import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/run.js';
import { formatBytes, formatDuration, formatTable, printable } from '../../lib/cli/table.js';
import { RedisStore } from '../../lib/redis/index.js';
import { SessionManager } from '../../lib/sessions/index.js';
import { FakeSocket } from './helpers/fake-socket.js';
import { until } from './helpers/managers.js';
import { freePort, type RedisServer, startRedis } from './helpers/redis-server.js';

describe('libwebsockets sessions', () => {
  let server: RedisServer;
  let manager: SessionManager;
  let disconnect: () => void;
  const secrets: string[] = [];

  beforeAll(async () => {
    server = await startRedis();
    const client = createClient({ url: server.url });
    await client.connect();
    manager = new SessionManager({ store: new RedisStore({ client, prefix: 'app:' }), nodeId: 'web-1' });
    for (let n = 0; n < 3; n++) {
      const request = { userId: 'ann', attributes: { text: 'x'.repeat(n * 100) } };
      secrets.push((await manager.attach(new FakeSocket(), request)).id);
    }
    secrets.push((await manager.create({ userId: 'b\x1b[2Job\u202e' })).id, (await manager.create()).id);
    disconnect = () => client.destroy();
  });
  afterAll(async () => {
    await manager.stop();
    disconnect();
    await server.stop();
  });

  /** Runs the command line; `stop` ends it when the output has grown to so many writes. */
  async function cli(args: string[], stopAfter = Number.POSITIVE_INFINITY, isTTY = false) {
    const stop = new AbortController();
    const written: string[] = [];
    const errors: string[] = [];
    const output = {
      isTTY,
      write(text: string) {
        written.push(text);
        if (written.length >= stopAfter) stop.abort();
      },
    };
    const code = await run(args, output, { write: (text) => errors.push(text) }, stop.signal);
    return { code, written, text: written.join(''), errors: errors.join('') };
  }

  const ask = (...args: string[]) => cli(['sessions', '--redis', server.url, '--prefix', 'app:', ...args]);

  test('shows sessions, users and nodes as tables, without secrets', async () => {
    const { code, text } = await ask();
    expect(code).toBe(0);
    const lines = text.split('\n');
    expect(lines[0]).toBe('5 sessions, 3 active, 2 users, 1 node');
    expect(text).toMatch(/session +user +status +node +age +idle +expires in +values +attaches/);
    expect(lines.filter((line) => /ann +active +web-1 +\d+s +\d+s +\d+m +\d+ B +1$/.test(line))).toHaveLength(
      3,
    );
    expect(lines).toContainEqual(expect.stringMatching(/^ann +3 +3 +\d+s$/));
    expect(lines).toContainEqual(expect.stringMatching(/^web-1 +3 +3 +\d+s$/));
    for (const id of secrets) expect(text).not.toContain(id);
  });

  test('names from clients cannot command the terminal', async () => {
    const { text } = await ask();
    expect(text).toContain('b�[2Job�');
    expect(text).not.toContain('\x1b');
  });

  test('--ids shows whole ids, --only one table, --limit so many rows', async () => {
    const { text } = await ask('--ids', '--only', 'sessions', '--limit', '2');
    expect(secrets.filter((id) => text.includes(id))).toHaveLength(2);
    expect(text).toContain('… 3 more');
    expect(text).not.toContain('\nusers\n');
  });

  test('--max bounds what is read, and says so', async () => {
    const { text } = await ask('--max', '1');
    expect(text).toMatch(/^\d sessions? \(there are more/);
  });

  test('--json prints one object for other programs', async () => {
    const { text } = await ask('--json');
    const { count, sessions, users, nodes } = JSON.parse(text);
    expect([count, sessions.length, users.length, nodes]).toEqual([
      5,
      5,
      2,
      [expect.objectContaining({ name: 'web-1' })],
    ]);
    expect(text).not.toContain(secrets[0]);
  });

  test('--watch looks again and again until it is interrupted, and clears a terminal only', async () => {
    const args = ['sessions', '--redis', server.url, '--prefix', 'app:', '--watch', '--interval', '0.1'];
    const plain = await cli(args, 3);
    expect([plain.code, plain.written.length, plain.text.includes('\x1b')]).toEqual([0, 3, false]);
    const terminal = await cli(args, 2, true);
    expect(terminal.written.every((text) => text.startsWith('\x1b[H\x1b[2J'))).toBe(true);
    const admin = createClient({ url: server.url });
    await admin.connect();
    await until('disconnected', async () => (await admin.clientList()).length === 3);
    admin.destroy();
  });

  test('an empty Redis is one line', async () => {
    const { text } = await cli(['sessions', '--redis', server.url]);
    expect(text).toBe('0 sessions, 0 active, 0 users, 0 nodes\n');
  });

  test.each([
    [['sessions'], '--redis <url> is missing'],
    [
      ['sessions', '--redis', 'redis://x', '--limit', 'many'],
      'Expected a number from 1 to 1000000 for --limit but got the string "many"',
    ],
    [['sessions', '--redis', 'redis://x', '--only', 'cats'], 'Expected sessions, users or nodes for --only'],
    [['sessions', '--rediss', 'x'], "Unknown option '--rediss'"],
    [['session'], 'there is no command "session"'],
  ])('%j is refused with one sentence and exit code 2', async (args, message) => {
    const { code, text, errors } = await cli(args);
    expect([code, text]).toEqual([2, '']);
    expect(errors).toContain(message);
    expect(errors.split('\n')).toHaveLength(2);
  });

  test('no Redis there is one sentence as well, at once', async () => {
    const { code, errors } = await cli(['sessions', '--redis', `redis://127.0.0.1:${await freePort()}`]);
    expect(code).toBe(2);
    expect(errors).toMatch(/^libwebsockets: no connection to Redis: .*ECONNREFUSED.*\n$/);
  });

  test('--help tells every option', async () => {
    const { code, text } = await cli(['sessions', '--help']);
    expect(code).toBe(0);
    for (const option of ['--redis', '--prefix', '--watch', '--json', '--ids'])
      expect(text).toContain(option);
    expect((await cli([])).code).toBe(2);
    expect((await cli(['--help'])).text).toContain('sessions');
  });
});

describe('libwebsockets sessions move', () => {
  let server: RedisServer;
  let client: ReturnType<typeof createClient>;

  beforeAll(async () => {
    server = await startRedis();
    client = createClient({ url: server.url });
    await client.connect();
  });
  afterAll(async () => {
    client.destroy();
    await server.stop();
  });

  const store = (prefix: string, partitions = 16) =>
    new RedisStore({ client: client as never, prefix, partitions, timeout: 10_000 });

  async function move(...args: string[]) {
    const written: string[] = [];
    const errors: string[] = [];
    const stop = new AbortController();
    const code = await run(
      ['sessions', 'move', ...args],
      { write: (text) => written.push(text) },
      { write: (text) => errors.push(text) },
      stop.signal,
    );
    return { code, text: written.join(''), errors: errors.join('') };
  }

  test('moves all sessions to another prefix and number of partitions, and says how many', async () => {
    const from = store('a:');
    for (let n = 0; n < 30; n++) await from.create({ ttl: 60_000, userId: `u${n}` });
    const args = ['--from', server.url, '--from-prefix', 'a:', '--to-prefix', 'b:', '--to-partitions', '32'];
    expect(await move(...args, '--dry-run')).toEqual({
      code: 0,
      text: '30 sessions to move, 0 under way\n',
      errors: '',
    });
    await from.transfer.depart([(await from.byUser('u1'))[0]?.id ?? '']);
    expect(await move(...args)).toEqual({
      code: 0,
      text: expect.stringMatching(/^30 sessions moved in \d+s, 1 of them were under way\n$/),
      errors: '',
    });
    expect([await from.count(), await store('b:', 32).count()]).toEqual([0, 30]);
    expect(JSON.parse((await move(...args, '--json')).text)).toMatchObject({
      moved: 0,
      isComplete: true,
      failures: {},
    });
  });

  test('tells why some failed, without their ids, by its exit code too', async () => {
    const [from, to] = [store('c:'), store('d:')];
    for (const each of [from, to])
      await each.create({ ttl: 60_000, id: from.newId('ann', 'same'), userId: 'ann' });
    const { code, text } = await move('--from', server.url, '--from-prefix', 'c:', '--to-prefix', 'd:');
    expect(code).toBe(1);
    expect(text).toMatch(
      /^0 sessions moved in 0s, 1 failed\n {2}1 × still in the source: .*another session of that id\n$/,
    );
    expect(text).not.toContain('same');
  });

  test.each([
    [[], '--from <url> is missing'],
    [['--from', 'redis://x'], 'both stores are the same'],
    [['--from', 'redis://x', '--to-partitions', '0'], 'Expected a number from 1 to 1024 for --to-partitions'],
    [['--form', 'redis://x'], "Unknown option '--form'"],
  ])('%j is refused with one sentence and exit code 2', async (args, message) => {
    const { code, text, errors } = await move(...args);
    expect([code, text]).toEqual([2, '']);
    expect(errors).toContain(message);
    expect(errors.split('\n')).toHaveLength(2);
  });

  test('--help tells every option', async () => {
    const { text } = await move('--help');
    for (const option of ['--from', '--to-prefix', '--to-partitions', '--concurrency', '--dry-run', '--json'])
      expect(text).toContain(option);
  });
});

describe('tables', () => {
  test('columns are as wide as their widest text, numbers to the right, wide characters as two', () => {
    const columns = [
      { heading: 'name', text: ([name]: [string, number]) => name },
      { heading: 'n', text: ([, n]: [string, number]) => `${n}`, right: true },
    ];
    expect(
      formatTable(columns, [
        ['日本', 5],
        ['a', 1234],
      ]),
    ).toBe('name     n\n────  ────\n日本     5\na     1234');
  });

  test.each([
    [0, '0s'],
    [-5, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [3_600_000, '1h'],
    [12_000_000, '3h 20m'],
    [86_400_000, '1d'],
    [360_000_000, '4d 4h'],
  ])('%i ms is %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  test('bytes and long texts are shortened', () => {
    expect([formatBytes(1023), formatBytes(1536), formatBytes(5_242_880)]).toEqual([
      '1023 B',
      '1.5 KiB',
      '5.0 MiB',
    ]);
    expect(printable('x'.repeat(50))).toBe(`${'x'.repeat(39)}…`);
    expect(printable('a\nb\x9bc')).toBe('a�b�c');
  });
});
