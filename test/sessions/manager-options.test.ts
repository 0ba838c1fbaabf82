import { describe, expect, test } from 'vitest';
import { MemoryStore, SessionManager, type SessionManagerOptions } from '../../lib/sessions/index.js';

describe('options of a SessionManager', () => {
  test.each([
    [{ ttl: 50 }, 'an integer from 100 to 316224000000 for the option "ttl" but got the number 50'],
    [{ ttl: '5' }, 'for the option "ttl" but got the string "5"'],
    [{ maxAge: 1 }, 'for the option "maxAge" but got the number 1'],
    [{ ttl: 1000, keepDetached: 2000 }, 'an integer from 0 to 1000 for the option "keepDetached"'],
    [{ touch: 'never' }, `'half' or 'exact' for the option "touch" but got the string "never"`],
    [{ pongsAreActivity: 1 }, 'a boolean for the option "pongsAreActivity"'],
    [{ maxPerUser: 0 }, 'for the option "maxPerUser"'],
    [{ onExcess: 'drop' }, `'reject' or 'closeOldest' for the option "onExcess"`],
    [{ whenStoreFails: 'cry' }, `'reject' or 'local' for the option "whenStoreFails"`],
    [{ whenUnreadable: 'cry' }, `'fail', 'replace' or a function for the option "whenUnreadable"`],
    [{ sweepInterval: 1 }, 'for the option "sweepInterval"'],
    [{ maxAttributes: 1 }, 'for the option "maxAttributes"'],
    [{ loginBlock: -1 }, 'for the option "loginBlock"'],
    [{ logins: {} }, 'an object with a method touch for the option "logins"'],
    [{ refreshAuth: true }, 'a function for the option "refreshAuth"'],
    [{ nodeId: '' }, '1 to 256 bytes of well-formed text without NUL for the option "nodeId"'],
    [{ store: {} }, 'a SessionStore for the option "store" but got an object of Object without newId()'],
    [{ tll: 5 }, 'Unknown option "tll"; did you mean "ttl"?'],
  ])('%j is refused', (options, message) => {
    const make = () => new SessionManager(options as SessionManagerOptions);
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });

  test('without options it has a MemoryStore, 30 minutes, and a node id of its own', async () => {
    const managers = [new SessionManager(), new SessionManager()];
    const [one, two] = managers as [SessionManager, SessionManager];
    expect(one.store).toBeInstanceOf(MemoryStore);
    expect((await one.create()).record.ttl).toBe(1_800_000);
    expect(one.nodeId).not.toBe(two.nodeId);
    await Promise.all(managers.map((manager) => manager.stop()));
  });
});
