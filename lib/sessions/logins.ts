import { describe, unexpected } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { type Core, storesOf } from './core.js';
import type { LoginSource } from './settings.js';

/** Whether a login is still valid. An answer that is none ends nothing: it is a mistake, not a logout. */
export async function isAlive(logins: LoginSource, loginId: string): Promise<boolean> {
  const answer: unknown = await logins.touch(loginId);
  if (typeof answer === 'boolean') return answer;
  throw unexpected('a boolean', 'what logins.touch() resolves to', describe(answer));
}

/** The ids of all logins of a user: those that the source lists, and those of the sessions that are there. */
export async function loginsOf(core: Core, userId: string): Promise<string[]> {
  const { byUser } = listing(core);
  const listed = (await byUser(userId)).map(({ loginId }) => loginId);
  const records = await Promise.all(storesOf(core).map((store) => store.byUser(userId)));
  const known = records.flat().flatMap(({ loginId }) => (loginId === undefined ? [] : [loginId]));
  return [...new Set([...listed, ...known])];
}

/**
 * Ends all logins of a user with their sessions, each although others fail; answers how many sessions there were.
 * First the sessions: from then on the login refuses new ones.
 */
export async function endLoginsOf(core: Core, userId: string): Promise<number> {
  const { end } = listing(core);
  const logins = await loginsOf(core, userId);
  let ended = 0;
  const outcomes = await Promise.allSettled(
    logins.map(async (loginId) => {
      const sessions = await core.lifecycle.endLogin(loginId);
      ended += sessions;
      await end(loginId);
    }),
  );
  const others = await core.lifecycle.endUser(userId);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return ended + others;
}

function listing({ settings }: Core): Required<Pick<LoginSource, 'byUser' | 'end'>> {
  const { logins } = settings;
  if (logins?.byUser !== undefined && logins.end !== undefined)
    return { byUser: logins.byUser.bind(logins), end: logins.end.bind(logins) };
  const message =
    'the logins of a user are found by the option logins, as HttpLogins, with byUser() and end()';
  throw new LwsError('ERR_UNSUPPORTED', message);
}
