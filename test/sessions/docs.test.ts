import { describe, expect, it } from 'vitest';
import { errorCodes, LwsError } from '../../lib/index.js';
import { RedisStore } from '../../lib/redis/index.js';
import { closeCodes, httpSessionStore, MemoryStore, SessionManager } from '../../lib/sessions/index.js';
import { Session } from '../../lib/sessions/session.js';
import { type Entry, entriesOf } from '../docs/helpers/entries.js';
import { page } from '../docs/helpers/pages.js';
import { membersOf, numericDefaults } from '../docs/helpers/sources.js';
import { FakeSocket } from './helpers/fake-socket.js';

const pageOf = (name: string) => `docs/sessions/${name}.md`;

const prefixed = (prefix: string, type: string) => membersOf(type).map((member) => `${prefix}: ${member}`);
const told = (name: string, section?: string) => entriesOf(pageOf(name), section).map((entry) => entry.name);

describe('the pages of docs/sessions have a heading for', () => {
  it.each([
    ['every option', 'options', undefined, membersOf('SessionManagerOptions')],
    ['every event', 'events', 'Events', membersOf('SessionEvents')],
    ['every option of MemoryStore', 'stores', 'MemoryStore', prefixed('MemoryStore', 'MemoryStoreOptions')],
    ['every option of RedisStore', 'stores', 'RedisStore', prefixed('RedisStore', 'RedisStoreOptions')],
    [
      'every option of logins',
      'logins',
      'With express-session',
      [
        ...prefixed('HttpLogins', 'HttpLoginOptions'),
        ...prefixed('httpSessionStore', 'HttpSessionStoreOptions'),
      ],
    ],
  ])('%s, and for nothing else in that section', (_, name, section, members) => {
    expect(told(name, section).toSorted()).toEqual(members.toSorted());
  });

  it('errors that there are', () => {
    const errors = told('events', 'Errors');
    expect(errors.length).toBeGreaterThan(5);
    expect(errors.filter((code) => !(code in errorCodes))).toEqual([]);
    expect(errors).toEqual(
      expect.arrayContaining(Object.keys(errorCodes).filter((code) => /SESSION|STORE/.test(code))),
    );
  });
});

describe('the pages of docs/sessions tell', () => {
  const manager = new SessionManager();
  const entries = ['options', 'stores', 'logins'].flatMap((name) => entriesOf(pageOf(name)));

  it('[D-N1] members that there are, and none else', async () => {
    const session = await manager.attach(new FakeSocket());
    const { text } = page(pageOf('members'));
    const table =
      /^\| of `Session` \|[\s\S]*?\n\n\| of `SessionManager` \|[\s\S]*?\n\n/m.exec(text)?.[0] ?? '';
    const [ofSession = '', ofManager = ''] = table.split('| of `SessionManager` |');
    for (const [rows, object] of [
      [ofSession, session],
      [ofManager, manager],
    ] as const) {
      const first = [...rows.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell!).join(' ');
      const members = [...first.matchAll(/`(\w+)/g)].map(([, member]) => member!);
      expect(members.length).toBeGreaterThan(15);
      expect(members.filter((member) => !(member in object))).toEqual([]);
      const owner = Object.getPrototypeOf(object) as object;
      const inner =
        owner === Session.prototype
          ? ['adopt', 'markDetached', 'enqueue', 'write', 'replacing', 'shown', 'loseUnlessRenewed']
          : [];
      const hidden = [
        'constructor',
        'toJSON',
        'shutDown',
        'lookUp',
        'obey',
        'refetch',
        'refuseEnded',
        'lose',
        ...inner,
      ];
      const real = Object.getOwnPropertyNames(owner).filter((member) => !hidden.includes(member));
      expect(real.filter((member) => !members.includes(member))).toEqual([]);
    }
    await manager.stop();
  });

  it('the close codes', () => {
    const section = page(pageOf('events'))
      .text.split(/^## /m)
      .find((part) => part.startsWith('Close codes'))!;
    const codes = [...section.matchAll(/^\| (\d{4}) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(closeCodes).toSorted((a, b) => a - b));
  });

  it('defaults of the code', () => {
    const settings = numericDefaults('lib/sessions/settings.ts', 'lib/sessions/format.ts');
    const stores: [prefix: string, path: string][] = [
      ['MemoryStore', 'lib/sessions/memory-store.ts'],
      ['RedisStore', 'lib/redis/redis-store.ts'],
      ['httpSessionStore', 'lib/sessions/http-store.ts'],
    ];
    const real = new Map([...settings, ['maxAttributes', settings.get('defaultMaxBytes')!] as const]);
    for (const [prefix, path] of stores)
      for (const [option, value] of numericDefaults(path)) real.set(`${prefix}: ${option}`, value);
    const numeric = entries.filter((entry) => entry.default !== undefined);
    expect(numeric.length).toBeGreaterThan(7);
    for (const entry of numeric)
      expect([entry.name, entry.default]).toEqual([entry.name, real.get(entry.name)]);
  });

  const client = { sendCommand() {}, duplicate() {}, subscribe() {}, withTypeMapping() {} };
  const makers: Record<string, (option: string, value: number) => unknown> = {
    SessionManager: (option, value) => void new SessionManager({ [option]: value }).stop(),
    MemoryStore: (option, value) => new MemoryStore({ [option]: value }),
    RedisStore: (option, value) => new RedisStore({ client, [option]: value } as never),
    httpSessionStore: (option, value) =>
      httpSessionStore({ Store: class {}, store: new MemoryStore(), [option]: value }).close(),
  };
  const bounded = entries.filter((entry) => entry.bounds !== undefined);

  it.each(bounded.map((entry) => [entry.name, entry] as const))('the bounds of %s', (_, entry: Entry) => {
    const [kind = '', option = ''] = entry.name.includes(': ')
      ? entry.name.split(': ')
      : ['SessionManager', entry.name];
    const [least, most] = entry.bounds!;
    const refused = (value: number) => {
      try {
        makers[kind]!(option, value);
        return false;
      } catch (error) {
        expect(error).toBeInstanceOf(LwsError);
        expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(option) });
        return true;
      }
    };
    expect([least, most].filter(refused)).toEqual([]);
    expect([least - 1, most + 1, least + 0.5, Number.NaN].filter((value) => !refused(value))).toEqual([]);
  });
});
