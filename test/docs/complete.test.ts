import { describe, expect, it, vi } from 'vitest';
import { checkConnectOptions } from '../../lib/client/options.js';
import { deflateChecks, deflateSettings } from '../../lib/handshake/deflate.js';
import { createServer, errorCodes, LwsError, reconnect } from '../../lib/index.js';
import { checkOptions } from '../../lib/server/options.js';
import { settingsOf } from '../../lib/sessions/settings.js';
import { maxTtl } from '../../lib/sessions/store.js';
import { checkTable } from '../../lib/shared/checks.js';
import { defaults as serverDefaults } from '../../lib/shared/defaults.js';
import { type Entry, entriesOf } from './helpers/entries.js';
import { guides, page } from './helpers/pages.js';
import { membersOf, numericDefaults } from './helpers/sources.js';

const channels = vi.hoisted(() => new Set<string>());
vi.mock('node:diagnostics_channel', async (original) => {
  const actual = await original<typeof import('node:diagnostics_channel')>();
  const channel = (name: string) => {
    channels.add(name);
    return actual.channel(name);
  };
  return { ...actual, channel };
});

const headingsOf = (name: string) => page(name).headings.map(({ words }) => words.replaceAll('`', ''));
const namesOf = (name: string, section?: string) => entriesOf(name, section).map((entry) => entry.name);

const handlers = membersOf('Handlers');
const serverOptions = membersOf('ServerSettings');
const tlsOptions = ['CommonTlsOptions', 'ServerTlsOptions', 'ClientTlsOptions'].flatMap((name) =>
  membersOf(name),
);
const connectOptions = membersOf('ConnectSettings');
const prefixed = (prefix: string, name: string) => membersOf(name).map((member) => `${prefix}: ${member}`);

describe('everything that can be given or asked has a heading', () => {
  it.each([
    ['every handler', 'docs/handlers.md', handlers],
    ['every event of a server', 'docs/handlers.md', ['upgrade', 'error', 'request']],
    ['every option of attach', 'docs/options.md', prefixed('attach', 'AttachOptions')],
    ['every option of close', 'docs/options.md', prefixed('close', 'CloseOptions')],
    ['every option of send', 'docs/options.md', prefixed('send', 'SendOptions')],
    ['every option of tls', 'docs/tls.md', tlsOptions],
    ['every option of perMessageDeflate', 'docs/compression.md', membersOf('DeflateOptions')],
    ['every option of connect', 'docs/client.md', connectOptions.filter((name) => name !== 'error')],
    ['every option of reconnect', 'docs/client.md', membersOf('ReconnectSettings')],
    ['every counter and gauge', 'docs/diagnostics.md', membersOf('ServerStats')],
    ['every counter of sessions', 'docs/diagnostics.md', prefixed('sessions', 'Counters')],
    ['every gauge of sessions', 'docs/diagnostics.md', prefixed('sessions', 'SessionStats')],
    ['every error code', 'docs/errors.md', Object.keys(errorCodes)],
    ['every option of SessionManager', 'docs/sessions/options.md', membersOf('SessionManagerOptions')],
    ['every event of SessionManager', 'docs/sessions/events.md', membersOf('SessionEvents')],
    ['every option of MemoryStore', 'docs/sessions/stores.md', prefixed('MemoryStore', 'MemoryStoreOptions')],
    ['every option of RedisStore', 'docs/sessions/stores.md', prefixed('RedisStore', 'RedisStoreOptions')],
    ['every option of HttpLogins', 'docs/sessions/logins.md', prefixed('HttpLogins', 'HttpLoginOptions')],
    [
      'every option of httpSessionStore',
      'docs/sessions/logins.md',
      prefixed('httpSessionStore', 'HttpSessionStoreOptions'),
    ],
  ])('%s, in %s', (_, name, members) => {
    expect(members.length).toBeGreaterThan(0);
    const known = headingsOf(name);
    expect(members.filter((member) => !known.includes(member))).toEqual([]);
  });

  it('every option of createServer', () => {
    const known = guides().flatMap(({ name }) => headingsOf(name));
    expect(serverOptions.filter((member) => !known.includes(member))).toEqual([]);
  });

  it('every diagnostics channel', async () => {
    await Promise.all([import('../../lib/sessions/index.js'), import('../../lib/redis/index.js')]);
    const known = headingsOf('docs/diagnostics.md').filter((words) => words.startsWith('libwebsockets:'));
    expect(known.sort()).toEqual([...channels].filter((name) => name.startsWith('libwebsockets:')).sort());
    expect(known.length).toBeGreaterThan(0);
  });
});

describe('every heading is about something that is there', () => {
  it.each([
    ['docs/options.md', undefined, serverOptions],
    ['docs/tls.md', 'Options', tlsOptions],
    ['docs/compression.md', 'Options', membersOf('DeflateOptions')],
    ['docs/client.md', 'Options of connect', connectOptions],
    ['docs/client.md', 'Options of reconnect', membersOf('ReconnectSettings')],
    ['docs/errors.md', undefined, Object.keys(errorCodes)],
    ['docs/sessions/options.md', undefined, membersOf('SessionManagerOptions')],
    ['docs/sessions/events.md', 'Events', membersOf('SessionEvents')],
  ])('%s, %s', (name, section, members) => {
    const told = namesOf(name, section).filter((one) => !/^(?:attach|close|send): /.test(one));
    expect(told.filter((one) => !members.includes(one))).toEqual([]);
  });
});

type Try = (name: string, value: number) => void;

function refuses(attempt: Try, name: string, value: number): boolean {
  try {
    attempt(name, value);
    return false;
  } catch (error) {
    return error instanceof LwsError && error.code === 'ERR_INVALID_OPTION';
  }
}

const pages: [what: string, entries: Entry[], attempt: Try][] = [
  ['createServer', entriesOf('docs/options.md'), (name, value) => checkOptions({ [name]: value })],
  [
    'perMessageDeflate',
    entriesOf('docs/compression.md', 'Options'),
    (name, value) => checkTable({ [name]: value }, deflateChecks, 'perMessageDeflate'),
  ],
  [
    'connect',
    entriesOf('docs/client.md', 'Options of connect'),
    (name, value) => checkConnectOptions({ [name]: value }),
  ],
  [
    'reconnect',
    entriesOf('docs/client.md', 'Options of reconnect'),
    (name, value) => reconnect('ws://127.0.0.1:1', { [name]: value }).close(),
  ],
  [
    'SessionManager',
    entriesOf('docs/sessions/options.md'),
    (name, value) => void settingsOf({ ttl: maxTtl, [name]: value }),
  ],
];

const bounded = pages.flatMap(([what, entries, attempt]) =>
  entries
    .filter(({ bounds, name }) => bounds && !name.includes(': '))
    .map((entry) => [what, entry, attempt] as const),
);

describe('bounds are those of the code', () => {
  it.each(bounded.map(([what, entry, attempt]) => [what, entry.name, entry, attempt] as const))(
    '%s, %s',
    (_, name, { bounds, fractions }, attempt) => {
      const [least, most] = bounds!;
      const inside = fractions ? [least, least + 0.5, most] : [least, most];
      const outside = fractions ? [least - 0.5, most + 0.5] : [least - 1, least + 0.5, most + 1];
      expect(inside.filter((value) => refuses(attempt, name, value))).toEqual([]);
      expect(outside.filter((value) => !refuses(attempt, name, value))).toEqual([]);
    },
  );

  it('of server.close() too', async () => {
    const server = createServer();
    const { bounds } = entriesOf('docs/options.md').find(({ name }) => name === 'close: timeout')!;
    for (const timeout of [bounds![0] - 1, bounds![1] + 1])
      await expect(server.close({ timeout })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await server.close({ timeout: bounds![0] });
  });
});

describe('defaults are those of the code', () => {
  const server = new Map([
    ...numericDefaults('lib/server/listening.ts', 'lib/handshake/core-options.ts'),
    ...Object.entries(serverDefaults),
  ] as [string, number][]);
  const client = new Map([
    ...server,
    ...numericDefaults('lib/client/options.ts', 'lib/client/connect.ts', 'lib/client/handshake.ts'),
    ...numericDefaults('lib/client/reconnect.ts'),
    ['followRedirects', 0],
  ] as [string, number][]);
  const sessions = new Map(Object.entries(settingsOf({}))) as Map<string, number>;
  const deflate = new Map(Object.entries(deflateSettings(true)!)) as Map<string, number>;
  const rows: [what: string, entries: Entry[], defaults: Map<string, number>][] = [
    ['createServer', entriesOf('docs/options.md'), server],
    ['connect', entriesOf('docs/client.md', 'Options of connect'), client],
    ['reconnect', entriesOf('docs/client.md', 'Options of reconnect'), client],
    ['perMessageDeflate', entriesOf('docs/compression.md', 'Options'), deflate],
    ['SessionManager', entriesOf('docs/sessions/options.md'), sessions],
  ];

  it.each(rows)('of %s', (_, entries, defaults) => {
    const told = entries.filter((entry) => entry.default !== undefined && !entry.name.includes(': '));
    expect(told.length).toBeGreaterThan(0);
    const real = told.map(({ name }) => [name, defaults.get(name)]);
    expect(told.map((entry) => [entry.name, entry.default])).toEqual(real);
  });
});
