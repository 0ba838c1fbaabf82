import { describe, expect, test } from 'vitest';
import { MemoryStore, SessionManager, type SessionManagerOptions } from '../../lib/sessions/index.js';

describe('options of a SessionManager', () => {
  test.each([
    [{ ttl: 50 }, 'ttl has to be an integer from 100 to'],
    [{ ttl: '5' }, 'ttl has to be an integer'],
    [{ maxAge: 1 }, 'maxAge has to be'],
    [{ ttl: 1000, keepDetached: 2000 }, 'keepDetached has to be an integer from 0 to 1000'],
    [{ touch: 'never' }, "touch has to be 'half' or 'exact', but is \"never\""],
    [{ pongsAreActivity: 1 }, 'pongsAreActivity has to be a boolean'],
    [{ maxPerUser: 0 }, 'maxPerUser has to be'],
    [{ onExcess: 'drop' }, "onExcess has to be 'reject' or 'closeOldest'"],
    [{ whenStoreFails: 'cry' }, "whenStoreFails has to be 'reject' or 'local'"],
    [{ sweepInterval: 1 }, 'sweepInterval has to be'],
    [{ maxAttributes: 1 }, 'maxAttributes has to be'],
    [{ loginBlock: -1 }, 'loginBlock has to be'],
    [{ logins: {} }, 'logins has to have a method touch'],
    [{ refreshAuth: true }, 'refreshAuth has to be a function'],
    [{ nodeId: '' }, 'nodeId has to be 1 to 256 bytes'],
    [{ store: {} }, 'store has to be a SessionStore, but an Object has no newId()'],
    [{ tll: 5 }, 'SessionManager has no option "tll"'],
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
